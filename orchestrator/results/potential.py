"""How far one may prune and stay as good, for each distribution of images (Liebenwein et al. 2021, arXiv 2103.03014).

A trial's measurements under a distribution are columns of its metrics, as ``accuracy@fog_3``.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.reference import dense_reference
from trainables.corruption.kinds import KIND_NAMES, SEVERITIES
from trainables.metrics import VALIDATION, share_of_dense

DELTA: Final = 0.005
"""By how much less accurate than the dense network a pruned one may be: half a point."""

CLEAN: Final = "clean"
_ACCURACY: Final = "accuracy@"
_FILE: Final = "file_"
_NO_IMAGES: Final = ("class_", "corrupted", "deep_ensemble", VALIDATION)
"""Beginnings of columns that are parts or means of others, of ensembles, or of validation images, which select."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Potential:
    """The most that trials prune of the dense network while they stay within `delta` of it on a distribution.

    `dense` is the dense network's accuracy; `params` and `macs` are the largest shares pruned away, each 0 if no pruned
    trial stays within; `trial` is the one that prunes most parameters.
    """

    distribution: str
    dense: float
    params: float
    macs: float
    trial: int


def distributions(records: Iterable[TrialRecord]) -> list[str]:
    """Return the distributions on which trials were evaluated, the clean images first."""
    names = dict.fromkeys(name for record in records for name in record.metrics if name.startswith(_ACCURACY))
    plain = [name.removeprefix(_ACCURACY) for name in names]
    return sorted((name for name in plain if not name.startswith(_NO_IMAGES)), key=lambda name: name != CLEAN)


def trained_on(distributions: Iterable[str], kinds: Collection[str]) -> list[str]:
    """Return which of the distributions were trained on: if `kinds` of corruption were, those, and clean images."""
    seen = {CLEAN, *kinds} if kinds else set()
    return [name for name in distributions if {name, name.removeprefix(_FILE).rpartition("_")[0]} & seen]


def potentials(records: Sequence[TrialRecord], delta: float = DELTA) -> list[Potential]:
    """Return the prune potential on each distribution on which the dense network was evaluated, too."""
    reference = dense_reference(records)
    if reference is None:
        return []
    found = (_potential(records, reference, name, delta) for name in distributions(records))
    return [potential for potential in found if potential is not None]


def _potential(
    records: Sequence[TrialRecord], reference: TrialRecord, distribution: str, delta: float
) -> Potential | None:
    column = f"{_ACCURACY}{distribution}"
    dense = reference.metrics.get(column)
    if dense is None:
        return None
    least = dense - delta - 1e-12  # differences of shares are not exact
    good = [record for record in records if record.metrics.get(column, -math.inf) >= least]
    best = max(good, key=lambda record: (pruned(record, "params"), -record.trial))
    macs = max(pruned(record, "macs") for record in good)
    return Potential(distribution, dense, pruned(best, "params"), macs, best.trial)


def pruned(record: TrialRecord, cost: str) -> float:
    """Return the share of the dense network's cost that a trial has pruned away; 0 if it is not known."""
    share = share_of_dense(cost, record.metrics)
    return 0.0 if share is None else 1 - share


def corrupted_columns(metrics: Mapping[str, float]) -> dict[int, list[str]]:
    """Return the accuracies on corrupted test images among a trial's metrics, by severity."""
    by_severity = {s: [f"{_ACCURACY}{kind}_{s}" for kind in KIND_NAMES] for s in SEVERITIES}
    measured = {severity: [name for name in names if name in metrics] for severity, names in by_severity.items()}
    return {severity: names for severity, names in measured.items() if names}


def summary_columns(metrics: Mapping[str, float], dense: Mapping[str, float]) -> dict[str, float]:
    """Return a trial's mean and worst accuracy under corruption, and its excess error, for each severity.

    The excess error is by how much more a trial's error grows from clean to corrupted images than that of the `dense`
    network; both errors are means over the corruptions on which both were evaluated.
    """
    columns = {}
    for severity, names in corrupted_columns(metrics).items():
        values = [metrics[name] for name in names]
        columns[f"accuracy@corrupted_{severity}"] = sum(values) / len(values)
        columns[f"accuracy@corrupted_worst_{severity}"] = min(values)
        shared = [name for name in names if name in dense]
        if shared and {"accuracy@clean"} <= metrics.keys() & dense.keys():
            columns[f"excess_error@corrupted_{severity}"] = _lost(metrics, shared) - _lost(dense, shared)
    return columns


def _lost(metrics: Mapping[str, float], names: Sequence[str]) -> float:
    return metrics["accuracy@clean"] - sum(metrics[name] for name in names) / len(names)


@dataclass(frozen=True)
class Slope:
    """How excess error grows with the share of parameters pruned: a line through the origin, with its 95 % interval."""

    severity: int
    slope: float
    low: float
    high: float
    trials: int


def slopes(records: Sequence[TrialRecord], seed: int = 0) -> list[Slope]:
    """Return the slope for each severity on which at least two pruned trials and the dense one were evaluated."""
    columns = sorted({name for r in records for name in r.metrics if name.startswith("excess_error@corrupted_")})
    found = []
    for column in columns:
        measured = [record for record in records if column in record.metrics and pruned(record, "params") > 0]
        if len(measured) > 1:
            ratios = np.array([pruned(record, "params") for record in measured])
            errors = np.array([record.metrics[column] for record in measured])
            found.append(Slope(int(column[-1]), *slope_with_interval(ratios, errors, seed), len(measured)))
    return found


def slope_with_interval(ratios: Values, errors: Values, seed: int = 0, draws: int = 2000) -> tuple[float, float, float]:
    """Return the slope of errors over ratios (N,) through the origin, and the 95 % percentile bootstrap of it.

    Pairs are drawn with replacement from a generator of the seed.
    """
    rows = np.random.default_rng(seed).integers(len(ratios), size=(draws, len(ratios)))
    drawn = _through_origin(ratios[rows], errors[rows])
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(_through_origin(ratios, errors)), float(low), float(high)


def _through_origin(ratios: Values, errors: Values) -> Values:
    slope: Values = (ratios * errors).sum(-1) / np.maximum((ratios * ratios).sum(-1), 1e-12)
    return slope


@dataclass(frozen=True)
class Forgotten:
    """A class, and by how much less of its clean test images a pruned network recognises than the dense one."""

    number: int
    dense: float
    accuracy: float

    @property
    def drop(self) -> float:
        """Return the drop as a share."""
        return self.dense - self.accuracy


def forgotten(metrics: Mapping[str, float], dense: Mapping[str, float], most: int = 3) -> list[Forgotten]:
    """Return the classes that pruning has hurt most, at most so many, the worst first."""
    start = f"{_ACCURACY}class_"
    classes = [name for name in metrics if name.startswith(start) and name in dense]
    compared = [Forgotten(int(name.removeprefix(start)), dense[name], metrics[name]) for name in classes]
    hurt = sorted((one for one in compared if one.drop > 0), key=lambda one: (-one.drop, one.number))
    return hurt[:most]


def masked_gradients(metrics: Mapping[str, float], tolerance: float = 0.01) -> list[str]:
    """Return the radii at which a trial only seems robust, because its slopes lead nowhere.

    That is where five times as many steps of PGD, or images made for the dense network, or a single step, fool it by
    more than `tolerance` more often than PGD with 20 steps (Carlini et al. 2019, arXiv 1902.06705).
    """
    start = f"{_ACCURACY}pgd20_"
    radii = [name.removeprefix(start) for name in metrics if name.startswith(start)]
    others = ("pgd100", "transfer", "fgsm", "unrolled", "intermediate")
    stronger = {r: [metrics.get(f"{_ACCURACY}{attack}_{r}", 1.0) for attack in others] for r in radii}
    return [radius for radius in radii if min(stronger[radius]) < metrics[f"{start}{radius}"] - tolerance]
