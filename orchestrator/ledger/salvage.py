"""Find the intact lines of a damaged journal and their original order."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.ledger.proof import Stated, is_proven, unproven

Log = dict[str, Any]
"""The content of a line, as Optuna reads it."""

CREATE_STUDY: Final = 0
CREATE_TRIAL: Final = 4
TELL: Final = 6
SET_TRIAL_ATTRIBUTE: Final = 8


@dataclass(frozen=True)
class IntactLine:
    """A line that is as it was written: its content, and what its proof states if it has one."""

    log: Log
    stated: Stated | None = None

    @property
    def asks(self) -> bool:
        """Whether the line creates a trial."""
        return bool(self.log["op_code"] == CREATE_TRIAL)


def intact_lines(lines: Sequence[bytes]) -> list[IntactLine]:
    """Return the intact lines, each once, in the order in which they were written.

    Lines without a proof are trusted only before the first line with one, and only if they can be parsed.
    """
    first = next((n for n, line in enumerate(lines) if Stated.of(line) is not None), len(lines))
    early = [IntactLine(log) for line in lines[:first] if not is_proven(line) and (log := _parsed(line)) is not None]
    return early + _linked(lines[first:])


def _linked(lines: Iterable[bytes]) -> list[IntactLine]:
    """Return the lines with proofs that belong to one history."""
    candidates: dict[int, dict[str, IntactLine]] = defaultdict(dict)
    for line in lines:
        stated = Stated.of(line)
        if stated is not None and (log := _parsed(unproven(line))) is not None:
            candidates[stated.lines].setdefault(stated.digest, IntactLine(log, stated))
    followers = _followers(line.stated for by_digest in candidates.values() for line in by_digest.values())
    history: list[IntactLine] = []
    for number in sorted(candidates):
        fitting = [digest for digest, line in candidates[number].items() if _may_follow(line, history)]
        if fitting:
            best = max(fitting, key=lambda digest: followers.get((number, digest), 0))
            history.append(candidates[number][best])
    return history


def _followers(proofs: Iterable[Stated | None]) -> dict[tuple[int, str], int]:
    """Return how many lines follow a line without a gap in the longest continuation, by its number and digest."""
    followers: dict[tuple[int, str], int] = {}
    for stated in sorted(filter(None, proofs), key=lambda stated: stated.lines, reverse=True):
        before = (stated.lines - 1, stated.before)
        count = 1 + followers.get((stated.lines, stated.digest), 0)
        followers[before] = max(count, followers.get(before, 0))
    return followers


def _may_follow(line: IntactLine, history: Sequence[IntactLine]) -> bool:
    """Return whether a line follows the last one of the history, or those between them are lost."""
    assert line.stated is not None
    before = history[-1].stated if history else None
    return before is None or before.lines < line.stated.lines - 1 or before.digest == line.stated.before


def _parsed(line: bytes) -> Log | None:
    try:
        log = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return log if isinstance(log, dict) and isinstance(log.get("op_code"), int) else None


Blank = Callable[[int], Log]
"""Returns a line that creates the trial of a given number, in place of a lost one."""


def with_all_trials(lines: Iterable[IntactLine], begin: Log, blank: Blank, trials: int) -> list[Log]:
    """Return the contents of a journal with blanks for lost trials, because Optuna numbers trials by their lines.

    `begin` creates the study if its own line is lost; there were at least `trials` trials.
    """
    logs, asked = [begin], 0
    for line in lines:
        if line.log["op_code"] == CREATE_STUDY:
            logs[0] = line.log
            continue
        for number in range(asked, _asked_before(line, asked)):
            logs.append(blank(number))
            asked = number + 1
        logs.append(line.log)
        asked += line.asks
    return [*logs, *map(blank, range(asked, trials))]


def _asked_before(line: IntactLine, asked: int) -> int:
    """Return how many trials had been asked before a line was written, as far as the line shows."""
    if line.stated is not None:
        return line.stated.trials - line.asks
    return line.log["trial_id"] + 1 if isinstance(line.log.get("trial_id"), int) else asked


def lines_by_trial(logs: Iterable[Log]) -> Mapping[int, list[int]]:
    """Return the indices of the lines about each trial, beginning with the one that creates it."""
    by_trial: dict[int, list[int]] = defaultdict(list)
    asked = 0
    for index, log in enumerate(logs):
        if log["op_code"] == CREATE_TRIAL:
            by_trial[asked].append(index)
            asked += 1
        elif isinstance(log.get("trial_id"), int):
            by_trial[log["trial_id"]].append(index)
    return by_trial
