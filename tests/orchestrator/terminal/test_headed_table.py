"""A table below its title."""

from orchestrator.terminal.headed_table import HeadedTable
from tests.orchestrator.terminal.printing import lines_of


def test_a_title_wider_than_its_table_stays_on_one_line() -> None:
    title = "a title that is much wider than the table below it"
    table = HeadedTable(title)
    table.add_column("n")
    table.add_row("1")
    assert lines_of(table) == [title, "n", "─", "1", ""]
