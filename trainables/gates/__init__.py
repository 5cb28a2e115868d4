"""Complexity-aware training: gates on units and layers, what they are worth, what they cost."""
