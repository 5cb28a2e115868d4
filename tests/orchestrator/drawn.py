"""Records that hypothesis draws."""

import math
from datetime import UTC, datetime

from hypothesis import strategies as st

from orchestrator.ledger.epoch import EPOCH_FIELDS, USAGE_FIELDS, Epoch
from orchestrator.ledger.failures import Failure
from orchestrator.ledger.records import State, TrialRecord
from trainables.spec import Value

LETTERS = "aZ0_. \"\\'<&/\n\0é漢🌱"
TEXTS = st.text(LETTERS, max_size=12)
NAMES = st.text(LETTERS, min_size=1, max_size=12)
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)
ACCURACIES = st.sampled_from([0.0, 0.1, 0.5, 0.7, 0.9, 0.95, 1.0])
COSTS = st.sampled_from([0.0, 1e3, 2e4, 4e4, 5e5, 1e6])
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))

UNKNOWN = (*USAGE_FIELDS, "train_loss", "learning_rate")
"""What need not be known of an epoch."""

VALUES: st.SearchStrategy[Value] = st.booleans() | st.integers(-(2**40), 2**40) | FINITE | TEXTS
EPOCHS: st.SearchStrategy[Epoch] = st.builds(
    Epoch,
    epoch=st.integers(0, 1000),
    stage=TEXTS,
    **{name: FINITE for name, kind in EPOCH_FIELDS.items() if kind is float and name not in UNKNOWN},
    **dict.fromkeys(UNKNOWN, st.none() | FINITE),
)


BLEMISHES = st.sampled_from(["none"] * 6 + ["missing", "nan", "infinite"])
PARADIGMS = st.sampled_from(["dense", "magnitude"])
STATES = st.sampled_from([State.COMPLETE] * 4 + list(State))
FIDELITIES = st.sampled_from([1.0, 1.0, 1.0, 0.3])
FEASIBLE = st.sampled_from([True, True, True, False])
FINISHED = st.none() | TIMES
"""Made once: hypothesis takes longer to make a strategy than to draw from it."""


@st.composite
def results(draw: st.DrawFn, trial: int = 0) -> TrialRecord:
    """Draw a trial in any state, whole or lacking something, from few values, so that ties and duplicates occur."""
    metrics = {"accuracy": draw(ACCURACIES), "macs": draw(COSTS), "macs_dense": 1e6, "params": draw(COSTS)}
    blemish = draw(BLEMISHES)
    if blemish == "missing":
        del metrics["macs"]
    elif blemish != "none":
        metrics["accuracy"] = math.nan if blemish == "nan" else math.inf
    return TrialRecord(
        study="drawn",
        trial=trial,
        paradigm=draw(PARADIGMS),
        state=draw(STATES),
        seed=trial,
        fidelity=draw(FIDELITIES),
        metrics=metrics,
        feasible=draw(FEASIBLE),
        finished=draw(FINISHED),
    )


@st.composite
def studies(draw: st.DrawFn, largest: int = 12) -> list[TrialRecord]:
    """Draw the trials of one study, numbered from 0."""
    return [draw(results(trial)) for trial in range(draw(st.integers(0, largest)))]


@st.composite
def arbitrary_records(draw: st.DrawFn) -> TrialRecord:
    """Draw a record with anything in it that its types allow, but NaN, which equals nothing."""
    return TrialRecord(
        study=draw(NAMES),
        trial=draw(st.integers(0, 10**6)),
        paradigm=draw(NAMES),
        state=draw(st.sampled_from(State)),
        seed=draw(st.integers(0, 2**31)),
        params=draw(st.dictionaries(NAMES, VALUES, max_size=5)),
        sampler=draw(st.none() | TEXTS),
        reason=draw(st.none() | TEXTS),
        fidelity=draw(st.floats(0, 1)),
        metrics=draw(st.dictionaries(NAMES, FINITE, max_size=5)),
        curve=tuple(draw(st.lists(EPOCHS, max_size=4))),
        feasible=draw(st.booleans()),
        failure=draw(st.none() | st.sampled_from(Failure)),
        attempts=draw(st.integers(0, 20)),
        attempts_failed=draw(st.integers(0, 1)),
        attempts_lost=draw(st.integers(0, 20)),
        damaged_checkpoints=draw(st.integers(0, 2)),
        seconds=draw(st.floats(0, 1e9)),
        started=draw(st.none() | TIMES),
        finished=draw(st.none() | TIMES),
    )
