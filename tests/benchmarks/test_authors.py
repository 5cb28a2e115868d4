"""What authors' programs are compared by is cut out of files that cannot be run as a whole."""

from pathlib import Path

import pytest
import torch

from benchmarks import authors

PROGRAM = """import missing
start(training)

def half(x):
    if x:
# a line that is commented out
        return x / 2

    return other(x)
def other(x): return -1
training(async=True)
    first = x * 2
    second = (first
              + 1)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    file = tmp_path / "main.py"
    file.write_text(PROGRAM)
    return file


def test_functions_are_cut_out_of_a_file_that_cannot_be_run(program: Path) -> None:
    module = authors.cut(program, "half", "other")
    assert (module.half(3), module.half(0)) == (1.5, -1)


def test_lines_are_cut_out_and_run_on_given_values(program: Path) -> None:
    assert authors.run(authors.lines(program, "first =", 3), x=4).second == 9


@pytest.mark.parametrize("file", ["main.py", "elsewhere.py"])
def test_what_a_file_lacks_is_named(program: Path, file: str) -> None:
    with pytest.raises(SystemExit, match=f"{file} has no quarter; the folder needs clones"):
        authors.cut(program.with_name(file), "quarter")


def test_values_come_with_their_slopes() -> None:
    at = torch.tensor([1.0, 2.0], requires_grad=True)
    assert authors.with_slope(at.square(), at, torch.tensor([1.0, 10.0])).tolist() == [1, 4, 2, 40]


def test_a_difference_is_relative_to_the_largest_value() -> None:
    assert authors.difference(torch.tensor([1.0, 5.0]), torch.tensor([2.0, 4.0])) == 0.25
