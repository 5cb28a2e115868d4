"""Estimates before anything starts what a study will take: epochs, device time and wall time, each as a range.

Low is the least possible: at every rung as few trials continue as the reduction allows, and all paradigms are as fast
as the fastest. High is every trial trained in full, and all paradigms as slow as the slowest. Expected extrapolates
the study's record or, for a study without one, assumes that good and bad trials come in random order.
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
from orchestrator.search.configurations import Configurations
from orchestrator.search.expected_costs import Placed, unplaced
from orchestrator.search.initial_design import at_random
from orchestrator.spec.params import Params
from orchestrator.spec.study_spec import Resources, StudySpec
from trainables.errors import InvalidValue
from trainables.metrics import foretold
from trainables.recipes.recipe import dense_training

TYPICAL: Final = 1.5
SLOWEST: Final = 3.0
"""How many dense epochs an epoch of a paradigm takes, unless a record shows it, as measured over all paradigms with
ResNet-20 on digits: masks, gates and penalties cost most in small networks."""

ENOUGH: Final = 8
"""How many trials must have ended before their record of early stopping is used."""

ENDED: Final = (*TOLD, State.PAUSED)
"""The states of a trial that is not expected to take any more time."""

NOTHING: Final = Spending()

CONFIGURATIONS: Final = 100
"""How many configurations of a paradigm are drawn to see from which fidelity on they are judged."""

Share = Callable[[int], float]


@dataclass(frozen=True)
class Span:
    """A quantity that is known only as a range."""

    low: float
    expected: float
    high: float

    def __mul__(self, other: "Span | float") -> "Span":
        by = other if isinstance(other, Span) else Span(other, other, other)
        return Span(self.low * by.low, self.expected * by.expected, self.high * by.high)

    def __add__(self, other: "Span | float") -> "Span":
        addend = other if isinstance(other, Span) else Span(other, other, other)
        return Span(self.low + addend.low, self.expected + addend.expected, self.high + addend.high)

    def at_least(self, other: "Span") -> "Span":
        """Return the elementwise maximum."""
        return Span(max(self.low, other.low), max(self.expected, other.expected), max(self.high, other.high))


@dataclass(frozen=True)
class EpochPace:
    """Seconds per epoch, seconds that a trial takes beyond its epochs, and a description of where they come from."""

    epoch: Span
    beyond: float
    source: str


@dataclass(frozen=True)
class Place:
    """Where trials would run, and how many at once; `problem` says why none can run."""

    where: str
    slots: int
    problem: str | None = None


@dataclass(frozen=True)
class Allowance:
    """What is left of a budget of the study file, and how much is expected to be needed, None if unknown."""

    key: str
    left: float
    needed: float | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is left of a study, and what it will take; times are None if the pace is unknown.

    `epochs` is the sum over all trials; `stopping` explains its range in words. `device_hours` are hours of the devices
    that trials occupy (`device`), `wall_hours` elapsed hours on an otherwise idle machine. `removable_macs` is the
    share of the network's MACs that removing filters can save, None if no filters are removed; `impossible` says which
    paradigms and choices the network does not support, and why.
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
    costs: tuple[str, ...] = ()
    """What is known of the costs of each paradigm's networks before training."""
    rates: tuple[str, ...] = ()
    """What the architecture makes of the learning rate."""


def make_plan(
    spec: StudySpec, records: Sequence[TrialRecord], pace: EpochPace | None, place: Place, spent: Spending = NOTHING
) -> Plan:
    """Return the plan for what is left of a study, given its record and spending so far; both are empty if new."""
    left = max(0, spec.search.trials - sum(record.state in ENDED for record in records))
    done = sum(record.fidelity for record in records if record.state is State.RUNNING) * spec.fidelity.epochs
    lengths, stopping = _with_repeats(spec, *_lengths(spec, records))
    epochs = lengths * left + -min(done, lengths.low * left) + _continued(spec, records)
    shared = min(_shared_epochs(spec, left), epochs.low)
    if shared:
        epochs += Span(-shared, -shared, 0)
        stopping += f"; low and expected are without {shared:.0f} epochs of dense training that trials share"
    devices = (spec.resources.share or spec.resources.cpus) * spec.resources.workers.min
    trial_seconds = epochs * pace.epoch + pace.beyond * left if pace is not None else None
    wall = None
    if pace is not None and trial_seconds is not None and left and place.slots:
        single = lengths * pace.epoch + pace.beyond
        wall = (trial_seconds * (1 / place.slots)).at_least(single)
    return Plan(
        study=spec.name,
        trials=spec.search.trials,
        left=left,
        epochs=epochs,
        stopping=stopping,
        pace=pace,
        place=place,
        device="GPU" if spec.resources.share else "CPU",
        device_hours=trial_seconds * (devices / SECONDS_PER_HOUR) if trial_seconds is not None else None,
        wall_hours=wall * (1 / SECONDS_PER_HOUR) if wall is not None else None,
        allowances=tuple(_allowances(spec, spent, trial_seconds, wall)),
    )


def _allowances(
    spec: StudySpec, spent: Spending, trial_seconds: Span | None, wall_seconds: Span | None
) -> Iterator[Allowance]:
    """Yield what is left of each budget, and how much is expected to be needed, in the budget's unit."""
    budget, resources = spec.budget, spec.resources
    devices = (resources.share or resources.cpus) * resources.workers.min
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
    """Return the pace, evaluation included, of the trials that ran without interruption; None if there are none."""
    by_paradigm: dict[str, list[tuple[float, int]]] = {}
    for record in records:
        if _ran_through(record) and record.curve and record.started and record.finished:
            seconds = (record.finished - record.started).total_seconds()
            trained = len(record.curve) - int(record.metrics.get("epochs_shared", 0))
            by_paradigm.setdefault(record.paradigm, []).append((seconds, trained))
    if not by_paradigm:
        return None
    means = {name: _mean(trials) for name, trials in by_paradigm.items()}
    everything = [trial for trials in by_paradigm.values() for trial in trials]
    fastest, slowest = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    source = f"from the study's own record of {len(everything)} trials: {fastest} is the fastest, {slowest} the slowest"
    return EpochPace(Span(means[fastest], _mean(everything), means[slowest]), 0.0, source)


def _ran_through(record: TrialRecord) -> bool:
    """Return whether a trial ended in its first attempt without continuing after a pause."""
    resumed = record.pauses > (record.state in (State.PRUNED, State.PAUSED))
    return record.state in ENDED and record.attempts == 1 and not resumed


def probed_pace(spec: StudySpec, placed: Placed = unplaced) -> EpochPace:
    """Return the pace of the unpruned network, measured now by training it for a few seconds. Imports torch."""
    from orchestrator.plan.probe import measure

    probe = measure(spec, placed)
    source = (
        f"measured on this machine's {probe.device}: {probe.steps} dense training steps, {probe.images} evaluations"
    )
    if set(spec.paradigms) == {"dense"}:
        return EpochPace(Span(1, 1, 1) * probe.epoch, probe.last, source)
    source += f"; other paradigms are taken to need {TYPICAL:g} times as long on average, and {SLOWEST:g} times at most"
    return EpochPace(Span(1, TYPICAL, SLOWEST) * probe.epoch, probe.last, source)


def find_place(resources: Resources, address: str | None = None) -> Place:
    """Return where trials would run. Connects to Ray only if `address` or RAY_ADDRESS names a cluster; starts none."""
    cluster = named(address)
    if cluster is not None:
        where = f"the cluster at {cluster}"
        with ray_session(Path(os.devnull), cluster):
            return _place(where, nodes(), resources)
    node = {"CPU": float(os.cpu_count() or 1), "GPU": float(_gpus() if resources.share else 0)}
    return _place("this machine", [node], resources)


def _place(where: str, capacities: Sequence[NodeCapacity], resources: Resources) -> Place:
    most = resources.parallel or sys.maxsize
    try:
        room = require_room(capacities, resources) // resources.workers.min
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
    """Return the epochs of a trial, and an explanation of their range."""
    epochs, reduction = spec.fidelity.epochs, spec.fidelity.reduction
    if not spec.fidelity.rungs or not any(map(foretold, spec.objectives)):
        return Span(epochs, epochs, epochs), "no trial is stopped early"
    configurations = Configurations(spec)
    judged = {paradigm: _judged_from(configurations, paradigm) for paradigm in spec.paradigms}
    strongest = _length(spec, judged, lambda _: 1 / reduction**2)
    told = [record for record in records if record.state in (State.COMPLETE, State.PRUNED, State.PAUSED)]
    if len(told) >= ENOUGH:
        mean = statistics.fmean(record.fidelity for record in told) * epochs
        stopped = sum(record.state is not State.COMPLETE for record in told) / len(told)
        basis = f"so far {stopped:.0%} of {len(told)} trials were stopped early{_or_paused(spec)}"
    else:
        mean = _length(spec, judged, lambda arrived: _expected_share(arrived, reduction))
        basis = "expected assumes that good and bad trials come in random order"
    least = f"low: 1 in {reduction**2} continues at epoch {', '.join(map(str, spec.fidelity.rungs))}"
    explanation = f"{basis}; {least}; high: all continue{_not_judged(spec, judged)}"
    return Span(min(strongest, mean), mean, epochs), explanation


def _with_repeats(spec: StudySpec, lengths: Span, stopping: str) -> tuple[Span, str]:
    """Return what `_lengths` does where some trials repeat others with further seeds, which no rung stops.

    How many do follows from the front, which nobody knows: at most all but one of each configuration's `seeds`.
    """
    epochs, seeds = spec.fidelity.epochs, spec.search.seeds
    if seeds == 1 or lengths.expected == epochs:
        return lengths, stopping
    share = (1 - 1 / seeds) * (1.0 if spec.search.repeat == "all" else 0.5)
    expected = lengths.expected + share * (epochs - lengths.expected)
    said = f"; expected: {share:.0%} of the trials repeat others with further seeds, to the end"
    return Span(lengths.low, expected, lengths.high), stopping + said


def _not_judged(spec: StudySpec, judged: Mapping[str, Counter[float]]) -> str:
    """Return in words which paradigms have trials that the last rung cannot stop, with their shares."""
    rung = spec.fidelity.rungs[-1]
    late = {
        paradigm: sum(number for share, number in froms.items() if share > rung / spec.fidelity.epochs) / froms.total()
        for paradigm, froms in judged.items()
        if froms
    }
    named = ", ".join(f"{share:.0%} of {paradigm}" for paradigm, share in late.items() if share >= 0.005)
    return f"; not judged at any rung, because they are pruned later: {named}" if named else ""


def _continued(spec: StudySpec, records: Sequence[TrialRecord]) -> Span:
    """Return the epochs that paused trials may still take: none, unless they become some of the best."""
    rest = sum(1 - record.fidelity for record in records if record.state is State.PAUSED)
    return Span(0, 0, rest * spec.fidelity.epochs)


def _or_paused(spec: StudySpec) -> str:
    return " or paused" if spec.fidelity.hopeless == "pause" else ""


def _length(spec: StudySpec, judged: Mapping[str, Counter[float]], continuing: Share) -> float:
    """Return a trial's mean epochs over the paradigms if the share `continuing` of the trials at each rung continues.

    A trial is not stopped at rungs before the fidelity from which it is judged.
    """

    def mean(froms: Counter[float]) -> float:
        lengths = [_judged_length(spec, share, continuing) for share in froms]
        return statistics.fmean(lengths, weights=froms.values()) if froms else 0.0

    return statistics.fmean(map(mean, judged.values()))


def _judged_from(configurations: Configurations, paradigm: str) -> Counter[float]:
    """Count a paradigm's configurations by the fidelity from which they are judged."""
    epochs, drawn = configurations.spec.fidelity.epochs, at_random(configurations, paradigm, CONFIGURATIONS)
    return Counter(Params.of(named).create(paradigm).judged_from(epochs) for named in drawn)


def _shared_epochs(spec: StudySpec, trials: int) -> float:
    """Return the epochs of dense training that so many trials are expected to take from each other.

    Of `trials` that each begin with the training k of d epochs with probability p, d (1 - (1 - p)^trials) are trained.
    """
    if not spec.training.shared_dense or spec.resources.workers.max > 1:
        return 0.0
    configurations, saved = Configurations(spec), 0.0
    for paradigm in spec.paradigms:
        begun = _dense_trainings(configurations, paradigm)
        for epochs, count in begun.items():
            p = count / (begun.total() * len(spec.paradigms))
            saved += epochs[0] * (p * trials - (1 - (1 - p) ** trials))
    return saved


def _dense_trainings(configurations: Configurations, paradigm: str) -> Counter[tuple[float, str]]:
    """Count a paradigm's configurations by the epochs of their dense training and by all that it depends on."""
    begun: Counter[tuple[float, str]] = Counter()
    for drawn in at_random(configurations, paradigm, CONFIGURATIONS):
        params = Params.of(drawn)
        stage = dense_training(params.create(paradigm).recipe(configurations.spec.fidelity.epochs))
        begun[stage.epochs if stage else 0, repr((stage, params.model, params.options, params.training))] += 1
    return begun


def _judged_length(spec: StudySpec, judged_from: float, continuing: Share) -> float:
    epochs = spec.fidelity.epochs
    alive, before, length = 1.0, 0, 0.0
    for rung in spec.fidelity.rungs:
        length += alive * (rung - before)
        if rung / epochs >= judged_from:
            alive *= continuing(math.ceil(alive * spec.search.trials))
        before = rung
    return length + alive * (epochs - before)


def _expected_share(arrived: int, reduction: int) -> float:
    """Return the share of trials that continue at a rung if each is compared with those before it, in random order."""
    return statistics.fmean(max(1, rank // reduction) / rank for rank in range(1, max(1, arrived) + 1))
