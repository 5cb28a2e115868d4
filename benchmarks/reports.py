"""What the report of an epoch costs the driver, early and late in a long trial: the ledger on disk, no training.

    python -m benchmarks.reports

Prints the milliseconds of a report around its 50th, 200th and 800th epoch, of one run: the median of the epochs nearby,
of several trials. The last line says how much more the late report costs than the early one.
"""

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from orchestrator.ledger.epoch import Epoch, EpochReport
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import TrialRecord
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from orchestrator.sweep.observer import Outcome
from orchestrator.sweep.sweep import Sweep
from orchestrator.sweep.verdict import Decision, Verdict

EPOCHS: Final = (50, 200, 800)
NEARBY: Final = 25
"""How many epochs up to each of these are measured."""

TRIALS: Final = 5


class Nobody:
    """An observer who does nothing."""

    def started(self, *_: object) -> None:
        pass

    def updated(self, record: TrialRecord) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        pass


def study() -> StudySpec:
    """Return a study of long trials without rungs."""
    plain = {
        "name": "reports",
        "data": {"name": "digits"},
        "model": {"name": "digits_cnn"},
        "paradigms": {"dense": {}},
        "search": {"trials": TRIALS, "sampler": "random"},
        "fidelity": {"epochs": max(EPOCHS) + 1, "rungs": []},
    }
    return StudySpec.model_validate_json(json.dumps(plain))


def milliseconds() -> Mapping[int, float]:
    """Return what a report costs, by epoch."""
    spent: dict[int, list[float]] = defaultdict(list)
    spec = study()
    with TemporaryDirectory() as folder, Ledger(Store(Path(folder)).study(spec.name), spec) as ledger:
        sweep = Sweep(ledger, Nobody())
        while (trial := sweep.next()) is not None:
            sweep.begin(trial.number)
            for number in range(1, max(EPOCHS) + 1):
                report = _report(number, spec.fidelity.epochs)
                begin = time.perf_counter()
                sweep.report(trial.number, report)
                sweep.judge(trial.number, report.epoch)
                spent[number].append(1e3 * (time.perf_counter() - begin))
            sweep.end(trial.number, Verdict(Decision.STOP, "measured"))
    around = {epoch: [ms for at in range(epoch - NEARBY, epoch) for ms in spent[at + 1]] for epoch in EPOCHS}
    return {epoch: statistics.median(measured) for epoch, measured in around.items()}


def _report(number: int, epochs: int) -> EpochReport:
    return EpochReport(
        Epoch(
            epoch=number,
            fidelity=number / epochs,
            stage="train",
            accuracy=0.9 + 1e-5 * number,
            loss=1 / number,
            train_loss=1 / number,
            learning_rate=0.1 / number,
            seconds=1.25,
            macs_projected=1e6 / 3,
            params_projected=1e5 / 3,
            images_per_second=12_345.6,
            peak_memory=432e6,
            device_use=0.93,
        )
    )


def main() -> None:
    """Measure and print."""
    cost = milliseconds()
    for epoch, ms in cost.items():
        print(f"epoch {epoch}: {ms:.3f} ms a report")
    early, late = min(EPOCHS), max(EPOCHS)
    print(f"a report at epoch {late} costs {cost[late] / cost[early]:.2f} times one at epoch {early}")


if __name__ == "__main__":
    main()
