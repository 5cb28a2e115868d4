"""Corrupted images, generated from a seed, for training and for evaluation."""
