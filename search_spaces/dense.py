"""The dense baseline has nothing to search."""

from search_spaces.space import Space

SPACE = Space()
