"""Single entries of a network's options that are lists, as hyper-parameters of their own: `widths.2` of `widths`."""

from collections.abc import Mapping
from typing import NamedTuple

from trainables.spec import Option, Value


class Entry(NamedTuple):
    """An entry of the list that is the option of that name, counted from 0."""

    option: str
    place: int

    def lies_in(self, options: Mapping[str, Option]) -> bool:
        """Return whether a network's options have it."""
        whole = options.get(self.option)
        return isinstance(whole, list) and self.place < len(whole)


def entry(name: str) -> Entry | None:
    """Return the entry that a searched option names; None for a whole option, and for another spelling of a place."""
    option, dot, place = name.rpartition(".")
    return Entry(option, int(place)) if dot and place.isdecimal() and place == str(int(place)) else None


def replaced(options: Mapping[str, Option], searched: Mapping[str, Value]) -> dict[str, Option]:
    """Return options of a network with the searched ones in their place, and searched entries in that of theirs."""
    merged = dict(options)
    for name, value in searched.items():
        found = entry(name)
        if found is not None and found.lies_in(merged):
            whole = merged[found.option]
            assert isinstance(whole, list)
            merged[found.option] = [value if place == found.place else old for place, old in enumerate(whole)]
        else:
            merged[name] = value
    return merged
