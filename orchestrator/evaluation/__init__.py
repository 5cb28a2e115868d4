"""Evaluates the networks of a study's finished trials, resumably: which trials, which conditions, what is missing."""
