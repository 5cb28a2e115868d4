"""A table that keeps each row on one line: what has no room on this terminal is left out, the least important first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod
from rich.table import Table

PADDING: Final = 2
"""Cells beside each column."""

BETWEEN: Final = 1
"""Cells between two columns."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading above a cell for each row. One of rank 0 is always shown, of the others those of low rank first."""

    heading: str
    cells: tuple[str, ...]
    rank: int = 0
    is_text: bool = False
    style: str = ""

    @property
    def folded(self) -> str:
        """The heading with each word on a line of its own."""
        return "\n".join(self.heading.split())

    @property
    def narrow(self) -> int:
        """The width with a folded heading."""
        return max(map(cell_len, (*self.heading.split(), *self.cells)), default=0)

    @property
    def wide(self) -> int:
        """The width with the heading on one line."""
        return max(self.narrow, cell_len(self.heading))


@dataclass(frozen=True)
class FittedTable:
    """Columns, in the order in which they stand; `styles` are those of the rows."""

    columns: tuple[Column, ...]
    styles: tuple[str, ...] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        yield self.within(options.max_width)

    def within(self, width: int) -> Table:
        """Return the table with the columns that have room in so many cells."""
        shown = self.fitting(width)
        one_line = sum(column.wide for column in shown) + _around(shown) <= width
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        for column in shown:
            heading = column.heading if one_line else column.folded
            justify: JustifyMethod = "left" if column.is_text else "right"
            table.add_column(heading, justify=justify, style=column.style, no_wrap=True, vertical="bottom")
        for number in range(max((len(column.cells) for column in shown), default=0)):
            style = self.styles[number] if self.styles else ""
            table.add_row(*(column.cells[number] for column in shown), style=style)
        return table

    def fitting(self, width: int) -> list[Column]:
        """Return the columns that have room, in their order."""
        kept: list[Column] = []
        for column in sorted(self.columns, key=lambda column: column.rank):
            more = [*kept, column]
            if column.rank == 0 or sum(each.narrow for each in more) + _around(more) <= width:
                kept = more
        return [column for column in self.columns if column in kept]


def _around(columns: Sequence[Column]) -> int:
    """Return the cells of a table that belong to no column; none are before the first and after the last."""
    return (PADDING + BETWEEN) * max(0, len(columns) - 1)
