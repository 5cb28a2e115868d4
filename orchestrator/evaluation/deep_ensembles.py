"""Ensembles of the trained networks of a study, for the same MACs as one of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from trainables.data.dataset import Dataset
from trainables.evaluation.ensemble import probabilities
from trainables.evaluation.scores import scores_of_mean


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network's MACs, and its probabilities of validation and test images, float64 [N, classes] on the CPU."""

    macs: float
    validation: Tensor
    test: Tensor


@dataclass(frozen=True)
class Ensemble:
    """The trials of which the probabilities are averaged, and what is measured of them on test images."""

    members: tuple[int, ...]
    columns: Mapping[str, float]


def candidate(macs: float, model: nn.Module, data: Dataset) -> Candidate:
    """Return what a network in evaluation mode says to the images of a data set."""
    given = (probabilities(model, data, split).cpu() for split in (data.validation, data.test))
    return Candidate(macs, *given)


def ensemble_within(macs: float, candidates: Mapping[int, Candidate], data: Dataset, name: str) -> Ensemble:
    """Return the ensemble for at most so many MACs, its columns called by a name.

    Where no two networks fit, it has no members and no columns.
    """
    members = chosen(macs, candidates, data.validation.labels.cpu())
    if not members:
        return Ensemble((), {})
    mean = torch.stack([candidates[trial].test for trial in members]).mean(0)
    measured = scores_of_mean(mean, data.test.labels.cpu())
    costs = {"macs": sum(candidates[trial].macs for trial in members), "members": float(len(members))}
    return Ensemble(members, {f"{metric}@{name}": value for metric, value in {**measured, **costs}.items()})


def chosen(macs: float, candidates: Mapping[int, Candidate], labels: Tensor) -> tuple[int, ...]:
    """Return the members for at most so many MACs, chosen on validation images with these labels; at least two.

    The network of the least negative log-likelihood beside which another one fits comes first. Then the one that lowers
    that of the averaged probabilities most is added, the second in any case, as long as one fits and lowers it
    (greedy selection without replacement: Caruana et al. 2004, https://doi.org/10.1145/1015330.1015432).
    """
    members: list[int] = []
    reached = torch.inf
    while fitting := _fitting(macs, members, candidates):
        losses = {trial: _loss([*members, trial], candidates, labels) for trial in fitting}
        best = min(losses, key=lambda trial: (losses[trial], trial))
        if len(members) > 1 and losses[best] >= reached:
            break
        members.append(best)
        reached = losses[best]
    return tuple(members)


def _fitting(macs: float, members: list[int], candidates: Mapping[int, Candidate]) -> list[int]:
    """Return the trials that fit beside the members; the first member leaves room for a second one."""
    others = [trial for trial in sorted(candidates) if trial not in members]
    room = macs - sum(candidates[trial].macs for trial in members)
    if members:
        return [trial for trial in others if candidates[trial].macs <= room]
    cheapest = {
        trial: min((candidates[one].macs for one in others if one != trial), default=torch.inf) for trial in others
    }
    return [trial for trial in others if candidates[trial].macs + cheapest[trial] <= room]


def _loss(members: list[int], candidates: Mapping[int, Candidate], labels: Tensor) -> float:
    mean = torch.stack([candidates[trial].validation for trial in members]).mean(0)
    return float(-mean.gather(1, labels[:, None]).clamp(min=1e-300).log().mean())
