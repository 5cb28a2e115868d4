"""SNIP: the mask that one gradient chooses (Lee et al. 2019, arXiv 1810.02340)."""

import copy
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tests.trainables.stages import a_trial, total
from trainables import paradigms
from trainables.masking.masks import prunable_weights
from trainables.paradigms.snip import Snip
from trainables.recipes.recipe import Prune, Reinitialize, Remove, Train
from trainables.runner import run_recipe
from trainables.spec import Value


def test_the_weights_of_largest_connection_sensitivity_survive(tmp_path: Path) -> None:
    """Eq. 6: s = |g w| of the untrained network, on the batches with which training will begin."""
    trial = a_trial(tmp_path)
    state = trial.generator.get_state()
    batches = list(islice(iter(trial.batches()), 2))
    trial.generator.set_state(state)
    weights = prunable_weights(trial.model)
    network = copy.deepcopy(trial.model).train()
    loss = torch.stack([F.cross_entropy(network(images), labels) for images, labels in batches]).mean()
    slopes = torch.autograd.grad(loss, list(prunable_weights(network).values()))
    sensitivity = {name: (g * weights[name]).abs() for name, g in zip(weights, slopes, strict=True)}
    run_recipe(Snip(sparsity=0.9, batches=2).recipe(1)[:1], trial)
    kept = torch.cat([sensitivity[name][mask > 0] for name, mask in trial.weight_masks.items()])
    gone = torch.cat([sensitivity[name][mask == 0] for name, mask in trial.weight_masks.items()])
    assert len(kept) == round(0.1 * total(trial))
    assert kept.min() > gone.max() * (1 - 1e-4)


def test_more_batches_give_another_mask(tmp_path: Path) -> None:
    masks = []
    for batches in (1, 3):
        trial = a_trial(tmp_path / str(batches))
        run_recipe(Snip(sparsity=0.9, batches=batches).recipe(1)[:1], trial)
        masks.append(torch.cat([mask.flatten() for mask in trial.weight_masks.values()]))
    assert masks[0].sum() == masks[1].sum()
    assert not torch.equal(*masks)


@pytest.mark.parametrize("values", [{"reinit_after_mask": True}, {"sanity": "reinitialize"}])
def test_fresh_weights_are_drawn_once_however_they_are_asked_for(values: dict[str, Value]) -> None:
    stages = [type(stage) for stage in Snip.create({**values, "granularity": "filter"}).recipe(4)]
    assert stages == [Prune, Reinitialize, Remove, Train]


def test_both_ways_to_ask_for_fresh_weights_together_draw_them_once() -> None:
    recipe = Snip(reinit_after_mask=True, sanity="reinitialize").recipe(4)
    assert [type(stage) for stage in recipe] == [Prune, Reinitialize, Train]


def test_original_snip_draws_fresh_weights_after_the_mask() -> None:
    recipe = paradigms.find("snip").create({"reinit_after_mask": True}).recipe(4)
    assert [type(stage) for stage in recipe] == [Prune, Reinitialize, Train]
