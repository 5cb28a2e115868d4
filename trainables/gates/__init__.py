"""Complexity-aware training: gates on units and layers, their worth, and their cost."""
