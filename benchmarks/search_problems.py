"""What the searches of `search.py` search: two analytic problems, and one that replays recorded trials of our own."""

import gzip
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution

from orchestrator.configurations import Configurations
from orchestrator.front import hypervolume
from orchestrator.spec import StudySpec
from trainables.context import Report, SaveCheckpoint
from trainables.spec import Value

EPOCHS: Final = 27
RECORD: Final = Path(__file__).parent / "data" / "digits_trials.json.gz"

Losses = tuple[float, float]
"""A network's size, and its error."""
Coordinates = Sequence[float]


@dataclass(frozen=True)
class Searched:
    """The numbers that a paradigm searches, which scaled to [0, 1] are the coordinates; the rest is fixed."""

    paradigm: str
    names: tuple[str, ...]
    fixed: Mapping[str, Value] = field(default_factory=dict)

    def scaled(self, space: Mapping[str, BaseDistribution], params: Mapping[str, Value]) -> list[float]:
        """Return where a configuration lies in the unit cube."""
        return [_scaled(space[f"{self.paradigm}.{name}"], params[name]) for name in self.names]


GREG: Final = Searched(
    "greg",
    ("sparsity", "ceiling", "pruning", "pruning_lr", "finetune"),
    {"granularity": "weight", "scope": "global", "variant": "greg_1", "finetune_lr": 0.1, "stream": False},
)
"""What lends its five numbers to the analytic problems, for it may be judged from the first epoch on as they may."""
COMPLEXITY_AWARE: Final = Searched("complexity_aware", ("alpha", "nu", "beta", "warmup", "travel"))


class Problem(Protocol):
    """Trials of 27 epochs, each a point in the unit cube.

    `ideal` is the hypervolume of the best front there is against `reference`.
    """

    @property
    def searched(self) -> Searched: ...

    @property
    def reference(self) -> Losses: ...

    @property
    def ideal(self) -> float: ...

    def after(self, x: Coordinates, epoch: int) -> Losses:
        """Return what a trial's size is expected to be, and its error is, after an epoch; the last shows the truth."""
        ...


@dataclass(frozen=True)
class Analytic:
    """A function of size and error; the error falls by a power law, at a speed of its own and with noise."""

    function: Callable[[Coordinates], Losses]
    ideal: float
    reference: Losses = (1.1, 4.0)
    searched: Searched = GREG

    def after(self, x: Coordinates, epoch: int) -> Losses:
        digest = hashlib.sha256(repr((tuple(x), epoch)).encode()).digest()
        speed = 0.5 + hashlib.sha256(repr(tuple(x)).encode()).digest()[0] / 255
        noise = 0.5 * (digest[0] / 255 - 0.5) * (1 - epoch / EPOCHS)
        size, error = self.function(x)
        return size, error + 3 * (epoch**-speed - EPOCHS**-speed) + noise


def convex(x: Coordinates) -> Losses:
    g = _distance(x)
    return x[0], g * (1 - math.sqrt(x[0] / g))


def concave(x: Coordinates) -> Losses:
    g = _distance(x)
    return x[0], g * (1 - (x[0] / g) ** 2)


def _distance(x: Coordinates) -> float:
    return 1 + 9 * sum(x[1:]) / (len(x) - 1)


@dataclass(frozen=True)
class Recorded:
    """Trials that were really trained: a point has the curve of the recorded trial next to it.

    Sizes are MACs as shares of the unpruned network's, errors are those of the validation split.
    """

    path: Path = RECORD
    reference: Losses = (1.0, 0.3)
    searched: Searched = COMPLEXITY_AWARE

    def after(self, x: Coordinates, epoch: int) -> Losses:
        places, curves = self._table
        size, error = curves[np.argmin(np.linalg.norm(places - np.asarray(x), axis=1)), epoch - 1]
        return float(size), float(error)

    @cached_property
    def ideal(self) -> float:
        return hypervolume(self._table[1][:, -1], self.reference)

    @cached_property
    def _table(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        with gzip.open(self.path, "rt", encoding="utf-8") as file:
            table = json.load(file)
        return np.array(table["places"]), np.array(table["curves"])


PROBLEMS: Final[Mapping[str, Problem]] = {
    "convex": Analytic(convex, 3 + 2 / 3 + 0.4),
    "concave": Analytic(concave, 3 + 1 / 3 + 0.4),
    "digits": Recorded(),
}


def _scaled(found: BaseDistribution, value: Value) -> float:
    assert isinstance(found, FloatDistribution)
    assert isinstance(value, float)
    scale: Callable[[float], float] = math.log if found.log else float
    return min(1.0, max(0.0, (scale(value) - scale(found.low)) / (scale(found.high) - scale(found.low))))


def record(trials: int, path: Path) -> None:
    """Train random configurations of the paradigm, a small network on digits, and write down their curves."""
    from trainables.trial import run_trial

    searched = COMPLEXITY_AWARE
    spec = StudySpec.model_validate_json(
        f"""{{"name": "record", "data": {{"name": "digits", "subset": 600}}, "model": {{"name": "mlp"}},
        "paradigms": {{"{searched.paradigm}": {{}}}}, "fidelity": {{"epochs": {EPOCHS}}}}}"""
    )
    configurations, dice = Configurations(spec), optuna.samplers.RandomSampler(seed=0)
    places, curves = [], []
    for number in range(trials):
        drawn = configurations.draw(lambda name, one: dice.sample_independent(None, None, name, one))  # type: ignore[arg-type]  # it looks at neither study nor trial
        params = configurations.params(drawn)
        watched = Watched()
        run_trial(spec.trial(searched.paradigm, params, 0), watched)
        final = watched.reports[-1].metrics
        seen = [(one.macs_projected, 1 - one.accuracy) for one in watched.reports[: EPOCHS - 1]]
        seen.append((final["macs"], 1 - final["accuracy"]))
        places.append([round(at, 4) for at in searched.scaled(configurations.distributions, params)])
        curves.append([(round(macs / final["macs_dense"], 4), round(error, 4)) for macs, error in seen])
        print(f"{number + 1} of {trials} trials", end="\r", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump({"places": places, "curves": curves}, file)
    print(f"{path}: {path.stat().st_size} bytes")


class Watched:
    """A trial's context that keeps its reports and nothing else."""

    device, cache = "cpu", None

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - a context's
        self.reports.append(report)

    def restore(self) -> None:
        return None
