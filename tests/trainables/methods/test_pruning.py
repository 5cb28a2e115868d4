"""Pruning carried out on trials: exact counts at every granularity, what is dead, what returns, what is removed."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainables.stages import a_trial, copied
from trainables import granularities
from trainables.errors import InfeasibleTrial, TrainingDiverged
from trainables.masking import criteria
from trainables.masking.allocation import SCOPES
from trainables.masking.criteria import CRITERIA, RETURNING
from trainables.masking.masks import prunable_weights
from trainables.methods.pruning import masks_under, prune, scoring_for
from trainables.recipes.recipe import Prune, Remove, Train
from trainables.recipes.schedules import Gradual
from trainables.runner import run_recipe
from trainables.state import LiveTrial
from trainables.training.optimizers import optimizer_for

SHAPE = (1, 8, 8)


def alive(trial: LiveTrial) -> dict[str, Tensor]:
    return {name: weight.detach() != 0 for name, weight in prunable_weights(trial.model).items()}


def values(trial: LiveTrial) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in prunable_weights(trial.model).items()}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("granularity", ["weight", "block_4"])
@pytest.mark.parametrize("model", ["mlp", "resnet20"])
def test_as_many_pieces_stay_as_asked(tmp_path: Path, model: str, granularity: str, scope: str) -> None:
    trial = a_trial(tmp_path, model)
    prune(trial, Prune(0.1, granularity=granularity, scope=scope))
    pieces = [granularities.find(granularity).sum(mask.float()) > 0 for mask in alive(trial).values()]
    total = sum(piece.numel() for piece in pieces)
    layerwise = sum(max(1, round(0.1 * piece.numel())) for piece in pieces)
    assert sum(int(piece.sum()) for piece in pieces) == (layerwise if scope == "layer" else round(0.1 * total))


@pytest.mark.parametrize(("granularity", "kept"), [("2:4", 2), ("1:4", 1)])
def test_patterns_hold_in_every_group_whatever_the_scope_and_sparsity(
    tmp_path: Path, granularity: str, kept: int
) -> None:
    trial = a_trial(tmp_path)
    prune(trial, Prune(kept / 4, granularity=granularity, scope="erk"))
    for name in ("conv2.weight", "conv3.weight", "fc.weight"):
        groups = alive(trial)[name].movedim(1, -1).unflatten(-1, (-1, 4))
        assert (groups.sum(-1) == kept).all()


def test_patterns_thin_out_along_a_schedule(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    shares = []
    for density in (0.9, 0.6, 0.25):
        prune(trial, Prune(density, granularity="1:4"))
        shares.append(float(alive(trial)["conv3.weight"].float().mean()))
    assert shares == [1, 0.75, 0.25]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_as_many_filters_stay_as_asked_and_none_of_the_layers_is_emptied(
    tmp_path: Path, scope: str, stream: bool
) -> None:
    trial = a_trial(tmp_path, "resnet20")
    groups = [group for group in trial.groups if stream or not group.coupled]
    prune(trial, Prune(0.3, granularity="filter", scope=scope, stream=stream))
    kept = [group.size - len(trial.plan.outputs.get(group.name, ())) for group in groups]
    wanted = [max(1, round(0.3 * group.size)) for group in groups]
    assert kept == wanted if scope == "layer" else sum(kept) == round(0.3 * sum(group.size for group in groups))
    assert min(kept) >= 1


@pytest.mark.parametrize("criterion", CRITERIA)
def test_residual_blocks_are_dropped_and_physically_removed(tmp_path: Path, criterion: str) -> None:
    trial = a_trial(tmp_path, "resnet20")
    blocks = trial.blocks
    run_recipe((Prune(0.5, criterion=criterion, granularity="layer"), Remove()), trial)
    assert len(trial.dropped) == len(blocks) - round(0.5 * len(blocks))
    assert not any(name.startswith(tuple(f"{b}.conv" for b in trial.dropped)) for name in prunable_weights(trial.model))
    assert trial.measured["removal_disagreement"] < 1e-4


def test_dropped_blocks_stay_dropped_when_more_go(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    prune(trial, Prune(0.8, granularity="layer"))
    first = trial.plan.dropped_blocks
    prune(trial, Prune(0.4, criterion="random", granularity="layer"))
    assert first
    assert set(first) < set(trial.plan.dropped_blocks)


def test_the_smallest_block_goes_first(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    with torch.no_grad():
        for weight in trial.model.get_submodule("layer3.1").parameters():
            weight.mul_(1e-3)
    prune(trial, Prune(1 - 1 / len(trial.blocks), granularity="layer"))
    assert trial.plan.dropped_blocks == ("layer3.1",)


@pytest.mark.parametrize("granularity", ["weight", "block_4", "2:4", "filter"])
@pytest.mark.parametrize("criterion", sorted(CRITERIA.keys() - RETURNING))
def test_what_is_dead_stays_dead(tmp_path: Path, criterion: str, granularity: str) -> None:
    trial = a_trial(tmp_path)
    prune(trial, Prune(0.5, criterion="random", granularity=granularity))
    before = alive(trial)
    prune(trial, Prune(0.25, criterion=criterion, granularity=granularity, rounds=2))
    for name, mask in alive(trial).items():
        assert not (mask & ~before[name]).any()


def test_force_lets_weights_return_between_rounds_and_iter_snip_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for criterion, returns in (("force", True), ("snip", False)):
        trial, seen = a_trial(tmp_path), list[Tensor]()
        original = trial.mask_weights
        monkeypatch.setattr(trial, "mask_weights", lambda masks, o=original, s=seen: (s.append(_join(masks)), o(masks)))
        initial = values(trial)
        prune(trial, Prune(0.02, criterion=criterion, rounds=6))
        returned = sum(int((late > early).sum()) for early, late in pairwise(seen))
        assert (returned > 0) is returns
        assert len(seen) == 6
        assert all(torch.equal(w, initial[n] * trial.weight_masks[n]) for n, w in values(trial).items())


def _join(masks: dict[str, Tensor]) -> Tensor:
    return torch.cat([mask.flatten() for mask in masks.values()])


def test_one_round_of_force_masks_as_snip_does(tmp_path: Path) -> None:
    masks = []
    for criterion in ("force", "snip"):
        trial = a_trial(tmp_path)
        prune(trial, Prune(0.1, criterion=criterion))
        masks.append(_join(trial.weight_masks))
    assert torch.equal(*masks)


def test_rounds_score_the_network_that_the_rounds_before_left(tmp_path: Path) -> None:
    once, often = a_trial(tmp_path), a_trial(tmp_path)
    prune(once, Prune(0.05, criterion="synflow"))
    prune(often, Prune(0.05, criterion="synflow", rounds=20))
    assert _join(once.weight_masks).sum() == _join(often.weight_masks).sum()
    assert not torch.equal(_join(once.weight_masks), _join(often.weight_masks))


def test_a_network_without_residual_blocks_says_so(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleTrial, match="digits_cnn has no residual blocks"):
        prune(a_trial(tmp_path), Prune(0.5, granularity="layer"))


def test_weights_that_are_no_numbers_end_the_trial(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    with torch.no_grad():
        prunable_weights(trial.model)["fc.weight"][0, 0] = torch.nan
    with pytest.raises(TrainingDiverged, match="magnitude"):
        prune(trial, Prune(0.5))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("granularity", ["weight", "filter", "layer"])
def test_masks_hold_through_momentum_and_weight_decay(tmp_path: Path, granularity: str, optimizer: str) -> None:
    trial = a_trial(tmp_path, "resnet20", optimizer=optimizer, lr=0.01, weight_decay=0.1)
    stage = Prune(0.5, granularity=granularity, stream=True)
    run_recipe((Train(1), stage, Train(1, during=Gradual(Prune(0.3, granularity=granularity, stream=True)))), trial)
    parameters = dict(trial.model.named_parameters())
    assert trial.masks.items()
    for name, mask in trial.masks.items().items():
        assert not parameters[name][mask == 0].any()


def test_nothing_is_remembered_of_what_a_mask_takes(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    images, labels = next(iter(trial.batches()))
    torch.nn.functional.cross_entropy(trial.model(images), labels).backward()
    trial.optimizer.step()
    prune(trial, Prune(0.3))
    for name, weight in prunable_weights(trial.model).items():
        momentum = trial.optimizer.state[weight]["momentum_buffer"]
        assert not momentum[trial.weight_masks[name] == 0].any()
        assert momentum[trial.weight_masks[name] == 1].all()


def test_criteria_see_the_batches_that_training_will(tmp_path: Path) -> None:
    trial, other = a_trial(tmp_path), a_trial(tmp_path)
    prune(trial, Prune(0.3, criterion="snip", batches=2))
    assert torch.equal(next(iter(trial.batches()))[0], next(iter(other.batches()))[0])


def test_masks_do_not_depend_on_which_criterion_was_asked_before(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    for name in sorted(CRITERIA):
        criteria.find(name)
        masks_under(trial, Prune(0.5, criterion=name))
    prune(trial, Prune(0.2, criterion="taylor"))
    fresh = a_trial(tmp_path)
    prune(fresh, Prune(0.2, criterion="taylor"))
    assert torch.equal(_join(trial.weight_masks), _join(fresh.weight_masks))


def test_each_round_scores_other_batches_if_they_are_to_be_fresh(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    before = trial.generator.get_state()
    seen = {}
    for fresh in (True, False):
        stage = Prune(0.3, criterion="force", rounds=3, fresh_batches=fresh)
        for turn in (1, 2, 3):
            once, again = (scoring_for(trial, stage, {}, turn).batches()[0][0] for _ in range(2))
            assert torch.equal(once, again)
            seen[fresh, turn] = once
    assert torch.equal(seen[True, 1], seen[False, 1])
    assert torch.equal(seen[False, 1], seen[False, 3])
    assert not torch.equal(seen[True, 1], seen[True, 2])
    assert not torch.equal(seen[True, 2], seen[True, 3])
    assert torch.equal(trial.generator.get_state(), before)


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("kept", [0.5, 0.1, 0.02])
def test_weight_pruning_is_exact_at_every_scope(tmp_path: Path, scope: Any, kept: float) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Prune(kept, scope=scope),), trial)
    sizes = [weight.numel() for weight in prunable_weights(trial.model).values()]
    wanted = round(kept * sum(sizes)) if scope == "global" else sum(max(1, round(kept * size)) for size in sizes)
    assert sum(int(w.count_nonzero()) for w in prunable_weights(trial.model).values()) == wanted


def test_the_smallest_weights_of_the_network_go(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    before = copied(prunable_weights(trial.model))
    run_recipe((Prune(0.3),), trial)
    alive = torch.cat([before[name][mask.bool()].abs() for name, mask in trial.masks.items().items()])
    dead = torch.cat([before[name][~mask.bool()].abs() for name, mask in trial.masks.items().items()])
    assert alive.min() >= dead.max()
