"""The steps that are still to be written to MLflow, in order."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from orchestrator.tracking.steps import ORDER, Answer, Begin, End, KeepOnly, Show, ShowFront, Step, Tell

BATCH: Final = 512
"""The most steps that the writer gets at a time; it answers once it has done as many as it can in a moment."""

NAMES: Final[Mapping[type[Step], str]] = {
    Begin: "the study's own run",
    KeepOnly: "the deletion of outdated runs",
    Show: "the running trials",
    ShowFront: "the front",
    End: "the study's end",
}


class Backlog:
    """The steps that MLflow has not confirmed. A newer step on the same subject replaces the older one."""

    def __init__(self) -> None:
        self._steps: dict[type[Step], dict[object, Step]] = {kind: {} for kind in ORDER}
        self._failures: Counter[object] = Counter()
        self._told_since: set[int] = set()
        """The trials that finished after a rebuild was requested: it keeps them as well."""

    def __len__(self) -> int:
        return sum(map(len, self._steps.values()))

    @property
    def trials(self) -> int:
        """How many trials wait."""
        return len(self._steps[Tell])

    @property
    def other_things(self) -> list[str]:
        """The names of the steps that wait, except trials."""
        return [name for kind, name in NAMES.items() if self._steps[kind]]

    def add(self, step: Step) -> None:
        """Add a step."""
        self._steps[type(step)][_subject(step)] = step
        if isinstance(step, Tell):
            self._told_since.add(step.record.trial)
            self._steps[Show].pop(("unfinished", step.record.trial), None)
        elif isinstance(step, KeepOnly):
            self._told_since.clear()
        elif isinstance(step, End):
            self._steps[Show].clear()  # one that failed would be tried again after the end, and its run stay RUNNING

    def first(self) -> list[Step]:
        """Return the steps to take next: trials before steps that need their runs, failed steps after all others."""
        batch = list(islice((step for step in self._in_order() if not self._has_failed(step)), BATCH))
        if len(batch) == BATCH or not self._failures:
            return batch
        failed = sorted(filter(self._has_failed, self._in_order()), key=lambda step: self._failures[_subject(step)])
        return (batch + failed)[:BATCH]

    def settle(self, batch: Sequence[Step], answer: Answer) -> None:
        """Remove the steps that are done, unless they were replaced meanwhile; move the one that failed to the end."""
        for step in batch[: answer.done]:
            if self._steps[type(step)].get(_subject(step)) is step:
                del self._steps[type(step)][_subject(step)]
        self._failures.update(_subject(step) for step in batch[answer.done :][:1] if answer.trouble)

    def _in_order(self) -> Iterator[Step]:
        for kind in ORDER:
            if kind is KeepOnly:
                self._spare_new_trials()
            yield from self._steps[kind].values()

    def _spare_new_trials(self) -> None:
        for subject, rebuild in self._steps[KeepOnly].items():
            if isinstance(rebuild, KeepOnly) and self._told_since - rebuild.trials:
                self._steps[KeepOnly][subject] = replace(rebuild, trials=rebuild.trials | self._told_since)

    def _has_failed(self, step: Step) -> bool:
        return self._failures[_subject(step)] > 0


def _subject(step: Step) -> object:
    match step:
        case Tell(record):
            return record.trial
        case Show(record):
            return ("unfinished", record.trial)
    return type(step)
