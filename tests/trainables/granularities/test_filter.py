"""Filters: output channels with all that reads or normalises them, ranked relative to their group's mean."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainables.stages import a_trial
from trainables import granularities
from trainables.errors import InfeasibleTrial
from trainables.masking.masks import prunable_weights
from trainables.methods.pruning import prune
from trainables.recipes.recipe import Prune
from trainables.spec import ModelSpec
from trainables.state import LiveTrial

FILTER = granularities.find("filter")


def kept(trial: LiveTrial) -> dict[str, list[int]]:
    return {
        group.name: sorted(set(range(group.size)) - set(trial.plan.outputs.get(group.name, ())))
        for group in trial.groups
    }


def test_a_filter_s_weights_are_summed_over_inputs_and_kernel() -> None:
    """Li et al. 2017, arXiv 1608.08710: the L1 norm of a filter is the sum of its absolute weights."""
    values = torch.arange(24.0).view(2, 3, 2, 2)
    assert FILTER.sum(values).tolist() == [sum(range(12)), sum(range(12, 24))]
    assert torch.equal(FILTER.spread(torch.tensor([1.0, 2.0]), values.shape)[1], torch.full((3, 2, 2), 2.0))


def test_the_smallest_filters_of_a_layer_go(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    norms = {name: FILTER.sum(w.detach().abs()) for name, w in prunable_weights(trial.model).items()}
    prune(trial, Prune(0.25, granularity="filter", scope="layer"))
    for name, stay in kept(trial).items():
        assert stay == sorted(norms[f"{name}.weight"].topk(len(stay)).indices.tolist())


def test_the_scale_of_a_layer_does_not_matter(tmp_path: Path) -> None:
    plain, scaled = a_trial(tmp_path), a_trial(tmp_path)
    scaled.model.get_parameter("conv2.weight").data.mul_(100)
    for trial in (plain, scaled):
        prune(trial, Prune(0.4, granularity="filter"))
    assert kept(plain) == kept(scaled)


def test_every_group_keeps_its_best_filter_however_few_are_asked_for(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    prune(trial, Prune(0.001, granularity="filter"))
    assert [len(stay) for stay in kept(trial).values()] == [1] * len(trial.groups)


def test_filters_that_are_gone_stay_gone(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    prune(trial, Prune(0.5, granularity="filter", criterion="random"))
    first = kept(trial)
    prune(trial, Prune(0.25, granularity="filter", criterion="random"))
    assert all(set(stay) < set(first[name]) for name, stay in kept(trial).items() if len(first[name]) > 1)


def test_residual_streams_are_left_alone_unless_asked(tmp_path: Path) -> None:
    for stream in (False, True):
        trial = a_trial(tmp_path, "resnet20")
        prune(trial, Prune(0.5, granularity="filter", stream=stream, scope="layer"))
        coupled = {group.name for group in trial.groups if group.coupled}
        assert coupled
        assert bool(coupled & trial.plan.outputs.keys()) is stream


def test_a_network_without_a_hidden_layer_has_no_filters(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    linear = replace(trial.spec, model=ModelSpec(name="mlp", options={"widths": []}))
    with pytest.raises(InfeasibleTrial, match="mlp has no filters that could be removed; prune weights instead"):
        prune(LiveTrial(linear, trial.dataset, trial.context), Prune(0.5, granularity="filter"))


def test_a_budget_of_macs_decides_how_many_of_the_best_filters_stay(tmp_path: Path) -> None:
    by_count, by_macs = a_trial(tmp_path), a_trial(tmp_path)
    dense = by_macs.cost().macs
    prune(by_macs, Prune(1.0, granularity="filter", macs=0.4))
    assert 0.34 < by_macs.cost().macs / dense <= 0.4
    stay = sum(map(len, kept(by_macs).values()))
    prune(by_count, Prune(stay / sum(group.size for group in by_count.groups), granularity="filter"))
    assert kept(by_count) == kept(by_macs)
