"""What a trial reports, and the surroundings that any caller can give it."""

from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path

import pytest

from trainables.context import Context, Report, SaveCheckpoint
from trainables.spec import DataSpec, ModelSpec, TrialSpec
from trainables.trial import run_trial

REPORT = Report(
    epoch=1,
    fidelity=0.5,
    stage="train",
    accuracy=0.9,
    loss=0.3,
    train_loss=0.2,
    learning_rate=0.1,
    seconds=1.5,
    macs_projected=10.0,
    params_projected=20.0,
)


class Silent:
    """The least that a trial needs: nothing is kept."""

    device = "cpu"
    cache: Path | None = None

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - nothing is saved
        self.epochs.append(report.epoch)

    def restore(self) -> Path | None:
        return None


def test_a_report_cannot_be_changed_and_carries_no_metrics_by_itself() -> None:
    with pytest.raises(FrozenInstanceError):
        REPORT.accuracy = 1.0  # type: ignore[misc]
    assert REPORT.metrics == {}
    assert REPORT.usage is None


def test_reports_do_not_share_their_metrics() -> None:
    assert REPORT.metrics is not replace(REPORT, metrics={}).metrics
    assert Report(**{**asdict(REPORT), "metrics": {"macs": 1.0}}).metrics == {"macs": 1.0}


def test_four_members_are_all_that_a_trial_asks_of_its_surroundings() -> None:
    context: Context = Silent()
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=40),
        model=ModelSpec(name="mlp", options={"widths": [4]}),
        paradigm="dense",
        epochs=3,
    )
    run_trial(spec, context)
    assert isinstance(context, Silent)
    assert context.epochs == [1, 2, 3]
