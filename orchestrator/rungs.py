"""Which unfinished trials deserve to go on: successive halving for several objectives, asynchronously.

At a rung a trial goes on if it is among the best 1/reduction of the trials that got there so far (ASHA: Li et al. 2020,
arXiv 1810.05934). Best is by non-dominated rank, and within a rank by an epsilon-net, so that what goes on is spread
over the front (Schmucker et al. 2021, arXiv 2106.12639).
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from orchestrator.front import non_dominated_ranks
from orchestrator.records import TrialRecord
from orchestrator.spec import StudySpec
from trainables import paradigms

FORETOLD: Final = {"accuracy": "accuracy", "loss": "loss", "macs": "macs_projected", "params": "params_projected"}
"""The objectives that can be judged before the end, and the field of a report that foretells each."""

Points = npt.NDArray[np.float64]


class Rungs:
    """The results of all trials at each rung, and the verdict on those that arrive there."""

    def __init__(self, spec: StudySpec, records: Iterable[TrialRecord] = ()) -> None:
        """Take up the results of earlier runs from `records`."""
        self._reduction = spec.fidelity.reduction
        judged = {FORETOLD[name]: direction for name, direction in spec.objectives.items() if name in FORETOLD}
        self._signs = {name: -1 if direction == "maximize" else 1 for name, direction in judged.items()}
        self._losses: dict[int, dict[int, list[float]]] = {epoch: {} for epoch in spec.fidelity.rungs if judged}
        for record in records:
            for report in record.curve if record.share == 1 else ():  # else the schedule was another one
                self._record(record.trial, record.paradigm, report)

    def verdict(self, trial: int, paradigm: str, report: Mapping[str, Any]) -> str | None:
        """Record a report if it is at a rung; return why its trial shall stop, or None if it goes on.

        Reports of a paradigm that is not judged at this fidelity, and values that are not finite, do not count.
        """
        if not self._record(trial, paradigm, report):
            return None
        reached = self._losses[report["epoch"]]
        kept = max(1, len(reached) // self._reduction)
        if list(reached).index(trial) in best_first(np.array(list(reached.values())))[:kept]:
            return None
        return f"not among the best {kept} of {len(reached)} at epoch {report['epoch']}"

    def _record(self, trial: int, paradigm: str, report: Mapping[str, Any]) -> bool:
        if report.get("epoch") not in self._losses or report["fidelity"] >= 1:
            return False
        if report["fidelity"] < paradigms.find(paradigm).judged_from:
            return False
        losses = [sign * report[name] for name, sign in self._signs.items()]
        if not all(map(math.isfinite, losses)):
            return False
        self._losses[report["epoch"]][trial] = losses
        return True


def best_first(losses: Points) -> list[int]:
    """Return the order of losses of shape (trials, objectives) from best to worst.

    Lower non-dominated ranks come first; within a rank, first the best by the first objective, then always the one
    farthest from all before it, distances being measured in units of each objective's range.
    """
    ranks, extent = non_dominated_ranks(losses), np.ptp(losses, axis=0)
    scaled = losses / np.where(extent > 0, extent, 1.0)
    return [int(i) for rank in range(ranks.max() + 1) for i in _farthest_first(scaled, np.flatnonzero(ranks == rank))]


def _farthest_first(points: Points, members: npt.NDArray[np.int64]) -> Iterable[np.int64]:
    left = np.full(len(members), np.inf)
    place = int(np.argmin(points[members, 0]))
    for _ in members:
        yield members[place]
        left = np.minimum(left, np.linalg.norm(points[members] - points[members[place]], axis=1))
        left[place] = -np.inf
        place = int(np.argmax(left))
