"""How well the next trial is chosen and the hopeless one stopped: hypervolume against epochs spent, without training.

    python -m benchmarks.search [--trials 60] [--seeds 10] [--processes 1] [--keep FOLDER]
    python -m benchmarks.search record [--table cifar10]
    python -m benchmarks.search draws [--trials 1000]

Two analytic problems stand for trials of 27 epochs: `convex` is ZDT1 and `concave` ZDT2 (Zitzler, Deb & Thiele 2000,
https://doi.org/10.1162/106365600568202) in four dimensions. The first loss is a network's size, which it foretells; the
second is its error, which falls by a power law to its end, at a speed of its own and with noise, so that early
ranks mislead. Three tables hold trials that were really trained (`record` trained them): what is proposed has the curve
of the nearest of them. `cifar10` are eleven paradigms with all that they search, `sparse` those of them that are sparse
from the start, `digits` is complexity-aware training, `rigl` is RigL with what it is trained by.
`surrogate:cifar10` and the like are learnt from such a table (surrogate_problems.py), so that configurations need not
repeat; they take part when named. All have four workers, whose trials run side by side, and the epochs of `--trials`
whole trials.

`espalier` is the house's own proposer and rungs (1, 3, 9; a third goes on), without Ray; it chooses the sampler as for
trials that take hours. `tpe` has TPE throughout, as where trials take seconds; `stopping` has those that are held back
never go on; `no rungs` shows what stopping early is worth. `known cost` models only what is unknown: in a table those
sizes are known that a study would know; `cost unknown` is the same model without that knowledge. `known cost, no rungs`
has the costs alone, `cost unknown` the curves alone, `cost unknown, no rungs` neither. The others train every trial to
its end: random search, Optuna's TPE and NSGA-II. Syne Tune's MO-ASHA, with the same rungs, takes part where it
is installed.

Hypervolume is that of whole trials, as a share of the best front's, mean over the seeds. The next columns say after how
many epochs a contender has what the best of those without early stopping has at one of the moments, and how many times
as many epochs that one needs, both by their means; `90 %` says between what the last of these ratios lies for nine of
ten bootstrap samples of the seeds (Efron 1979, https://doi.org/10.1214/aos/1176344552). The last say how many trials
were whole, and how many results they had: in a table, proposals next to each other have the same recorded trial.
"""

import argparse
import json
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from itertools import count, product, repeat, takewhile
from multiprocessing import get_context
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from rich.console import Console
from rich.table import Table

from benchmarks.search_problems import (
    DATA,
    PROBLEMS,
    RECORDED,
    WHOLE,
    Losses,
    Params,
    Problem,
    record,
    study,
)
from benchmarks.surrogate_problems import ALL, known
from orchestrator.ledger.epoch import Epoch, EpochReport
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import State
from orchestrator.results.front import hypervolume
from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.expected_costs import Costs, GivenCosts
from orchestrator.search.initial_design import at_random
from orchestrator.search.sampler_view import Lesson, View
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import seal
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Assignment, Sweep
from orchestrator.sweep.verdict import Decision
from trainables.errors import InvalidValue
from trainables.spec import Value

REDUCTION: Final = 3
WORKERS: Final = 4
SYNE_TUNE: Final = "syne tune mo-asha"
EPOCH_SECONDS: Final = 3600.0
"""How long an epoch takes by the sweep's clock, beside which drawing takes no time."""
MOMENTS: Final = (0.1, 0.25, 0.5, 0.75, 1.0)
DRAWS: Final = 40
"""How many draws of a sampler are timed."""
RESAMPLED: Final = 500
"""How many bootstrap samples say how far a ratio is to be trusted."""

Ended = list[tuple[int, Losses]]
"""How many epochs had been spent when a trial came to its end, and its losses."""


Volumes = npt.NDArray[np.float64]
"""Hypervolumes as shares of the best front's, by how many epochs had been spent."""


class Contender(Protocol):
    """Runs trials until the epochs are spent."""

    def __call__(self, problem: Problem, epochs: int, seed: int) -> Ended: ...


@dataclass(frozen=True)
class Espalier:
    """The house's own search."""

    sampler: str
    stops: bool = True
    hopeless: str = "pause"
    knows: bool = True
    """Whether sizes are known before training, as far as a study knows them."""

    def __call__(self, problem: Problem, epochs: int, seed: int) -> Ended:
        spec = study(
            problem,
            seed=seed,
            search={"sampler": self.sampler, "trials": epochs},
            fidelity={
                "epochs": problem.epochs,
                "rungs": rungs(problem.epochs) if self.stops else [],
                "reduction": REDUCTION,
                "hopeless": self.hopeless,
            },
        )
        folder = tempfile.TemporaryDirectory(prefix="search-")
        with folder as path, Ledger(Store(Path(path)).study("search"), spec) as ledger:
            return self._search(ledger, problem, epochs)

    def _costs(self, problem: Problem) -> Costs:
        return problem.costs if self.knows else UNKNOWN

    def _search(self, ledger: Ledger, problem: Problem, epochs: int) -> Ended:
        spent = 0
        sweep = Sweep(ledger, Nobody(), clock=lambda: spent * EPOCH_SECONDS / WORKERS, costs=self._costs(problem))
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
            losses = problem.after(trial.configuration.paradigm, trial.configuration.params, epoch)
            report = _report(losses, epoch, problem.epochs)
            sweep.report(trial.number, report)
            verdict = sweep.judge(trial.number, report.epoch)
            if verdict.decision is Decision.PAUSE:
                sweep.save(trial.number, _checkpoint(sweep, trial.number, epoch))
                reached[trial.number] = epoch
            if not verdict.continues or epoch == problem.epochs:
                sweep.end(trial.number, verdict)
            else:
                running.append((trial, epoch))
            if epoch == problem.epochs:
                ended.append((spent + 1, losses))
        return ended


def rungs(epochs: int) -> list[int]:
    """Return at which epochs trials are stopped."""
    return list(takewhile(lambda rung: rung < epochs, (REDUCTION**power for power in count())))


def _checkpoint(sweep: Sweep, trial: int, epoch: int) -> CheckpointRef:
    checkpoint = CheckpointRef(f"{trial}", f"{epoch}")
    folder = sweep.folder.checkpoint(checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "epoch").write_text("the benchmark knows it")
    seal(folder, sweep.ledger.owner(trial))
    return checkpoint


@dataclass(frozen=True)
class Optuna:
    """A sampler of Optuna's, every trial to its end.

    `joint` has it draw all hyper-parameters of all paradigms for every trial, for samplers that use no others.
    """

    sampler: Callable[[int], BaseSampler]
    joint: bool = False

    def __call__(self, problem: Problem, epochs: int, seed: int) -> Ended:
        tuner = optuna.create_study(directions=["minimize"] * 2, sampler=self.sampler(seed))
        configurations = Configurations(study(problem))
        ended: Ended = []
        running: list[tuple[optuna.Trial, Drawn, int]] = []
        for spent in range(epochs):
            while len(running) < WORKERS:
                trial = tuner.ask()
                drawn = _drawn(configurations, configurations.draw(partial(_suggested, trial), joint=self.joint))
                if configurations.refusal(*drawn) is None:
                    running.append((trial, drawn, 0))
                else:
                    tuner.tell(trial, state=optuna.trial.TrialState.FAIL)
            trial, drawn, epoch = running.pop(0)
            if epoch + 1 == problem.epochs:
                losses = problem.after(*drawn, problem.epochs)
                tuner.tell(trial, losses)
                ended.append((spent + 1, losses))
            else:
                running.append((trial, drawn, epoch + 1))
        return ended


Drawn = tuple[str, Params]
"""A paradigm, and its hyper-parameters."""


def _drawn(configurations: Configurations, values: Mapping[str, Value]) -> Drawn:
    return str(values[PARADIGM]), configurations.params(values)


def _suggested(trial: optuna.Trial, name: str, found: BaseDistribution) -> Value:
    match found:
        case FloatDistribution():
            return trial.suggest_float(name, found.low, found.high, log=found.log)
        case IntDistribution():
            return trial.suggest_int(name, found.low, found.high, log=found.log)
        case CategoricalDistribution():
            chosen: Value = trial.suggest_categorical(name, found.choices)  # type: ignore[assignment]  # never None here
            return chosen
    raise TypeError(found)


def syne_tune(problem: Problem, epochs: int, seed: int) -> Ended:
    """Run Syne Tune's MO-ASHA, which draws at random, with the same rungs."""
    from syne_tune.backend.trial_status import Trial
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

    np.random.seed(seed)  # it samples from the global state
    configurations = Configurations(study(problem))
    space = {name: _domain(found) for name, found in configurations.distributions.items()}
    metrics = ["loss", "macs_projected"]
    halving = {"max_t": problem.epochs, "reduction_factor": REDUCTION}
    scheduler = MOASHA(space, metrics, time_attr="epoch", random_seed=seed, **halving)
    ended: Ended = []
    running: list[tuple[Trial, Drawn, int]] = []
    for spent in range(epochs):
        while len(running) < WORKERS:
            trial = Trial(spent, scheduler.suggest().config, datetime.now(UTC))
            drawn = _drawn(configurations, trial.config)
            if configurations.refusal(*drawn) is None:
                scheduler.on_trial_add(trial)
                running.append((trial, drawn, 0))
        trial, drawn, epoch = running.pop(0)
        epoch += 1
        losses = problem.after(*drawn, epoch)
        verdict = scheduler.on_trial_result(trial, _report(losses, epoch, problem.epochs))
        if epoch == problem.epochs:
            ended.append((spent + 1, losses))
        elif verdict == "CONTINUE":
            running.append((trial, drawn, epoch))
    return ended


def _domain(found: BaseDistribution) -> object:
    """Return a distribution as Syne Tune names it."""
    from syne_tune.config_space import choice, lograndint, loguniform, randint, uniform

    match found:
        case FloatDistribution():
            return (loguniform if found.log else uniform)(found.low, found.high)
        case IntDistribution():
            return (lograndint if found.log else randint)(found.low, found.high)
        case CategoricalDistribution():
            return choice(list(found.choices))
    raise TypeError(found)


UNKNOWN: Final = GivenCosts(lambda _paradigm, _params, _roughly: {}, lambda _: {"macs": WHOLE})
"""No costs are known but that of the unpruned network."""


class Nobody:
    """Watches nothing."""

    def started(self, *_: object) -> None:
        pass

    def updated(self, *_: object) -> None:
        pass

    def finished(self, *_: object) -> None:
        pass


CONTENDERS: Final[Mapping[str, Contender]] = {
    "espalier": Espalier("auto"),
    "espalier, known cost": Espalier("known_cost"),
    "espalier, known cost, no rungs": Espalier("known_cost", stops=False),
    "espalier, cost unknown": Espalier("known_cost", knows=False),
    "espalier, cost unknown, no rungs": Espalier("known_cost", stops=False, knows=False),
    "espalier, tpe": Espalier("tpe"),
    "espalier, tpe, stopping": Espalier("tpe", hopeless="stop"),
    "espalier, tpe, no rungs": Espalier("tpe", stops=False),
    "random": Optuna(lambda seed: RandomSampler(seed=seed)),
    "optuna tpe": Optuna(lambda seed: TPESampler(seed=seed)),
    "optuna nsga2": Optuna(lambda seed: NSGAIISampler(population_size=20, seed=seed), joint=True),
    SYNE_TUNE: syne_tune,
}
WITHOUT_RUNGS: Final = ("random", "optuna tpe", "optuna nsga2")


def _report(losses: Losses, epoch: int, epochs: int) -> EpochReport:
    size, loss = losses
    point = Epoch(
        epoch=epoch,
        fidelity=epoch / epochs,
        stage="train",
        accuracy=0.0,
        loss=loss,
        train_loss=loss,
        learning_rate=0.1,
        seconds=60.0,
        macs_projected=size,
        params_projected=size,
    )
    return EpochReport(point, {"loss": loss, "macs": size} if epoch == epochs else {})


def over_epochs(problem: Problem, ended: Ended, epochs: int) -> Volumes:
    """Return the hypervolume after each epoch, as a share of the best front's."""
    volumes, front = np.zeros(epochs + 1), np.empty((0, 2))
    for spent, losses in ended:
        front = np.vstack([front, losses])
        volumes[spent:] = hypervolume(front, problem.reference) / problem.ideal
    return volumes


@dataclass(frozen=True)
class Found:
    """What came of a run: its hypervolumes, how many trials were whole, and how many results they had."""

    volumes: Volumes
    whole: int
    distinct: int


@dataclass(frozen=True)
class Run:
    """One contender on one problem, from one seed."""

    problem: str
    contender: str
    epochs: int
    seed: int

    def found(self, kept: Path) -> Found:
        """Return what came of the run; its trials' ends are kept in a folder, or taken from there."""
        problem, file = (
            ALL[self.problem],
            kept / f"{self.problem}, {self.contender}, {self.epochs}, {self.seed}.json",
        )
        if not file.exists():
            optuna.logging.set_verbosity(optuna.logging.WARNING)
            ended = CONTENDERS[self.contender](problem, self.epochs, self.seed)
            beside = file.with_suffix(".part")
            beside.write_text(json.dumps(ended))
            beside.replace(file)
        ends: Ended = json.loads(file.read_text())
        return Found(
            volumes=over_epochs(problem, ends, self.epochs),
            whole=len(ends),
            distinct=len({tuple(losses) for _, losses in ends}),
        )


def compare(runs: Sequence[Run], kept: Path, processes: int) -> None:
    """Let the contenders search the problems, and print what they found."""
    kept.mkdir(parents=True, exist_ok=True)
    by_problem: dict[str, dict[str, list[Found]]] = defaultdict(lambda: defaultdict(list))
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for run, found in zip(runs, pool.map(Run.found, runs, repeat(kept)), strict=True):
            by_problem[run.problem][run.contender].append(found)
    for title, by_contender in by_problem.items():
        Console(width=185).print(table(title, by_contender))


def table(title: str, found: Mapping[str, Sequence[Found]]) -> Table:
    """Return what the contenders found, each from several seeds."""
    volumes = {name: np.array([one.volumes for one in runs]) for name, runs in found.items()}
    seeds, epochs = next(iter(volumes.values())).shape[0], next(iter(volumes.values())).shape[1] - 1
    moments = [round(moment * epochs) for moment in MOMENTS]
    means = {name: volume.mean(0) for name, volume in volumes.items()}
    best = _best(volumes)
    goals = [best[at] for at in moments[1:]]
    drawn = Table(title=f"{title}: hypervolume after so many epochs, mean of {seeds} seeds (standard deviation)")
    for column in ("", *map(str, moments), *(f"to {goal:.3f}" for goal in goals), "90 %", "whole", "distinct"):
        drawn.add_column(column, justify="right" if column else "left")
    for name, volume in volumes.items():
        figures = (f"{means[name][at]:.3f} ({volume[:, at].std():.3f})" for at in moments)
        whole, distinct = np.mean([(one.whole, one.distinct) for one in found[name]], axis=0)
        ratios = (_sooner(goal, means[name], best) for goal in goals)
        drawn.add_row(name, *figures, *ratios, _between(name, volumes), f"{whole:.0f}", f"{distinct:.0f}")
    return drawn


def _best(volumes: Mapping[str, Volumes]) -> Volumes:
    """Return the best mean of those without early stopping; all there is where none of them takes part."""
    means = [volumes[name].mean(0) for name in WITHOUT_RUNGS if name in volumes]
    best: npt.NDArray[np.float64] = np.max(means or [np.ones(next(iter(volumes.values())).shape[1])], 0)
    return best


def _sooner(goal: float, mean: Volumes, best: Volumes) -> str:
    """Say after how many epochs a mean hypervolume comes to a goal, and how many times as many the best needs."""
    ratio = _ratio(goal, mean, best)
    return f"{np.argmax(mean >= goal)} ({ratio:.1f}x)" if ratio else "-"


def _between(name: str, volumes: Mapping[str, Volumes]) -> str:
    """Say between what the ratio for what the best has at the end lies, had the seeds been others."""
    dice, seeds = np.random.default_rng(0), len(volumes[name])
    ratios = []
    for _ in range(RESAMPLED):
        sample = dice.integers(seeds, size=seeds)
        best = _best({name: of_all[sample] for name, of_all in volumes.items()})
        ratios.append(_ratio(best[-1], volumes[name][sample].mean(0), best))
    low, high = (f"{ratio:.1f}" if ratio else "-" for ratio in np.quantile(ratios, [0.05, 0.95]))
    return f"{low} to {high}" if low != high else low


def _ratio(goal: float, mean: Volumes, best: Volumes) -> float:
    """Return how many times as many epochs the best needs to come to a goal; 0 where there is none to come to.

    That is where the other never comes to it, or where the best has found nothing yet.
    """
    return float(np.argmax(best >= goal) / np.argmax(mean >= goal)) if mean[-1] >= goal > 0 else 0.0


def time_draws(problem: Problem, results: int) -> None:
    """Print how much processor time each sampler takes to draw a configuration once it knows so many results."""
    configurations = Configurations(study(problem, seed=0), problem.costs)
    lessons = [
        Lesson(paradigm, params, State.COMPLETE, problem.after(paradigm, params, problem.epochs))
        for paradigm in configurations.searched
        for params in at_random(configurations, paradigm, math.ceil(results / len(configurations.searched)))
    ]
    for sampler in ("random", "tpe", "nsga2", "known_cost"):
        view = View(configurations, sampler, population=20)
        for lesson in lessons:
            view.take_up(lesson)
        seconds = []
        for number in range(len(lessons), len(lessons) + DRAWS):
            begun = time.process_time()
            key, _ = view.draw({}, number)
            seconds.append(time.process_time() - begun)
            view.tell(key, None)
        usual, first = 1000 * np.median(seconds), 1000 * seconds[0]
        print(f"{sampler}: {usual:.0f} ms a draw after {len(lessons)} results, {first:.0f} ms the first")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Compare what searches find for the same epochs.")
    parser.add_argument("what", nargs="?", choices=["compare", "record", "draws"], default="compare")
    parser.add_argument(
        "--table", choices=RECORDED, default="cifar10", help="what `record` trains, or `draws` searches (cifar10)"
    )
    parser.add_argument("--out", type=Path, default=DATA, metavar="FOLDER", help="where `record` writes its table")
    parser.add_argument("--configurations", type=int, default=400, help="how many trials `record` trains (400)")
    parser.add_argument("--trials", type=int, default=60, help="whole trials whose epochs may be spent (60)")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first of the seeds (0)")
    parser.add_argument("--processes", type=int, default=1, help="how many runs go side by side (1)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keeps runs; typed again, only the missing are run")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="CONTENDER")
    parser.add_argument(
        "--problems", nargs="+", default=list(PROBLEMS), metavar="PROBLEM", help="surrogates by name only (all others)"
    )
    options = parser.parse_args()
    if options.what == "record":
        table_ = RECORDED[options.table]
        record(table_, options.configurations, options.out / table_.path.name, options.processes)
        return
    if options.what == "draws":
        if options.table not in PROBLEMS:
            parser.error(f"--table {options.table} has not been recorded; record it first")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        time_draws(PROBLEMS[options.table], options.trials)
        return
    try:
        problems = [known(name) for name in options.problems]
    except InvalidValue as error:
        parser.error(str(error))
    names = list(options.only)
    if SYNE_TUNE in names and find_spec("syne_tune") is None:
        print("Syne Tune does not take part: it is not installed (pip install syne-tune)")
        names.remove(SYNE_TUNE)
    runs = [
        Run(problem, name, options.trials * ALL[problem].epochs, seed)
        for name, problem, seed in product(names, problems, range(options.first, options.first + options.seeds))
    ]
    with tempfile.TemporaryDirectory(prefix="search-") as folder:
        compare(runs, options.keep or Path(folder), options.processes)


if __name__ == "__main__":
    main()
