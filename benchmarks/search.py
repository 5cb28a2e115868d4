"""How well the next trial is chosen and the hopeless one stopped: hypervolume against epochs spent, without training.

    python benchmarks/search.py [--trials 60] [--seeds 10]

Two analytic problems stand for trials of 27 epochs: `convex` is ZDT1 and `concave` ZDT2 (Zitzler, Deb & Thiele 2000,
https://doi.org/10.1162/106365600568202) in five dimensions. The first loss is a network's size, which it foretells; the
second is its error, which falls by a power law to its end, at a speed of its own and with noise, so that early
ranks mislead. All have four workers, whose trials run side by side, and the epochs of `--trials` whole trials.

`espalier` is the house's own proposer and rungs (1, 3, 9; a third goes on), without Ray. The others train every trial
to its end: random search, Optuna's TPE and NSGA-II; `espalier, no rungs` shows what stopping early is worth. Syne
Tune's MO-ASHA, with the same rungs, takes part where it is installed.

Hypervolume is that of whole trials against the reference (1.1, 4), as a share of the true front's, mean over the seeds.
The last column says after how many epochs a contender has what the best of those without early stopping has at the end.
"""

import argparse
import hashlib
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from rich.console import Console
from rich.table import Table

from orchestrator.configurations import Configurations
from orchestrator.front import hypervolume
from orchestrator.ledger import Ledger
from orchestrator.spec import StudySpec
from orchestrator.store import Store
from orchestrator.sweep import Assignment, Sweep

EPOCHS: Final = 27
RUNGS: Final = [1, 3, 9]
WORKERS: Final = 4
PARADIGM: Final = "complexity_aware"
COORDINATES: Final = ("alpha", "nu", "beta", "warmup", "travel")
"""Five numbers that a paradigm searches, scaled to [0, 1]: they stand for the problems' coordinates."""
REFERENCE: Final = (1.1, 4.0)
MOMENTS: Final = (0.1, 0.25, 0.5, 1.0)

Losses = tuple[float, float]
Coordinates = Sequence[float]
Problem = Callable[[Coordinates], Losses]
Ended = list[tuple[int, Losses]]
"""How many epochs had been spent when a trial came to its end, and its losses."""


def convex(x: Coordinates) -> Losses:
    g = _distance(x)
    return x[0], g * (1 - math.sqrt(x[0] / g))


def concave(x: Coordinates) -> Losses:
    g = _distance(x)
    return x[0], g * (1 - (x[0] / g) ** 2)


def _distance(x: Coordinates) -> float:
    return 1 + 9 * sum(x[1:]) / (len(x) - 1)


PROBLEMS: Final[Mapping[str, tuple[Problem, float]]] = {
    "convex": (convex, 3 + 2 / 3 + 0.4),
    "concave": (concave, 3 + 1 / 3 + 0.4),
}
"""The problems, and the hypervolume of each one's true front."""


def error(problem: Problem, x: Coordinates, epoch: int) -> float:
    """Return what a trial's error seems to be after an epoch."""
    digest = hashlib.sha256(repr((tuple(x), epoch)).encode()).digest()
    speed = 0.5 + hashlib.sha256(repr(tuple(x)).encode()).digest()[0] / 255
    noise = 0.5 * (digest[0] / 255 - 0.5) * (1 - epoch / EPOCHS)
    return problem(x)[1] + 3 * (epoch**-speed - EPOCHS**-speed) + noise


class Contender(Protocol):
    """Runs trials until the epochs are spent."""

    def __call__(self, problem: Problem, epochs: int, seed: int) -> Ended: ...


@dataclass(frozen=True)
class Espalier:
    """The house's own search."""

    sampler: str
    rungs: Sequence[int] = tuple(RUNGS)
    hopeless: str = "stop"

    def __call__(self, problem: Problem, epochs: int, seed: int) -> Ended:
        spec = StudySpec.model_validate_json(
            f"""{{"name": "search", "seed": {seed}, "data": {{"name": "digits"}}, "model": {{"name": "digits_cnn"}},
            "objectives": {{"loss": "minimize", "macs": "minimize"}}, "paradigms": {{"{PARADIGM}": {{}}}},
            "search": {{"sampler": "{self.sampler}", "trials": {epochs}}},
            "fidelity": {{"epochs": {EPOCHS}, "rungs": {list(self.rungs)}, "reduction": 3,
            "hopeless": "{self.hopeless}"}}}}"""
        )
        folder = tempfile.TemporaryDirectory(prefix="search-")
        with folder as path, Ledger(Store(Path(path)).study("search"), spec) as ledger:
            return self._search(Sweep(ledger, Nobody()), problem, epochs)

    def _search(self, sweep: Sweep, problem: Problem, epochs: int) -> Ended:
        spec = sweep.ledger.spec
        space = Configurations(spec).distributions
        ended: Ended = []
        running: list[tuple[Assignment, int]] = []
        reached: dict[int, int] = {}
        for spent in range(epochs):
            if len(running) < WORKERS:
                trial = sweep.next()
                assert trial is not None
                sweep.begin(trial.number)
                running.append((trial, reached.pop(trial.number, 0)))
            trial, epoch = running.pop(0)
            epoch += 1
            x = [_scaled(space, name, trial.configuration.params[name]) for name in COORDINATES]
            report = _report(problem, x, epoch)
            sweep.report(trial.number, report)
            goes_on = sweep.judge(trial.number, PARADIGM, report)
            if not goes_on:
                sweep.save(trial.number, _checkpoint(sweep, trial.number, epoch))
                reached[trial.number] = epoch
            if not goes_on or epoch == EPOCHS:
                sweep.end(trial.number)
            else:
                running.append((trial, epoch))
            if epoch == EPOCHS:
                ended.append((spent + 1, problem(x)))
        return ended


def _checkpoint(sweep: Sweep, trial: int, epoch: int) -> Path:
    folder = sweep.ledger.folder.trials / f"{trial}-{epoch}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "epoch").write_text("the benchmark knows it")
    return folder


@dataclass(frozen=True)
class Optuna:
    """A sampler of Optuna's, every trial to its end."""

    sampler: Callable[[int], BaseSampler]

    def __call__(self, problem: Problem, epochs: int, seed: int) -> Ended:
        study = optuna.create_study(directions=["minimize"] * 2, sampler=self.sampler(seed))
        ended: Ended = []
        running: list[tuple[optuna.Trial, list[float], int]] = []
        for spent in range(epochs):
            if len(running) < WORKERS:
                trial = study.ask()
                running.append((trial, [trial.suggest_float(name, 0, 1) for name in COORDINATES], 0))
            trial, x, epoch = running.pop(0)
            if epoch + 1 == EPOCHS:
                study.tell(trial, problem(x))
                ended.append((spent + 1, problem(x)))
            else:
                running.append((trial, x, epoch + 1))
        return ended


def syne_tune(problem: Problem, epochs: int, seed: int) -> Ended:
    """Run Syne Tune's MO-ASHA, which draws at random, with the same rungs."""
    from syne_tune.backend.trial_status import Trial
    from syne_tune.config_space import uniform
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

    np.random.seed(seed)  # it samples from the global state
    space, metrics = {name: uniform(0, 1) for name in COORDINATES}, ["loss", "macs_projected"]
    scheduler = MOASHA(space, metrics, time_attr="epoch", max_t=EPOCHS, reduction_factor=3, random_seed=seed)
    ended: Ended = []
    running: list[tuple[Trial, int]] = []
    for spent in range(epochs):
        if len(running) < WORKERS:
            trial = Trial(spent, scheduler.suggest().config, datetime.now(UTC))
            scheduler.on_trial_add(trial)
            running.append((trial, 0))
        trial, epoch = running.pop(0)
        epoch += 1
        x = [trial.config[name] for name in COORDINATES]
        verdict = scheduler.on_trial_result(trial, _report(problem, x, epoch))
        if epoch == EPOCHS:
            ended.append((spent + 1, problem(x)))
        elif verdict == "CONTINUE":
            running.append((trial, epoch))
    return ended


class Nobody:
    """Watches nothing."""

    def started(self, *_: object) -> None:
        pass

    def updated(self, *_: object) -> None:
        pass

    def finished(self, *_: object) -> None:
        pass


CONTENDERS: Final[Mapping[str, Contender]] = {
    "espalier": Espalier("tpe"),
    "espalier, pausing": Espalier("tpe", hopeless="pause"),
    "espalier, nsga2": Espalier("nsga2"),
    "espalier, no rungs": Espalier("tpe", rungs=()),
    "random": Optuna(lambda seed: RandomSampler(seed=seed)),
    "optuna tpe": Optuna(lambda seed: TPESampler(seed=seed)),
    "optuna nsga2": Optuna(lambda seed: NSGAIISampler(population_size=20, seed=seed)),
    "syne tune mo-asha": syne_tune,
}
WITHOUT_RUNGS: Final = ("random", "optuna tpe", "optuna nsga2")


def _scaled(space: Mapping[str, optuna.distributions.BaseDistribution], name: str, value: object) -> float:
    found = space[f"{PARADIGM}.{name}"]
    assert isinstance(found, optuna.distributions.FloatDistribution)
    assert isinstance(value, float)
    scale: Callable[[float], float] = math.log if found.log else float
    return min(1.0, max(0.0, (scale(value) - scale(found.low)) / (scale(found.high) - scale(found.low))))


def _report(problem: Problem, x: Coordinates, epoch: int) -> dict[str, object]:
    size, loss = problem(x)[0], error(problem, x, epoch)
    whole = {"loss": loss, "macs": size} if epoch == EPOCHS else {}
    return {
        "epoch": epoch,
        "fidelity": epoch / EPOCHS,
        "stage": "train",
        "accuracy": 0.0,
        "loss": loss,
        "train_loss": loss,
        "learning_rate": 0.1,
        "seconds": 60.0,
        "macs_projected": size,
        "params_projected": size,
        "metrics": whole,
    }


def over_epochs(ended: Ended, epochs: int, ideal: float) -> npt.NDArray[np.float64]:
    """Return the hypervolume after each epoch, as a share of the true front's."""
    volumes, front = np.zeros(epochs + 1), np.empty((0, 2))
    for spent, losses in ended:
        front = np.vstack([front, losses])
        volumes[spent:] = hypervolume(front, REFERENCE) / ideal
    return volumes


def compare(trials: int, seeds: int, names: Sequence[str]) -> None:
    """Let the contenders search the problems, and print what they found."""
    epochs = trials * EPOCHS
    for problem, (losses, ideal) in PROBLEMS.items():
        means = {
            name: np.mean(
                [over_epochs(CONTENDERS[name](losses, epochs, seed), epochs, ideal) for seed in range(seeds)], 0
            )
            for name in names
        }
        goal = max((means[name][-1] for name in WITHOUT_RUNGS if name in means), default=1.0)
        table = Table(title=f"{problem}: hypervolume after so many epochs, mean of {seeds} seeds")
        for column in ("", *(f"{moment * epochs:.0f}" for moment in MOMENTS), f"epochs to {goal:.3f}"):
            table.add_column(column, justify="left" if not column else "right")
        for name, mean in means.items():
            reached = np.flatnonzero(mean >= goal)
            figures = (f"{mean[round(moment * epochs)]:.3f}" for moment in MOMENTS)
            table.add_row(name, *figures, str(reached[0]) if len(reached) else "-")
        Console().print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Compare what searches find for the same epochs.")
    parser.add_argument("--trials", type=int, default=60, help="whole trials whose epochs may be spent (60)")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="CONTENDER")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names = list(options.only)
    if "syne tune mo-asha" in names and find_spec("syne_tune") is None:
        print("Syne Tune does not take part: it is not installed (pip install syne-tune)")
        names.remove("syne tune mo-asha")
    compare(options.trials, options.seeds, names)


if __name__ == "__main__":
    main()
