"""A table for a terminal leaves out columns rather than break lines."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from orchestrator.terminal.fitted_table import Column, FittedTable

TABLE = FittedTable(
    (
        Column(heading="trial", cells=("1", "20")),
        Column(heading="validation accuracy", cells=("99.00 %", "98.00 %"), rank=2),
        Column(heading="notes", cells=("a long remark", ""), rank=3, is_text=True),
        Column(heading="MACs", cells=("1 k", "2 k"), rank=1),
    )
)


def lines(width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(TABLE)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("width", "headings"),
    [
        (5, ["trial"]),
        (12, ["trial", "MACs"]),
        (25, ["trial", "validation accuracy", "MACs"]),
        (80, ["trial", "validation accuracy", "notes", "MACs"]),
    ],
)
def test_the_least_important_columns_go_first_and_the_others_keep_their_order(width: int, headings: list[str]) -> None:
    assert [column.heading for column in TABLE.fitting(width)] == headings


@given(st.integers(5, 100))
def test_no_row_is_ever_broken_and_none_is_wider_than_the_terminal(width: int) -> None:
    shown = lines(width)
    assert all(len(line.rstrip()) <= width for line in shown)
    assert [line.split()[0] for line in shown if line.split() and line.split()[0].isdigit()] == ["1", "20"]


def test_a_heading_is_one_line_where_there_is_room() -> None:
    assert any("validation accuracy" in line for line in lines(80))
    assert not any("validation accuracy" in line for line in lines(25))
