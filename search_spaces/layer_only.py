"""Layers alone: the price, or the budget that stands for it, and what complexity means."""

from search_spaces.complexity_aware import SPACE as WHOLE
from search_spaces.space import Space

SPACE = Space({name: dimension for name, dimension in WHOLE.items() if name != "beta"})
