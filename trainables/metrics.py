"""The metrics of a trial, one row each: which way is better, in which unit, whether it shows before the end.

A metric that a trial measures and that has a row here with a `direction` is an objective that a study can name, and can
be constrained. Costs are effective, where masked weights cost nothing, or physical, where only what was removed is
saved: two rows, as ``macs`` and ``macs_physical``, which share the dense network's value, ``macs_dense``.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

Direction = Literal["maximize", "minimize"]
Place = Literal["front", "mlflow", "figure"]


class Unit(Enum):
    """How values are written."""

    SHARE = "share"
    ROUGH_SHARE = "rough share"
    COUNT = "count"
    BYTES = "bytes"
    SECONDS = "seconds"
    DURATION = "duration"
    JOULES = "joules"
    NUMBER = "number"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What the rest of the code knows about a metric.

    `words` is its full name; `short` the one for narrow columns, if `words` is too long for them. `direction` is the
    better one, None for what is measured only to be shown. Values lie in [`low`, `high`]. `foretold` is the field of an
    epoch's report that foretells the value at the end, if one does; where `settled`, it is known early rather than
    still improving, so that a constraint can be judged by it. `shown` says where the metric is shown without being
    asked for: in tables of the front (terminal, report), in MLflow's table of the front, beside points of figures.
    """

    name: str
    words: str
    short: str | None = None
    unit: Unit
    direction: Direction | None = None
    low: float = 0.0
    high: float = math.inf
    foretold: str | None = None
    settled: bool = False
    dense: str | None = None
    """The name under which the dense network's value is measured, if it is."""
    physical: str | None = None
    """Of an effective cost, the metric that counts masked weights in full."""
    shown: frozenset[Place] = frozenset()
    tasks: frozenset[str] = frozenset()
    """The tasks of which it is a metric; none for what does not depend on the task."""

    @property
    def approaches_one(self) -> bool:
        """Whether the best value is one; that of all others is zero."""
        return self.direction == "maximize" and self.high == 1


_EVERYWHERE: Final[frozenset[Place]] = frozenset({"front", "mlflow", "figure"})

_LABELS: Final = frozenset({"classification"})
_NUMBERS: Final = frozenset({"regression"})
_TEXT: Final = frozenset({"language_modeling"})


def _quality(name: str, words: str, direction: Direction = "maximize", high: float = 1.0) -> Metric:
    """Return the row of what logits are measured by, of validation and, as ``test_<name>``, of test."""
    unit = Unit.SHARE if high == 1 else Unit.NUMBER
    return Metric(
        name=name, words=f"validation {words}", short=words, unit=unit, direction=direction, high=high, tasks=_LABELS
    )


def _error(
    name: str, words: str, tasks: frozenset[str], *, selects: bool = False, low: float = 0.0
) -> Iterator[Metric]:
    """Yield the rows of a number that falls while a network learns, of validation and of test.

    One that each epoch reports foretells its end.
    """
    shown = _EVERYWHERE if selects else frozenset[Place]()
    yield Metric(
        name=name,
        words=f"validation {words}",
        short=words,
        unit=Unit.NUMBER,
        direction="minimize",
        low=low,
        foretold=name,
        shown=shown,
        tasks=tasks,
    )
    yield Metric(name=f"test_{name}", words=f"test {words}", unit=Unit.NUMBER, low=low, shown=shown, tasks=tasks)


_ROWS: Final = (
    Metric(
        name="accuracy",
        words="validation accuracy",
        short="accuracy",
        unit=Unit.SHARE,
        direction="maximize",
        high=1.0,
        foretold="accuracy",
        shown=_EVERYWHERE,
        tasks=_LABELS | _TEXT,
    ),
    Metric(
        name="test_accuracy",
        words="test accuracy",
        unit=Unit.SHARE,
        high=1.0,
        shown=_EVERYWHERE,
        tasks=_LABELS | _TEXT,
    ),
    *_error("mae", "mean absolute error", _NUMBERS, selects=True),
    *_error("mse", "mean squared error", _NUMBERS),
    *_error("perplexity", "perplexity", _TEXT, selects=True, low=1.0),
    *_error("bits_per_character", "bits per character", _TEXT),
    Metric(name="loss", words="validation loss", unit=Unit.NUMBER, direction="minimize", foretold="loss"),
    Metric(name="test_loss", words="test loss", unit=Unit.NUMBER),
    _quality("f1_macro", "F1 (macro)"),
    _quality("precision_macro", "precision (macro)"),
    _quality("recall_macro", "recall (macro)"),
    _quality("auroc", "AUROC"),
    _quality("top5", "top-5 accuracy"),
    _quality("ece", "calibration error", "minimize"),
    _quality("brier", "Brier score", "minimize", high=2.0),
    Metric(
        name="nll",
        words="validation negative log-likelihood",
        short="neg. log-likelihood",
        unit=Unit.NUMBER,
        direction="minimize",
        tasks=_LABELS,
    ),
    Metric(
        name="r2",
        words="validation R²",
        short="R²",
        unit=Unit.NUMBER,
        direction="maximize",
        low=-math.inf,
        high=1.0,
        tasks=_NUMBERS,
    ),
    Metric(name="rmse", words="validation RMSE", short="RMSE", unit=Unit.NUMBER, direction="minimize", tasks=_NUMBERS),
    Metric(
        name="explained_variance",
        words="validation explained variance",
        short="explained variance",
        unit=Unit.NUMBER,
        direction="maximize",
        low=-math.inf,
        high=1.0,
        tasks=_NUMBERS,
    ),
    Metric(
        name="macs",
        words="effective MACs",
        short="MACs",
        unit=Unit.COUNT,
        direction="minimize",
        foretold="macs_projected",
        settled=True,
        dense="macs_dense",
        physical="macs_physical",
        shown=_EVERYWHERE,
    ),
    Metric(
        name="params",
        words="effective parameters",
        short="parameters",
        unit=Unit.COUNT,
        direction="minimize",
        foretold="params_projected",
        settled=True,
        dense="params_dense",
        physical="params_physical",
        shown=_EVERYWHERE,
    ),
    Metric(
        name="macs_physical",
        words="physical MACs",
        unit=Unit.COUNT,
        direction="minimize",
        dense="macs_dense",
        shown=_EVERYWHERE,
    ),
    Metric(
        name="params_physical",
        words="physical parameters",
        unit=Unit.COUNT,
        direction="minimize",
        dense="params_dense",
        shown=frozenset({"front", "mlflow"}),
    ),
    Metric(name="mults", words="multiplications", unit=Unit.COUNT, direction="minimize", dense="macs_dense"),
    Metric(name="stored_bits", words="stored bits", unit=Unit.COUNT, direction="minimize"),
    Metric(name="bytes", words="bytes", unit=Unit.COUNT, direction="minimize"),
    Metric(
        name="latency",
        words="latency",
        unit=Unit.SECONDS,
        direction="minimize",
        shown=frozenset({"figure"}),
    ),
    Metric(name="latency_masked", words="latency with all channels computed", unit=Unit.SECONDS),
    Metric(name="macs_spread", words="standard deviation of MACs over images", unit=Unit.COUNT),
    Metric(name="macs_p95", words="MACs that 95 % of the images do not exceed", unit=Unit.COUNT),
    Metric(name="sparsity", words="sparsity", unit=Unit.SHARE, low=-math.inf, high=1.0, shown=frozenset({"mlflow"})),
    Metric(name="fidelity", words="fidelity", unit=Unit.SHARE, high=1.0),
    Metric(name="images_per_second", words="samples/s", unit=Unit.COUNT),
    Metric(name="peak_memory", words="peak memory", unit=Unit.BYTES, direction="minimize"),
    Metric(name="energy", words="energy of training", unit=Unit.JOULES, direction="minimize"),
    Metric(name="train_cost", words="training MACs of the dense ones", unit=Unit.SHARE, direction="minimize"),
    Metric(name="train_flops", words="FLOPs of training", unit=Unit.COUNT, direction="minimize"),
    Metric(name="train_seconds", words="time of training", unit=Unit.DURATION, direction="minimize"),
    Metric(name="lr_scale", words="learning rate, times the study's", unit=Unit.NUMBER),
    Metric(name="device_use", words="device use", unit=Unit.ROUGH_SHARE, high=1.0),
)

TABLE: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _ROWS}
"""All metrics, by name."""

OBJECTIVES: Final = tuple(metric.name for metric in _ROWS if metric.direction is not None)
"""What a study may name as an objective or constrain."""

FORETOLD: Final[Mapping[str, str]] = {metric.name: metric.foretold for metric in _ROWS if metric.foretold is not None}
"""The metrics that can be judged before the end, each with the field of a report that foretells it."""

SETTLED: Final[Mapping[str, str]] = {name: field for name, field in FORETOLD.items() if TABLE[name].settled}
"""Those of them by which a constraint can be judged early; accuracy still rises."""


AT: Final = "@"
"""Between a metric and the other images that it is measured on, as in ``accuracy@fog_3``."""

VALIDATION: Final = "validation_"
"""Begins the names of images made from validation ones, on which a study selects; all others are test images."""

ALWAYS: Final = ("nll", "brier", "ece")
"""What every trial measures of its final network: how good its probabilities are. It costs next to nothing."""

EVALUATED: Final = ("accuracy", *ALWAYS)
"""What is measured on other images."""

COMPARED: Final[Mapping[str, Direction]] = {
    "agreement": "maximize",
    "distance": "minimize",
    "excess_error": "minimize",
}
"""What is measured only by comparison with the dense network, after the study."""

COSTS: Final = ("macs", "params", "macs_physical", "params_physical", "bytes")
"""The metrics of which something may be known before training (`expected_complexity.py`)."""

_FUNCTION: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_function(name: str) -> bool:
    """Return whether a metric's name refers to a function of the user's, as ``package.module:function``."""
    return _FUNCTION.fullmatch(name) is not None


def is_of_task(name: str) -> bool:
    """Return whether a metric says how well a network does its task, and not what the network costs."""
    return (name not in TABLE and not is_function(name)) or bool(find(name).tasks)


def foretold(name: str) -> str | None:
    """Return the field of a report that foretells a metric at the end; None where none does.

    What a user's task measures is reported after each epoch by its name.
    """
    if name in TABLE or is_function(name):
        return FORETOLD.get(name)
    return None if AT in name else name


def find(name: str) -> Metric:
    """Return a metric; one that code of the user's measures may have any value, and either direction."""
    if name in TABLE:
        return TABLE[name]
    measured, at, _ = name.partition(AT)
    if at and measured in EVALUATED:
        row, full = TABLE[measured], words(name)
        return Metric(
            name=name, words=full, unit=row.unit, direction=row.direction, low=row.low, high=row.high, tasks=_LABELS
        )
    return Metric(name=name, words=name, unit=Unit.NUMBER, low=-math.inf)


def unit(name: str) -> Unit:
    """Return the unit of a metric; a twin, as ``macs_dense``, has that of the metric, and so has a column."""
    name, at, _ = name.partition(AT)
    if at and name in COMPARED:
        return Unit.NUMBER if name == "distance" else Unit.SHARE
    metric = (
        TABLE.get(name)
        or TABLE.get(_measure(name))
        or next((row for row in _ROWS if name.startswith(f"{row.name}_")), None)
    )
    return metric.unit if metric is not None else Unit.NUMBER


def words(name: str) -> str:
    """Return a metric's full name, with the split, the kind or the images that it is measured on."""
    metric, at, images = name.partition(AT)
    if at:
        return f"{metric} on {images}".replace("_", " ")
    if name in TABLE or is_function(name):
        return find(name).words
    if name.removeprefix("test_") in TABLE:
        return TABLE[name.removeprefix("test_")].words.replace("validation", "test")
    return name.replace("_", " ")


def short(name: str) -> str:
    """Return a metric's name for a narrow column."""
    return (TABLE[name].short if name in TABLE else None) or words(name)


def dense_twin(name: str) -> str | None:
    """Return under which name the dense network's value of a metric is measured, if it is."""
    return TABLE[name].dense if name in TABLE else None


def physical_twin(name: str) -> str | None:
    """Return the physical cost beside an effective one; None for all other metrics."""
    return TABLE[name].physical if name in TABLE else None


def is_physical(name: str) -> bool:
    """Return whether a metric is a cost of which masked weights are a part."""
    return any(name == metric.physical for metric in _ROWS)


def dense_value(name: str, values: Mapping[str, float]) -> float | None:
    """Return the dense network's value of a metric, if it is among a trial's `values`."""
    twin = dense_twin(name)
    return values.get(twin) if twin is not None else None


def share_of_dense(name: str, values: Mapping[str, float]) -> float | None:
    """Return a metric as a share of the dense network's value, if both are among a trial's `values`."""
    value, dense = values.get(name), dense_value(name, values)
    return value / dense if value is not None and dense else None


def shown(where: Place) -> Iterator[str]:
    """Yield the metrics that are shown without being asked for, qualities before sizes."""
    return (metric.name for metric in _ROWS if where in metric.shown)


def direction_of(name: str) -> Direction | None:
    """Return which way a metric is better, also on the test split or other images; None if neither way is."""
    measured = name.partition(AT)[0]
    if measured != name and measured in COMPARED:
        return COMPARED[measured]
    metric = TABLE.get(_measure(measured))
    return metric.direction if metric is not None else None


def _measure(name: str) -> str:
    """Return what is measured, of the network or an ensemble around it, on validation or test."""
    return name.removeprefix("ensemble_").removeprefix("test_")
