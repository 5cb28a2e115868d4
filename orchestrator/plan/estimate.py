"""What a study will take before anything starts: epochs, device time, wall time, each as a range that says its reasons.

Low is the least that the search can come to: at every rung as few trials go on as its reduction allows, and all
paradigms are as fast as the fastest. High is every trial trained to its end, all as slow as the slowest. Expected is
what happened so far, or, of a study that has no record, what happens if trials come in no order of merit.
"""

import math
import os
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from orchestrator.execution.capacity import NodeCapacity, may_grow, nodes, require_room
from orchestrator.execution.cluster import named, ray_session
from orchestrator.ledger.budget import SECONDS_PER_HOUR, Spending
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import TOLD
from orchestrator.search.initial_design import at_random
from orchestrator.spec.params import Params
from orchestrator.spec.study_spec import Resources, StudySpec
from trainables.errors import InvalidValue
from trainables.metrics import FORETOLD

TYPICAL: Final = 1.5
SLOWEST: Final = 3.0
"""How many dense epochs an epoch of a paradigm takes where no record says better, as measured over all of them with
ResNet-20 on digits: masks, gates and penalties cost most where a network is small."""

ENOUGH: Final = 8
"""How many told trials make a record of how many are stopped early."""

ENDED: Final = (*TOLD, State.PAUSED)
"""The states of a trial that is not expected to take any more."""

NOTHING: Final = Spending()

CONFIGURATIONS: Final = 100
"""Of how many configurations of a paradigm it is looked up from when on they are judged."""

Share = Callable[[int], float]


@dataclass(frozen=True)
class Span:
    """A quantity of which only a range is known."""

    low: float
    expected: float
    high: float

    def __mul__(self, other: "Span | float") -> "Span":
        by = other if isinstance(other, Span) else Span(other, other, other)
        return Span(self.low * by.low, self.expected * by.expected, self.high * by.high)

    def __add__(self, other: "Span | float") -> "Span":
        plus = other if isinstance(other, Span) else Span(other, other, other)
        return Span(self.low + plus.low, self.expected + plus.expected, self.high + plus.high)

    def at_least(self, other: "Span") -> "Span":
        """Return the larger of both, end by end."""
        return Span(max(self.low, other.low), max(self.expected, other.expected), max(self.high, other.high))


@dataclass(frozen=True)
class EpochPace:
    """Seconds that an epoch takes, seconds that a trial takes beyond its epochs, and in words how they are known."""

    epoch: Span
    beyond: float
    source: str


@dataclass(frozen=True)
class Place:
    """Where trials would run, and how many at once; `problem` says why none can."""

    where: str
    slots: int
    problem: str | None = None


@dataclass(frozen=True)
class Allowance:
    """What a budget of the study file still allows, and how much of that is expected to be needed, if that is known."""

    key: str
    left: float
    needed: float | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is left of a study, and what it takes; times are None where nothing is known of the pace.

    `epochs` is the sum over all trials, `stopping` says in words how its range was made. `device_hours` are hours of
    the devices that trials occupy (`device`), `wall_hours` hours of the clock on an otherwise idle machine.
    `removable_macs` is the share of the network's MACs that filters can take with them, None where none are removed;
    `impossible` says which paradigms and choices the network cannot carry out, and why.
    """

    study: str
    trials: int
    left: int
    epochs: Span
    stopping: str
    pace: EpochPace | None
    place: Place
    device: str
    device_hours: Span | None
    wall_hours: Span | None
    allowances: tuple[Allowance, ...]
    removable_macs: float | None = None
    impossible: tuple[str, ...] = ()


def make_plan(
    spec: StudySpec, records: Sequence[TrialRecord], pace: EpochPace | None, place: Place, spent: Spending = NOTHING
) -> Plan:
    """Return the plan for what is left of a study, given its record and spending so far; there are none before it."""
    left = max(0, spec.search.trials - sum(record.state in ENDED for record in records))
    done = sum(record.fidelity for record in records if record.state is State.RUNNING) * spec.fidelity.epochs
    lengths, stopping = _lengths(spec, records)
    epochs = lengths * left + -min(done, lengths.low * left) + _continued(spec, records)
    devices = (spec.resources.gpus or spec.resources.cpus) * spec.resources.workers.min
    trial_seconds = epochs * pace.epoch + pace.beyond * left if pace is not None else None
    wall = None
    if pace is not None and trial_seconds is not None and left and place.slots:
        one = lengths * pace.epoch + pace.beyond
        wall = (trial_seconds * (1 / place.slots)).at_least(one)
    return Plan(
        study=spec.name,
        trials=spec.search.trials,
        left=left,
        epochs=epochs,
        stopping=stopping,
        pace=pace,
        place=place,
        device="GPU" if spec.resources.gpus else "CPU",
        device_hours=trial_seconds * (devices / SECONDS_PER_HOUR) if trial_seconds is not None else None,
        wall_hours=wall * (1 / SECONDS_PER_HOUR) if wall is not None else None,
        allowances=tuple(_allowances(spec, spent, trial_seconds, wall)),
    )


def _allowances(
    spec: StudySpec, spent: Spending, trial_seconds: Span | None, wall_seconds: Span | None
) -> Iterator[Allowance]:
    """Return what is left of each budget, and what is needed of it, in the budget's unit."""
    budget, resources = spec.budget, spec.resources
    devices = (resources.gpus or resources.cpus) * resources.workers.min
    price = (resources.price_per_hour or 0.0) * resources.workers.min
    accounts = (
        ("hours", budget.hours, spent.seconds / SECONDS_PER_HOUR, wall_seconds, 1.0),
        ("device_hours", budget.device_hours, spent.device_seconds / SECONDS_PER_HOUR, trial_seconds, devices),
        ("money", budget.money, spent.money, trial_seconds, price),
    )
    for key, allowed, used, seconds, rate in accounts:
        if allowed is not None:
            needed = seconds.expected * rate / SECONDS_PER_HOUR if seconds is not None else None
            yield Allowance(f"budget.{key}", max(0.0, allowed - used), needed)


def recorded_pace(records: Iterable[TrialRecord]) -> EpochPace | None:
    """Return the pace of the trials that ran without interruption, evaluation and all; None if there is none."""
    by_paradigm: dict[str, list[tuple[float, int]]] = {}
    for record in records:
        if _ran_through(record) and record.curve and record.started and record.finished:
            seconds = (record.finished - record.started).total_seconds()
            by_paradigm.setdefault(record.paradigm, []).append((seconds, len(record.curve)))
    if not by_paradigm:
        return None
    means = {name: _mean(trials) for name, trials in by_paradigm.items()}
    everything = [trial for trials in by_paradigm.values() for trial in trials]
    fastest, slowest = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    words = f"from the study's own record of {len(everything)} trials: {fastest} is the fastest, {slowest} the slowest"
    return EpochPace(Span(means[fastest], _mean(everything), means[slowest]), 0.0, words)


def _ran_through(record: TrialRecord) -> bool:
    """Say whether a trial was never begun again, nor went on after a pause."""
    went_on = record.pauses > (record.state in (State.PRUNED, State.PAUSED))
    return record.state in ENDED and record.attempts == 1 and not went_on


def probed_pace(spec: StudySpec) -> EpochPace:
    """Return the pace of a dense network that is trained for seconds, here and now. Imports torch."""
    from orchestrator.plan.probe import measure

    probe = measure(spec)
    words = f"measured on this machine's {probe.device}: {probe.steps} dense training steps, {probe.images} evaluations"
    if set(spec.paradigms) == {"dense"}:
        return EpochPace(Span(1, 1, 1) * probe.epoch, probe.last, words)
    words += f"; other paradigms are taken to need {TYPICAL:g} times as long on average, and {SLOWEST:g} times at most"
    return EpochPace(Span(1, TYPICAL, SLOWEST) * probe.epoch, probe.last, words)


def find_place(resources: Resources, address: str | None = None) -> Place:
    """Return where trials would run. Connects to Ray only if a cluster is named, by RAY_ADDRESS too; starts none."""
    cluster = named(address)
    if cluster is not None:
        where = f"the cluster at {cluster}"
        with ray_session(Path(os.devnull), cluster):
            return _place(where, nodes(), resources)
    node = {"CPU": float(os.cpu_count() or 1), "GPU": float(_gpus() if resources.gpus else 0)}
    return _place("this machine", [node], resources)


def _place(where: str, found: Sequence[NodeCapacity], resources: Resources) -> Place:
    most = resources.parallel or sys.maxsize
    try:
        room = require_room(found, resources) // resources.workers.min
        return Place(where, most if may_grow(resources) else min(most, room))
    except InvalidValue as refused:
        return Place(where, 0, str(refused))


def _gpus() -> int:
    import torch

    return torch.cuda.device_count()


def _mean(trials: Iterable[tuple[float, int]]) -> float:
    seconds, epochs = zip(*trials, strict=True)
    return float(sum(seconds) / sum(epochs))


def _lengths(spec: StudySpec, records: Sequence[TrialRecord]) -> tuple[Span, str]:
    """Return the epochs of a trial, and in words how they are known."""
    epochs, reduction = spec.fidelity.epochs, spec.fidelity.reduction
    if not spec.fidelity.rungs or not set(spec.objectives) & set(FORETOLD):
        return Span(epochs, epochs, epochs), "no trial is stopped early"
    judged = {paradigm: _judged_from(spec, paradigm) for paradigm in spec.paradigms}
    strongest = _length(spec, judged, lambda _: 1 / reduction**2)
    told = [record for record in records if record.state in (State.COMPLETE, State.PRUNED, State.PAUSED)]
    if len(told) >= ENOUGH:
        mean = statistics.fmean(record.fidelity for record in told) * epochs
        stopped = sum(record.state is not State.COMPLETE for record in told) / len(told)
        words = f"so far {stopped:.0%} of {len(told)} trials were stopped early{_or_paused(spec)}"
    else:
        mean = _length(spec, judged, lambda arrived: _expected_share(arrived, reduction))
        words = "expected is what happens if trials come in no order of merit"
    least = f"at the least, 1 in {reduction**2} goes on at epoch {', '.join(map(str, spec.fidelity.rungs))}"
    words = f"{words}; {least}; at the most, all go on{_not_judged(spec, judged)}"
    return Span(min(strongest, mean), mean, epochs), words


def _not_judged(spec: StudySpec, judged: Mapping[str, Counter[float]]) -> str:
    """Say whose trials the last rung cannot stop, in per cent of a paradigm's configurations."""
    rung = spec.fidelity.rungs[-1]
    late = {
        paradigm: sum(number for share, number in froms.items() if share > rung / spec.fidelity.epochs) / froms.total()
        for paradigm, froms in judged.items()
        if froms
    }
    named = ", ".join(f"{share:.0%} of {paradigm}" for paradigm, share in late.items() if share >= 0.005)
    return f"; not judged at any rung, for they are pruned later: {named}" if named else ""


def _continued(spec: StudySpec, records: Sequence[TrialRecord]) -> Span:
    """Return the epochs that trials may still take which pause now: none, unless they come to be among the best."""
    rest = sum(1 - record.fidelity for record in records if record.state is State.PAUSED)
    return Span(0, 0, rest * spec.fidelity.epochs)


def _or_paused(spec: StudySpec) -> str:
    return " or paused" if spec.fidelity.hopeless == "pause" else ""


def _length(spec: StudySpec, judged: Mapping[str, Counter[float]], going_on: Share) -> float:
    """Return the epochs of a trial if such a share of the trials that arrive at a rung goes on, the paradigms alike.

    A trial is not stopped at rungs before the fidelity from which on it is judged.
    """

    def mean(froms: Counter[float]) -> float:
        lengths = [_judged_length(spec, share, going_on) for share in froms]
        return statistics.fmean(lengths, weights=froms.values()) if froms else 0.0

    return statistics.fmean(map(mean, judged.values()))


def _judged_from(spec: StudySpec, paradigm: str) -> Counter[float]:
    """Return from which fidelity on how many of a paradigm's configurations are judged."""
    drawn = at_random(spec, paradigm, CONFIGURATIONS)
    return Counter(Params.of(named).create(paradigm).judged_from(spec.fidelity.epochs) for named in drawn)


def _judged_length(spec: StudySpec, judged_from: float, going_on: Share) -> float:
    epochs = spec.fidelity.epochs
    alive, before, length = 1.0, 0, 0.0
    for rung in spec.fidelity.rungs:
        length += alive * (rung - before)
        if rung / epochs >= judged_from:
            alive *= going_on(math.ceil(alive * spec.search.trials))
        before = rung
    return length + alive * (epochs - before)


def _expected_share(arrived: int, reduction: int) -> float:
    """Return which share goes on at a rung where each is compared with those before it, in random order."""
    return statistics.fmean(max(1, place // reduction) / place for place in range(1, max(1, arrived) + 1))
