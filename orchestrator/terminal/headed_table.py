"""A table below its title, which may be wider than the table, and above an empty line."""

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text


class HeadedTable(Table):
    """A table whose title is a line of its own."""

    def __init__(self, heading: str) -> None:
        super().__init__(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
        self._heading = heading

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self._heading, style="bold")
        yield from super().__rich_console__(console, options)
        yield Text()
