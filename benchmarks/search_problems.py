"""What the searches of `search.py` search: two analytic problems, and tables of recorded trials of our own."""

import gzip
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from orchestrator.results.front import hypervolume, non_dominated
from orchestrator.search.configurations import Configurations
from orchestrator.search.encoding import Scale
from orchestrator.search.expected_costs import Costs, ExpectedCosts, GivenCosts
from orchestrator.search.initial_design import at_random
from orchestrator.spec.params import MODEL, PREFIX
from orchestrator.spec.study_spec import StudySpec
from trainables.bounds import Bounds
from trainables.context import Report, SaveCheckpoint
from trainables.errors import TrainingDiverged
from trainables.spec import Value

DATA: Final = Path(__file__).parent / "data"

Losses = tuple[float, float]
"""A network's size, and its error."""
Coordinates = Sequence[float]
Params = Mapping[str, Value]
Paradigms = Mapping[str, Mapping[str, Value]]
"""What a study file says of its paradigms."""
Ranges = Mapping[str, Mapping[str, float | bool]]
"""What a study file says under `search.training`."""
Networks = Mapping[str, object] | Sequence[Mapping[str, object]]
"""What a study file says of its network, or of those among which it searches."""
Curve = Sequence[Losses]
"""A trial's size and error after each epoch."""


class Problem(Protocol):
    """Trials of so many epochs, each of a paradigm with hyper-parameters from its search space.

    `ideal` is the hypervolume of the best front there is against `reference`.
    """

    @property
    def paradigms(self) -> Paradigms: ...

    @property
    def tuned(self) -> Ranges: ...

    @property
    def model(self) -> Networks: ...

    @property
    def epochs(self) -> int: ...

    @property
    def reference(self) -> Losses: ...

    @property
    def ideal(self) -> float: ...

    @property
    def costs(self) -> Costs:
        """What is known of sizes before training."""
        ...

    def after(self, paradigm: str, params: Params, epoch: int) -> Losses:
        """Return what a trial's size is expected to be, and its error is, after an epoch; the last shows the truth."""
        ...


def study(problem: Problem, search: Mapping[str, object] | None = None, **more: Any) -> StudySpec:
    """Return a study of such trials; `more` are further keys of its file."""
    plain = {
        "name": "search",
        "data": {"name": "digits"},
        "model": problem.model,
        "objectives": {"loss": "minimize", "macs": "minimize"},
        "paradigms": problem.paradigms,
        "search": {"training": problem.tuned, **(search or {})},
        "fidelity": {"epochs": problem.epochs},
        **more,
    }
    return StudySpec.model_validate_json(json.dumps(plain))


WHOLE: Final = Bounds(1.0, 1.0)
"""The size of the unpruned network."""


def all_sizes(problem: Problem) -> Costs:
    """Return the sizes of a problem's trials, all of which are known before any is trained."""

    def known(paradigm: str, params: Params, _roughly: bool) -> Mapping[str, Bounds]:
        size = problem.after(paradigm, params, problem.epochs)[0]
        return {"macs": Bounds(size, size)}

    return GivenCosts(known, lambda _: {"macs": WHOLE})


@dataclass(frozen=True)
class Analytic:
    """A function of size and error; the error falls by a power law, at a speed of its own and with noise.

    The numbers that RigL searches, scaled to [0, 1], are its coordinates: RigL may be judged from the first epoch on.
    """

    function: Callable[[Coordinates], Losses]
    ideal: float
    reference: Losses = (1.1, 4.0)
    paradigms: Paradigms = field(default_factory=lambda: {"rigl": {"scope": "erk"}})
    tuned: Ranges = field(default_factory=dict)
    model: Networks = field(default_factory=lambda: {"name": "digits_cnn"})
    epochs: int = 27

    @property
    def costs(self) -> Costs:
        return all_sizes(self)

    def after(self, paradigm: str, params: Params, epoch: int) -> Losses:
        x = [_scaled(found, params[name]) for name, found in self._searched[paradigm].items()]
        digest = hashlib.sha256(repr((tuple(x), epoch)).encode()).digest()
        speed = 0.5 + hashlib.sha256(repr(tuple(x)).encode()).digest()[0] / 255
        noise = 0.5 * (digest[0] / 255 - 0.5) * (1 - epoch / self.epochs)
        size, error = self.function(x)
        return size, error + 3 * (epoch**-speed - self.epochs**-speed) + noise

    @cached_property
    def _searched(self) -> dict[str, dict[str, BaseDistribution]]:
        return searched(Configurations(study(self)))


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
    """Trials that were really trained: a configuration has the curve of the recorded one next to it.

    Sizes are MACs as shares of the unpruned network's, of several the largest one's; errors are those of the validation
    split. The reference lies a tenth of the best front's range beyond its worst. `training` is what the recorded
    study's file says of the rest.
    """

    path: Path
    paradigms: Paradigms
    training: Mapping[str, Any]
    tuned: Ranges = field(default_factory=dict)
    epochs: int = 27

    @property
    def model(self) -> Networks:
        named: Networks = self.training["model"]
        return named

    @cached_property
    def costs(self) -> Costs:
        """What a study would know of the sizes of the recorded trials; a proposal has those of the one next to it.

        Where the MACs are known exactly, the size is the one that was measured.
        """

        @cache
        def of_row(paradigm: str, row: int) -> Mapping[str, Bounds]:
            table = self.tables[paradigm]
            bounds = self.computed(paradigm, table.params[row])
            size = float(table.curves[row, -1, 0])
            return {"macs": Bounds(size, size)} if bounds and bounds["macs"].is_exact else bounds

        return GivenCosts(
            lambda paradigm, params, _: of_row(paradigm, self._row(paradigm, params)), lambda _: {"macs": WHOLE}
        )

    @cached_property
    def computed(self) -> Costs:
        """What a study computes of the sizes of any configuration, recorded or not."""
        data = self.training["data"]
        absent = {"download": True} if "root" in data else {}  # images are not read: their shape is enough
        of_all = study(self, **{**self.training, "data": {**data, **absent}})
        expected, dense = ExpectedCosts(of_all), _largest(of_all)
        return GivenCosts(
            lambda paradigm, params, roughly: _as_shares(expected(paradigm, params, roughly=roughly), dense),
            lambda params: _as_shares(expected.unpruned(params), dense),
        )

    def after(self, paradigm: str, params: Params, epoch: int) -> Losses:
        size, error = self.tables[paradigm].curves[self._row(paradigm, params), epoch - 1]
        return float(size), float(error)

    def _row(self, paradigm: str, params: Params) -> int:
        """Return which of the paradigm's recorded trials is next to a configuration."""
        here = np.array(_place(self._searched[paradigm], params))
        return int(np.argmin(np.linalg.norm(self.tables[paradigm].places - here, axis=1)))

    @cached_property
    def reference(self) -> Losses:
        best = non_dominated(self._ends)
        size, error = best.max(0) + 0.1 * np.ptp(best, axis=0)
        return float(size), float(error)

    @cached_property
    def ideal(self) -> float:
        return hypervolume(self._ends, self.reference)

    @cached_property
    def _ends(self) -> npt.NDArray[np.float64]:
        return np.concatenate([table.curves[:, -1] for table in self.tables.values()])

    @cached_property
    def _searched(self) -> dict[str, dict[str, BaseDistribution]]:
        return searched(Configurations(study(self)))

    @cached_property
    def tables(self) -> dict[str, "Table"]:
        with gzip.open(self.path, "rt", encoding="utf-8") as file:
            trials = json.load(file)
        return {
            paradigm: Table.of([trial for trial in trials if trial["paradigm"] == paradigm], found, self.epochs)
            for paradigm, found in self._searched.items()
        }


@dataclass(frozen=True)
class Table:
    """The recorded trials of a paradigm: where each lies among what is searched, its curve, its hyper-parameters."""

    places: npt.NDArray[np.float64]
    curves: npt.NDArray[np.float64]
    params: Sequence[Params]

    @classmethod
    def of(cls, trials: Sequence[Mapping[str, Any]], found: Mapping[str, BaseDistribution], epochs: int) -> "Table":
        """Return the table of trials as they are in the file.

        Whose training took fewer epochs, as that of a lottery ticket that is rewound late, stays as it was at its end.
        """
        params = [trial["params"] for trial in trials]
        places = np.array([_place(found, one) for one in params])
        ended = [trial["curve"] + [trial["curve"][-1]] * (epochs - len(trial["curve"])) for trial in trials]
        return cls(places, np.array(ended), params)


def searched(configurations: Configurations) -> dict[str, dict[str, BaseDistribution]]:
    """Return what is searched of each paradigm, by the names of a trial's hyper-parameters, with its distribution."""
    several = {name: found for name, found in configurations.distributions.items() if not found.single()}
    return {
        paradigm: {
            name.removeprefix(f"{paradigm}."): found
            for name, found in several.items()
            if name == MODEL or name.startswith((f"{paradigm}.", PREFIX))
        }
        for paradigm in configurations.searched
    }


def _place(found: Mapping[str, BaseDistribution], params: Params) -> list[float]:
    """Return where a configuration lies: other choices, and what another lacks, are as far away as a whole range."""
    place: list[float] = []
    for name, distribution in found.items():
        if isinstance(distribution, CategoricalDistribution):
            place += [math.sqrt(0.5) * (params.get(name) == choice) for choice in distribution.choices]
        else:
            place.append(_scaled(distribution, params[name]) if name in params else -1.0)
    return place


def _scaled(found: BaseDistribution, value: Value) -> float:
    assert isinstance(found, FloatDistribution | IntDistribution)
    assert isinstance(value, float | int)
    return min(1.0, max(0.0, Scale.of(found).place(value)))


DIGITS: Final = Recorded(
    DATA / "digits_trials.json.gz",
    paradigms={"complexity_aware": {}},
    training={"data": {"name": "digits", "subset": 600}, "model": {"name": "mlp"}},
)
CIFAR10: Final = Recorded(
    DATA / "cifar10_trials.json.gz",
    paradigms={
        "magnitude": {},
        "snip": {},
        "grasp": {},
        "synflow": {},
        "random": {},
        "set": {},
        "rigl": {},
        "edge_popup": {},
        "dst": {},
        "greg": {},
        "complexity_aware": {},
    },
    training={
        "data": {
            "name": "cifar10",
            "root": "../shared/data",
            "validation": 0.04,
            "subset": 2000,
            "image_size": 8,
        },
        "model": {"name": "digits_cnn"},
        "training": {"lr": 0.05},
    },
)
RIGL: Final = Recorded(
    DATA / "rigl_trials.json.gz",
    paradigms={"rigl": {"scope": "erk", "fraction": 0.3, "updates": 100, "end": 0.75}},
    training={"data": {"name": "digits", "validation": 0.3}, "model": {"name": "mlp"}},
    tuned={
        "lr": {"low": 0.001, "high": 1.0, "log": True},
        "weight_decay": {"low": 1e-5, "high": 1e-2, "log": True},
        "batch_size": {"low": 16, "high": 256, "log": True},
    },
)
MANY: Final = Recorded(
    DATA / "many_trials.json.gz",
    paradigms={
        "magnitude": {},
        "lottery_ticket": {},
        "snip": {},
        "grasp": {},
        "synflow": {},
        "force": {},
        "random": {},
        "edge_popup": {},
        "set": {},
        "rigl": {},
        "dst": {},
        "greg": {},
        "complexity_aware": {},
        "group_envelope": {},
        "weight_unification": {},
        "unit_only": {},
    },
    training={
        "data": {"name": "digits", "validation": 0.3, "subset": 900},
        "model": [
            {"name": "mlp", "options": {"widths": [300, 100]}},
            {"name": "mlp", "options": {"widths": [64, 32]}},
        ],
        "training": {"batch_size": 256, "augment": False},
    },
)
"""Sixteen paradigms on two networks, as many configurations of each paradigm however early a recording ends."""
RECORDED: Final = {"digits": DIGITS, "cifar10": CIFAR10, "rigl": RIGL, "many": MANY}
SPARSE: Final = Recorded(
    CIFAR10.path,
    paradigms={name: {} for name in ("snip", "grasp", "synflow", "random", "set", "rigl", "edge_popup")},
    training=CIFAR10.training,
)
"""Those of `CIFAR10` that are sparse from the first step, and so are judged from the first epoch on."""

PROBLEMS: Final[Mapping[str, Problem]] = {
    "convex": Analytic(convex, 3 + 2 / 3 + 0.4),
    "concave": Analytic(concave, 3 + 1 / 3 + 0.4),
    **{name: table for name, table in RECORDED.items() if table.path.exists()},
    "sparse": SPARSE,
}
"""What is searched; a table that has not been recorded is none of them."""


def record(problem: Recorded, trials: int, path: Path, processes: int) -> None:
    """Train random configurations, as many of each paradigm, and write down their curves.

    What diverges is wrong about everything from then on. What a run that was ended has trained is not trained again:
    each trial is a line of a file beside the table until all are there.
    """
    each = math.ceil(trials / len(problem.paradigms))
    configurations = Configurations(study(problem, **problem.training))
    of_each = ([(name, params) for params in at_random(configurations, name, each)] for name in problem.paradigms)
    drawn = [trial for side_by_side in zip_longest(*of_each) for trial in side_by_side if trial is not None]
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    known = len(beside.read_text(encoding="utf-8").splitlines()) if beside.exists() else 0
    with (
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
        beside.open("a", encoding="utf-8") as lines,
    ):
        curves: Iterator[Curve] = pool.map(partial(_trained, problem), *zip(*drawn[known:], strict=True))
        for done, ((paradigm, params), curve) in enumerate(zip(drawn[known:], curves, strict=True), known + 1):
            print(json.dumps({"paradigm": paradigm, "params": dict(params), "curve": curve}), file=lines, flush=True)
            print(f"{done} of {len(drawn)} trials", end="\r", flush=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        json.dump([json.loads(line) for line in beside.read_text(encoding="utf-8").splitlines()], file)
    beside.unlink()
    print(f"{path}: {path.stat().st_size} bytes")


def _trained(problem: Recorded, paradigm: str, params: Params) -> Curve:
    """Train one configuration; return its curve of sizes and errors."""
    import torch

    from trainables.trial import run_trial

    torch.set_num_threads(1)
    of_all = study(problem, **problem.training)
    spec, watched, dense = of_all.trial(paradigm, params, 0), Watched(), _largest(of_all)
    try:
        run_trial(spec, watched)
    except TrainingDiverged:
        seen = [(one.macs_projected, 1 - (one.accuracy or 0.0)) for one in watched.reports]
        seen += [(seen[-1][0] if seen else dense, 1.0)] * (problem.epochs - len(seen))
    else:
        final = watched.reports[-1].metrics
        seen = [(one.macs_projected, 1 - (one.accuracy or 0.0)) for one in watched.reports[: problem.epochs - 1]]
        seen.append((final["macs"], 1 - final["accuracy"]))
    return [(round(macs / dense, 4), round(error, 4)) for macs, error in seen]


def _as_shares(costs: Mapping[str, Bounds], dense: float) -> Mapping[str, Bounds]:
    """Return what is known of MACs as shares of the unpruned network's; nothing if nothing is known."""
    known = {"macs": costs["macs"]} if "macs" in costs else {}
    return {name: Bounds(one.low / dense, one.high / dense, one.sure) for name, one in known.items()}


def _largest(spec: StudySpec) -> float:
    """Return the MACs of the largest of a study's networks before anything is pruned."""
    expected = ExpectedCosts(spec)
    return max(expected.unpruned({MODEL: network.label})["macs"].high for network in spec.networks)


class Watched:
    """A trial's context that keeps its reports and nothing else."""

    device, cache = "cpu", None

    def __init__(self) -> None:
        self.reports: list[Report] = []

    def report(self, report: Report, save: SaveCheckpoint) -> None:  # noqa: ARG002 - a context's; nothing is saved
        self.reports.append(report)

    def restore(self) -> None:
        return None
