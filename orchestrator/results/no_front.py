"""Explains why a study has no front: which bounds no trial met and which came nearest, or other reasons."""

import math
from collections.abc import Iterator, Mapping, Sequence

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results import quantities
from orchestrator.results.front import TOLD, is_disconnected
from orchestrator.spec.study_spec import Constraint, StudySpec


def why_no_front(spec: StudySpec, records: Sequence[TrialRecord]) -> str:
    """Return in one sentence why no trial is on a study's empty front; with "yet" while trials are left."""
    told = [record for record in records if record.state in TOLD]
    yet = " yet" if len(told) < spec.search.trials else ""
    reasons = "; ".join(_reasons(spec, told))
    return f"No trial is on the front{yet}{': ' if reasons else ''}{reasons}"


def _reasons(spec: StudySpec, told: Sequence[TrialRecord]) -> Iterator[str]:
    failed = [record for record in told if record.state is State.FAIL]
    stopped = sum(record.state is State.PRUNED for record in told)
    complete = [record for record in told if record.state is State.COMPLETE and record.share == 1]
    outgrown = sum(record.state is State.COMPLETE and record.share < 1 for record in told)
    if failed:
        count = f"all {len(failed)}" if len(failed) == len(told) else f"{len(failed)} of {len(told)}"
        yield f"{count} trials failed, trial {failed[0].trial} with {failed[0].reason}"
    if stopped:
        yield f"{stopped} of {len(told)} trials were stopped early"
    if outgrown:
        yield f"{outgrown} of {len(told)} trials are from before the epochs were raised"
    yield from _off_the_front(spec, complete)


def _off_the_front(spec: StudySpec, complete: Sequence[TrialRecord]) -> Iterator[str]:
    connected = [record for record in complete if not is_disconnected(record)]
    if len(connected) < len(complete):
        count = len(complete) - len(connected)
        yield f"{count} of {len(complete)} complete trials are disconnected: their outputs do not depend on the inputs"
    if connected and spec.bounds:
        yield _unmet(spec.bounds, connected)


def _unmet(bounds: Sequence[Constraint], records: Sequence[TrialRecord]) -> str:
    """Return which bounds no trial meets, or how many trials meet each, and the trial that comes nearest."""
    meeting = {bound: sum(bound.holds(_value(record, bound)) for record in records) for bound in bounds}
    never = [_text(bound) for bound, count in meeting.items() if not count]
    if never:
        explanation = f"none of {len(records)} complete trials meets {' nor '.join(never)}"
    else:
        explanation = f"no complete trial meets all constraints at once ({_counts(meeting, len(records))})"
    nearest = min(records, key=lambda record: sum(_miss(bound, record) for bound in bounds))
    shown = ", ".join(
        f"{quantities.name(bound.metric)} {quantities.show(bound.metric, _value(nearest, bound))}"
        for bound in bounds
        if not bound.holds(_value(nearest, bound))
    )
    return f"{explanation}; trial {nearest.trial} comes nearest, with {shown}"


def _counts(meeting: Mapping[Constraint, int], trials: int) -> str:
    return ", ".join(f"{_text(bound)}: {count} of {trials}" for bound, count in meeting.items())


def _miss(bound: Constraint, record: TrialRecord) -> float:
    """Return by how much a trial misses a bound, as a share of the bound; infinite where it was not measured."""
    value = _value(record, bound)
    if math.isnan(value):
        return math.inf
    return 0.0 if bound.holds(value) else bound.violation(value) / max(abs(bound.bound), 1e-12)


def _value(record: TrialRecord, bound: Constraint) -> float:
    return record.metrics.get(bound.metric, math.nan)


def _text(bound: Constraint) -> str:
    return f"{quantities.name(bound.metric)} {bound.comparison} {bound.bound:g}"
