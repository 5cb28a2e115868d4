"""Which lines of a damaged journal are whole, and in which order they were written."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orchestrator.ledger.proof import Stated, is_proven, unproven

Log = dict[str, Any]
"""What a line says, as Optuna reads it."""

CREATE_STUDY: Final = 0
CREATE_TRIAL: Final = 4
TELL: Final = 6
SET_TRIAL_ATTRIBUTE: Final = 8


@dataclass(frozen=True)
class WholeLine:
    """A line that is as it was written: what it says, and what its proof states if it has one."""

    log: Log
    stated: Stated | None = None

    @property
    def asks(self) -> bool:
        return bool(self.log["op_code"] == CREATE_TRIAL)


def whole_lines(lines: Sequence[bytes]) -> list[WholeLine]:
    """Return the lines that are whole, in the order in which they were written, each once.

    Lines without a proof are believed before the first line with one, where they can be understood.
    """
    first = next((n for n, line in enumerate(lines) if Stated.of(line) is not None), len(lines))
    early = [WholeLine(log) for line in lines[:first] if not is_proven(line) and (log := _understood(line)) is not None]
    return early + _linked(lines[first:])


def _linked(lines: Iterable[bytes]) -> list[WholeLine]:
    """Return those of the lines with proofs that belong to one history."""
    candidates: dict[int, dict[str, WholeLine]] = defaultdict(dict)
    for line in lines:
        stated = Stated.of(line)
        if stated is not None and (log := _understood(unproven(line))) is not None:
            candidates[stated.lines].setdefault(stated.digest, WholeLine(log, stated))
    history: list[WholeLine] = []
    for number in sorted(candidates):
        following = {line.stated.before for line in candidates.get(number + 1, {}).values() if line.stated}
        choice = max(candidates[number].values(), key=lambda line: _standing(line, history, following))
        if _standing(choice, history, following) >= 0:
            history.append(choice)
    return history


def _standing(line: WholeLine, history: Sequence[WholeLine], following: set[str]) -> int:
    """Return how well a line fits: to the one before it, then to one after it; negative if neither, beside one."""
    assert line.stated is not None
    before = history[-1].stated if history else None
    if before is not None and before.lines == line.stated.lines - 1:
        return 2 if before.digest == line.stated.before else -1
    return int(line.stated.digest in following)


def _understood(line: bytes) -> Log | None:
    try:
        log = json.loads(line)
    except ValueError:
        return None
    return log if isinstance(log, dict) and isinstance(log.get("op_code"), int) else None


Blank = Callable[[int], Log]
"""Returns the line that asks a trial, for one whose own line is lost."""


def with_all_trials(lines: Iterable[WholeLine], begin: Log, blank: Blank, trials: int) -> list[Log]:
    """Return what a journal says in which no trial is missing: Optuna numbers them by the order of their lines.

    `begin` creates the study, `trials` is how many there were at the least.
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


def _asked_before(line: WholeLine, asked: int) -> int:
    """Return how many trials had been asked before a line was written, as far as it shows."""
    if line.stated is not None:
        return line.stated.trials - line.asks
    return line.log["trial_id"] + 1 if isinstance(line.log.get("trial_id"), int) else asked


def of_trial(logs: Iterable[Log]) -> Mapping[int, list[int]]:
    """Return which of the lines are about each trial, the one that asks it first."""
    places: dict[int, list[int]] = defaultdict(list)
    asked = 0
    for place, log in enumerate(logs):
        if log["op_code"] == CREATE_TRIAL:
            places[asked].append(place)
            asked += 1
        elif "trial_id" in log:
            places[log["trial_id"]].append(place)
    return places
