"""Compares two or more studies of one store: what differs, what each has found, and which is better where.

Studies that differ only in their seed form one group, which shows what such a study typically finds: half of its
members do at least as well as its median attainment surface.
"""

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.attainment import Lead, attainment_surface, coverage, leads
from orchestrator.results.front import Box, Objectives, Points, box, hypervolume_share, losses
from orchestrator.results.replicates import Replicates
from orchestrator.results.trials import Trials
from orchestrator.spec.spec_diff import settings
from orchestrator.spec.study_spec import StudySpec
from trainables.errors import InvalidValue

GROUND: Final = ("data", "model", "training", "fidelity.epochs", "constraints", "latency")
"""What studies must have in common so that their fronts compare the searches, not the training."""


@dataclass(frozen=True)
class Entry:
    """A study to be compared. `data_hash` identifies its data as they were when it was launched.

    With `by_mean` its configurations compete by their means over seeds, otherwise single trials.
    """

    spec: StudySpec
    records: Sequence[TrialRecord]
    data_hash: str
    by_mean: bool = False

    @cached_property
    def trials(self) -> Trials:
        """What was told of the study."""
        return Trials(self.records, self.spec.objectives, self.spec.bounds)

    @property
    def competing(self) -> Trials:
        """What is compared: trials, or configurations."""
        return self.trials.by_mean if self.by_mean else self.trials

    @property
    def front(self) -> list[TrialRecord]:
        """The members of the front of what is compared."""
        return self.competing.front

    @cached_property
    def configurations(self) -> list[Replicates]:
        """The configurations on the front, each with its seeds, in the front's order; none where trials compete."""
        of = {group.first.trial: group for group in self.trials.configurations} if self.by_mean else {}
        return [of[record.trial] for record in self.front] if of else []


@dataclass(frozen=True)
class Group:
    """One study, or several that differ only in their seed.

    `hypervolumes` are shares of the comparison's box, one per study.
    """

    entries: tuple[Entry, ...]
    objectives: Objectives
    hypervolumes: tuple[float, ...]

    @property
    def name(self) -> str:
        return " + ".join(entry.spec.name for entry in self.entries)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.hypervolumes)

    @property
    def deviation(self) -> float:
        """The sample's standard deviation of the hypervolume; NaN for a single study."""
        return statistics.stdev(self.hypervolumes) if len(self.hypervolumes) > 1 else math.nan

    @cached_property
    def fronts(self) -> list[Points]:
        return [losses(entry.front, self.objectives) for entry in self.entries]

    @cached_property
    def surfaces(self) -> dict[str, Points]:
        """What one study, half of them, and all of them attain."""
        runs = {"best": 1, "median": math.ceil(len(self.fronts) / 2), "worst": len(self.fronts)}
        return {name: attainment_surface(self.fronts, number) for name, number in runs.items()}

    def along_two(self) -> Points:
        """Return the median surface in the first two objectives alone."""
        return attainment_surface([front[:, :2] for front in self.fronts], math.ceil(len(self.fronts) / 2))


@dataclass(frozen=True)
class Comparison:
    """Groups in the order in which their first study was named; hypervolumes are shares of `within`."""

    entries: tuple[Entry, ...]
    groups: tuple[Group, ...]
    within: Box

    @property
    def objectives(self) -> Objectives:
        return self.entries[0].spec.objectives

    @property
    def by_mean(self) -> bool:
        """Whether configurations are compared by their means over seeds."""
        return self.entries[0].by_mean

    @cached_property
    def members(self) -> list[tuple[Entry, TrialRecord]]:
        """The members of all fronts, study by study."""
        return [(entry, record) for entry in self.entries for record in entry.front]

    @cached_property
    def differences(self) -> dict[str, dict[str, Any]]:
        """What differs between the studies, except name and seed, by dotted key and study."""
        flat = {entry.spec.name: _settings(entry) for entry in self.entries}
        keys = dict.fromkeys(key for of_study in flat.values() for key in of_study)
        values = {key: {name: of_study.get(key) for name, of_study in flat.items()} for key in keys}
        return {key: value for key, value in values.items() if len(set(map(_text, value.values()))) > 1}

    @property
    def grounds(self) -> dict[str, dict[str, Any]]:
        """The differences that make the fronts incomparable."""
        return {key: value for key, value in self.differences.items() if _is_within(key, (*GROUND, "data_hash"))}

    def coverage(self, one: Group, other: Group) -> float:
        """Return the share of the median surface of `other` that that of `one` attains."""
        return coverage(one.surfaces["median"], other.surfaces["median"])

    def leads(self) -> list[Lead]:
        """Return which groups are best in the first objective, along the second; empty if there is no second."""
        if len(self.objectives) < 2 or not any(entry.front for entry in self.entries):
            return []
        return leads({group.name: group.along_two() for group in self.groups})

    def beaten_by(self, entry: Entry, record: TrialRecord) -> list[str]:
        """Return the other studies that have a trial which dominates this one."""
        point = losses([record], self.objectives)[0]
        others = (
            (other.spec.name, losses(other.front, self.objectives)) for other in self.entries if other is not entry
        )
        return [name for name, front in others if ((front <= point).all(axis=1) & (front < point).any(axis=1)).any()]


def compare(entries: Sequence[Entry]) -> Comparison:
    """Compare studies; raises InvalidValue unless there are two or more, with the same objectives."""
    names = [entry.spec.name for entry in entries]
    if len(set(names)) < max(2, len(names)):
        raise InvalidValue("NAME", " ".join(names), "must name two or more studies, each once")
    objectives = entries[0].spec.objectives
    for entry in entries[1:]:
        if entry.spec.objectives != objectives:
            wanted, own = (_text(dict(some)) for some in (objectives, entry.spec.objectives))
            allowed = (
                f"must have the objectives of {names[0]}, {wanted}; it has {own}, so their fronts cannot be compared"
            )
            raise InvalidValue("NAME", entry.spec.name, allowed)
    within = box([record for entry in entries for record in entry.competing.records], objectives)
    groups = (_group(members, objectives, within) for members in _alike(entries))
    return Comparison(tuple(entries), tuple(groups), within)


def _alike(entries: Iterable[Entry]) -> list[list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(_text(_settings(entry)), []).append(entry)
    return list(groups.values())


def _group(entries: Sequence[Entry], objectives: Objectives, within: Box) -> Group:
    volumes = (hypervolume_share(losses(entry.front, objectives), objectives, within) for entry in entries)
    return Group(tuple(entries), objectives, tuple(volumes))


def _settings(entry: Entry) -> dict[str, Any]:
    """Return everything in which two studies may differ, by dotted key."""
    flat = {key: value for key, value in settings(entry.spec).items() if key not in ("name", "seed")}
    return flat | {"data_hash": entry.data_hash}


def _is_within(key: str, sections: Iterable[str]) -> bool:
    return any(key == section or key.startswith(f"{section}.") for section in sections)


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True)
