"""Published results and a study's answers, for the terminal."""

from orchestrator.results.published import PublishedResult
from orchestrator.results.verification import Change, Verification
from orchestrator.terminal.verification_table import verification_table
from tests.orchestrator.terminal.printing import lines_of


def published(paper: str, folds: float, change: float) -> PublishedResult:
    return PublishedResult(
        paper=paper,
        year=2018,
        data="CIFAR-10",
        network="ResNet-56",
        change=change,
        folds={"macs": folds, "params": 3.0},
    )


REACHED = Verification(published("Short", 2.0, -0.01), "macs", 7, Change(2.5, -0.0075))
BEHIND = Verification(
    published("A paper whose title goes on and on beyond a column", 4.0, 0.0), "params", 12, Change(3.0, -0.02)
)
ALONE = Verification(published("Small", 9.0, 0.001), "macs")


def rows() -> list[str]:
    lines = lines_of(verification_table([REACHED, BEHIND, ALONE]))
    return [" ".join(line.split()) for line in lines if "(2018)" in line]


def test_each_result_is_told_with_its_answer_in_points_of_accuracy() -> None:
    reached, behind, alone = rows()
    assert reached == "Short (2018) MACs -1.00 at 2.00x -0.75 at 2.50x 7 +0.25 reached"
    assert behind.endswith("parameters +0.00 at 3.00x -2.00 at 3.00x 12 -2.00 behind")
    assert alone == "Small (2018) MACs +0.10 at 9.00x - - - none so small"


def test_a_long_title_is_cut_between_words() -> None:
    assert rows()[1].startswith("A paper whose title goes ... (2018)")


def test_the_first_line_counts_the_verdicts() -> None:
    title, *_ = lines_of(verification_table([REACHED, REACHED, BEHIND, ALONE]))
    assert title == "4 published results: 2 reached, 1 behind, 1 smaller than any of ours"
