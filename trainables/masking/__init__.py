"""Masks on weights: criteria that score, allocations that rank, granularities that group."""
