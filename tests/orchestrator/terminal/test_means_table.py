"""What the terminal shows of the front by the mean."""

from dataclasses import replace

from orchestrator.ledger.records import TrialRecord
from orchestrator.terminal.front_table import front_table
from orchestrator.terminal.means_table import means_table
from tests.orchestrator.example import told_trial
from tests.orchestrator.terminal.printing import SPEC, printed, study


def seeds(number: int, *accuracies: float) -> list[TrialRecord]:
    first = told_trial(number)
    return [
        replace(first, trial=10 * number + seed, seed=seed, metrics={**first.metrics, "accuracy": accuracy})
        for seed, accuracy in enumerate(accuracies)
    ]


RECORDS = [*seeds(0, 0.92, 0.90, 0.91), *seeds(1, 0.93, 0.91, 0.92), *seeds(2, 0.85), *seeds(3, 0.70, 0.71)]


def row(text: str, trial: int) -> str:
    return next(line for line in text.splitlines() if line.split()[:1] == [str(trial)])


def test_a_row_has_the_mean_its_interval_and_the_number_of_seeds() -> None:
    text = printed(means_table(SPEC, RECORDS))
    assert "Front of small by the mean over seeds: 3 configurations" in text
    assert row(text, 10).split()[2:6] == ["3", "92.00", "%", "+/-"]
    assert "92.00 % +/- 2.48 %" in row(text, 10)
    assert "1.11 M " in row(text, 10)
    assert row(text, 20).split()[2:5] == ["1", "85.00", "%"]
    assert "+/-" not in row(text, 20)
    assert "test accuracy" in text


def test_the_dense_network_is_the_first_row_though_others_dominate_it() -> None:
    text = printed(means_table(SPEC, RECORDS))
    assert [line.split()[0] for line in text.splitlines() if line[:5].strip().isdigit()] == ["0", "10", "20", "30"]
    assert "dense (reference)" in row(text, 0)


def test_a_member_that_may_be_dominated_names_by_which() -> None:
    close = [*seeds(1, 0.93, 0.91, 0.92), *seeds(2, 0.92, 0.90, 0.925)]
    text = printed(means_table(SPEC, close), width=100)
    assert row(text, 10).split()[-1] == "20"


def test_each_row_fits_eighty_columns() -> None:
    text = printed(means_table(SPEC, RECORDS), width=80)
    assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
    assert "92.00 % +/- 2.48 %" in row(text, 10)


def test_the_front_by_the_mean_is_below_the_front_of_a_study_with_seeds() -> None:
    assert "by the mean over seeds" in printed(front_table(study(search={"seeds": 3}), RECORDS))
    assert "by the mean" not in printed(front_table(SPEC, RECORDS))


def test_without_a_finished_trial_there_is_none() -> None:
    assert "No configuration is on the front by the mean yet." in printed(means_table(SPEC, []))
