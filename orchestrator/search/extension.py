"""Adopt an edited study file for an existing study, if its results stay valid."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Final

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import pareto_front
from orchestrator.search.configurations import Configurations
from orchestrator.search.replication import lacking
from orchestrator.spec.history import Change, Extension, read_history, write_study
from orchestrator.spec.spec_diff import settings
from orchestrator.spec.spec_errors import Problem, StudyError
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import StudyFolder
from trainables.spec import ModelSpec

FIXED: Final = {
    "name": "a study keeps its name",
    "seed": "earlier trials took their seeds from it",
    "data": "earlier trials saw other data",
    "model": "earlier trials trained another network",
    "training": "earlier trials were trained in another way",
    "objectives": "earlier trials were chosen by others",
    "latency": "earlier trials measured it in another way",
    "ensemble": "earlier trials drew none, or another one",
    "evaluation": "earlier trials were measured on other images",
    "constraints": "earlier trials did not measure the same metrics",
}
"""The sections that cannot change, each with the reason; of constraints, only the bounds can change."""

INSTEAD: Final = "launch it as a study of another name; search.warm_start there lets it learn from this one"

Said = Callable[[Sequence[Change]], object]
"""Called with the changes once they are written and before the study runs."""


def changes(before: StudySpec, after: StudySpec) -> list[Change]:
    """Return what differs, by dotted key."""
    old, new = settings(before), settings(after)
    keys = dict.fromkeys([*old, *new])
    return [Change(key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]


def extend(spec: StudySpec, folder: StudyFolder, records: Sequence[TrialRecord]) -> list[Change]:
    """Replace the study's file by an edited one, add the changes to its history, and return them.

    `records` are those of a ledger opened with the edited spec. The file is written atomically: a crash leaves either
    the old study or the new one, never a mixture. Raises StudyError with every change that cannot be made.
    """
    before = StudySpec.stored(folder.spec)
    edits = changes(before, spec)
    problems = [problem for change in edits if (problem := _problem(change, before)) is not None]
    if spec.ledger != before.ledger:
        refusal = f"cannot change from {before.ledger!r}, which holds the trials; leave it unchanged"
        moved = f"if that database itself has moved, edit {folder.shown(folder.spec)}"
        problems.append(Problem("ledger", f"{refusal} ({moved}), or {INSTEAD}", spec.ledger))
    problems = problems or _too_few_trials(spec, records) or _too_few_for_seeds(edits, spec, records)
    if problems:
        raise StudyError(problems)
    if spec != before:  # even if only the data's location differs, which is not listed as a change
        now = [Extension(datetime.now(UTC).isoformat(timespec="seconds"), tuple(edits))] if edits else []
        write_study(folder.spec, spec, [*read_history(folder.spec), *now])
        folder.push(folder.spec)
    return edits


def to_try_again(allowed: Configurations, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the former front from before the epochs were raised, best first, without members already tried again.

    Members outside what is `allowed`, the study's current search spaces, are left out.
    """
    outgrown = [record for record in records if record.share < 1 and record.state is State.COMPLETE]
    largest = max((record.share for record in outgrown), default=0.0)
    before = [replace(record, fidelity=1.0) for record in outgrown if record.share == largest]
    tried = [_identity(record) for record in records if record.share == 1]
    return [
        record
        for record in pareto_front(before, allowed.spec.objectives)
        if _identity(record) not in tried and allowed.contains(record.paradigm, record.params)
    ]


def _identity(record: TrialRecord) -> tuple[object, ...]:
    return record.paradigm, dict(record.params), record.seed


def _problem(change: Change, before: StudySpec) -> Problem | None:
    """Return why a change cannot be made, or None if it can."""
    section = change.key.split(".")[0]
    only_bound = section == "constraints" and change.before is not None and change.after is not None
    more_networks = change.key == "model" and _grew(before.networks, change.after)
    if section in FIXED and not only_bound and not more_networks:
        before_text = "nothing" if change.before is None else repr(change.before)
        return Problem(change.key, f"cannot change from {before_text}: {FIXED[section]}; {INSTEAD}", change.after)
    if change.key == "fidelity.epochs" and change.after < before.fidelity.epochs:
        why = f"cannot fall below {change.before}: earlier trials were trained for longer than new ones would be"
        return Problem(change.key, f"{why}; {INSTEAD}", change.after)
    return None


def _grew(before: Sequence[ModelSpec], after: object) -> bool:
    """Return whether networks were only added to a list of them."""
    added = after if isinstance(after, list) else []
    return len(before) > 1 and all(asdict(network) in added for network in before)


def _too_few_trials(after: StudySpec, records: Sequence[TrialRecord]) -> list[Problem]:
    """Return a problem if `search.trials` leaves no room for the existing trials and those that must follow."""
    again, reasons = to_try_again(Configurations(after), records), [f"{len(records)} trials exist already"]
    here = [record for record in records if record.share == 1 or record.state is State.RUNNING]
    untried = [name for name in after.paradigms if name not in {record.paradigm for record in (*again, *here)}]
    if again:
        reasons.append(f"{len(again)} members of the front are tried again for {after.fidelity.epochs} epochs")
    if untried:
        reasons.append(f"each paradigm is tried ({', '.join(untried)})")
    least = len(records) + len(again) + len(untried)
    if after.search.trials >= least:
        return []
    return [Problem("search.trials", f"must be at least {least}: {', '.join(reasons)}", after.search.trials)]


def _too_few_for_seeds(edits: Sequence[Change], after: StudySpec, records: Sequence[TrialRecord]) -> list[Problem]:
    """Return a problem if more seeds are asked for and `search.trials` leaves no trial for them."""
    asks = any(edit.key in ("search.seeds", "search.repeat") for edit in edits)
    if not asks or after.search.trials > len(records):
        return []
    waiting = lacking(Configurations(after), records)
    least = len(records) + sum(one.seeds for one in waiting)
    why = f"{len(records)} trials exist already, and {len(waiting)} configurations lack {least - len(records)} seeds"
    return [Problem("search.trials", f"must be {least}: {why}", after.search.trials)] if waiting else []
