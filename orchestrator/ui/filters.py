"""Which trials of a study a page shows: by paradigm, by what they have measured, by text."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Self

from starlette.datastructures import QueryParams

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.trial_text import trial_text
from orchestrator.results.selection import Selection
from orchestrator.ui.watched import Snapshot
from trainables.errors import InvalidValue


@dataclass(frozen=True)
class Filter:
    """What was typed and chosen above a front; empty parts let everything through.

    `where` is what `espalier front --where` takes. Each word of `text` must occur in what is said of a trial. `view` is
    the number of the view of the front that is drawn, among those of the report.
    """

    paradigms: frozenset[str] = field(default_factory=frozenset)
    where: str = ""
    text: str = ""
    view: int = 0

    @classmethod
    def of(cls, query: QueryParams) -> Self:
        """Return the filter that a page's address holds."""
        view = query.get("view", "")
        return cls(
            frozenset(query.getlist("paradigm")),
            query.get("where", "").strip(),
            query.get("text", "").strip(),
            int(view) if view.isascii() and view.isdigit() and len(view) < 3 else 0,
        )

    def apply(self, study: Snapshot) -> "Filtered":
        """Return the trials that are shown; all of them, with a sentence, where `where` cannot be understood."""
        shown = [record for record in study.records if self._holds(record)]
        if not self.where:
            return Filtered(frozenset(record.trial for record in shown))
        objectives = study.spec.objectives
        try:
            selection = Selection.read(study.records, objectives, within=None, where=[self.where], sort=None)
        except InvalidValue as error:
            return Filtered(frozenset(record.trial for record in shown), f"{error.value!r} {error.allowed}")
        return Filtered(frozenset(record.trial for record in selection.of(shown, study.records, objectives)))

    def _holds(self, record: TrialRecord) -> bool:
        if self.paradigms and record.paradigm not in self.paradigms:
            return False
        words = self.text.casefold().split()
        return not words or _contains(f"{trial_text(record)} {record.state} {record.reason or ''}".casefold(), words)


@dataclass(frozen=True)
class Filtered:
    """The numbers of the trials that are shown, and why a filter was left out, if it was."""

    trials: frozenset[int]
    trouble: str | None = None


def _contains(text: str, words: Collection[str]) -> bool:
    return all(word in text for word in words)
