"""The told trials of a made-up study: mostly complete, some stopped early, some failed."""

from datetime import UTC, datetime, timedelta

from orchestrator.ledger.epoch import Epoch
from orchestrator.ledger.failures import Failure
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import Objectives
from trainables.spec import Value

OBJECTIVES: Objectives = {"accuracy": "maximize", "macs": "minimize"}
BEGIN = datetime(2026, 3, 1, 9, tzinfo=UTC)
DENSE = {"macs": 1.23e6, "params": 29_800.0}
EPOCHS = 4


def told_trials(count: int) -> list[TrialRecord]:
    """Return `count` trials: the first dense, every fifth from the fourth on stopped early, every seventh failed."""
    return [told_trial(number) for number in range(count)]


def told_trial(number: int) -> TrialRecord:
    """Return one of them; the higher the number, the sparser and the less accurate."""
    sparsity = 1 - 0.9**number
    state = State.PRUNED if number % 5 == 4 else State.FAIL if number % 7 == 6 else State.COMPLETE
    done = {State.COMPLETE: EPOCHS, State.PRUNED: 2, State.FAIL: 1}[state]
    params: dict[str, Value] = {"sparsity": sparsity, "scope": "global", "rounds": number % 3 + 1} if number else {}
    started = BEGIN + timedelta(seconds=2 * number)
    return TrialRecord(
        study="example",
        trial=number,
        paradigm="dense" if not number else "magnitude" if number % 2 else "lottery_ticket",
        state=state,
        seed=100 + number,
        params=params,
        reason={State.PRUNED: "stopped at epoch 2", State.FAIL: "accuracy is NaN"}.get(state),
        failure=Failure.ERROR if state is State.FAIL else None,
        fidelity=done / EPOCHS,
        metrics=_metrics(sparsity) if state is State.COMPLETE else {},
        curve=tuple(_epoch(epoch, sparsity) for epoch in range(1, done + 1)),
        seconds=float(done),
        started=started,
        finished=started + timedelta(seconds=done),
    )


def _metrics(sparsity: float) -> dict[str, float]:
    alive = {name: value * (1 - sparsity) for name, value in DENSE.items()}
    return {
        "accuracy": 0.99 - 0.1 * sparsity**4,
        "loss": 0.05,
        "test_accuracy": 0.98 - 0.1 * sparsity**4,
        "sparsity": sparsity,
        **alive,
        **{f"{name}_effective": value for name, value in alive.items()},
        **{f"{name}_dense": value for name, value in DENSE.items()},
    }


def _epoch(epoch: int, sparsity: float) -> Epoch:
    return Epoch(
        epoch=epoch,
        fidelity=epoch / EPOCHS,
        stage="train",
        accuracy=0.9 + 0.02 * epoch,
        loss=1 / epoch,
        train_loss=1 / epoch,
        learning_rate=0.1,
        seconds=1.0,
        images_per_second=1000.0 * epoch,
        peak_memory=432e6 + epoch,
        device_use=0.93,
        macs_projected=DENSE["macs"] * (1 - sparsity),
        params_projected=DENSE["params"] * (1 - sparsity),
    )
