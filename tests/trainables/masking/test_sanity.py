"""Sanity switches: what each destroys, and what it leaves."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainables.stages import a_trial
from trainables.errors import InvalidValue
from trainables.masking import sanity
from trainables.masking.masks import prunable_weights
from trainables.methods.pruning import prune
from trainables.recipes.recipe import Prune, Remove
from trainables.runner import run_recipe
from trainables.state import LiveTrial


def counts(trial: LiveTrial) -> dict[str, int]:
    return {name: int(weight.count_nonzero()) for name, weight in prunable_weights(trial.model).items()}


def pruned(folder: Path, switch: str, model: str = "digits_cnn", **stage: object) -> LiveTrial:
    trial = a_trial(folder, model)
    prune(trial, Prune(0.1, sanity=switch, **stage))  # type: ignore[arg-type]
    return trial


def weights(trial: LiveTrial) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in prunable_weights(trial.model).values()])


@pytest.mark.parametrize("rounds", [1, 4])
@pytest.mark.parametrize("criterion", ["magnitude", "snip", "synflow", "force"])
def test_shuffling_keeps_every_layer_s_count_and_no_more(tmp_path: Path, criterion: str, rounds: int) -> None:
    plain = pruned(tmp_path, "none", criterion=criterion, rounds=rounds)
    shuffled = pruned(tmp_path, "shuffle", criterion=criterion, rounds=rounds)
    assert counts(shuffled) == counts(plain)
    initial, kept = weights(a_trial(tmp_path)), weights(shuffled)
    assert torch.equal(kept[kept != 0], initial[kept != 0])
    layer = "conv2.weight"
    in_both = int((plain.weight_masks[layer] * shuffled.weight_masks[layer]).sum())
    by_chance = counts(plain)[layer] ** 2 / plain.weight_masks[layer].numel()
    assert in_both == pytest.approx(by_chance, rel=0.25)


@pytest.mark.parametrize("switch", ["shuffle", "invert", "random"])
@pytest.mark.parametrize("granularity", ["weight", "block_4", "filter"])
def test_switches_keep_the_density(tmp_path: Path, switch: str, granularity: str) -> None:
    plain, other = (pruned(tmp_path, s, granularity=granularity, scope="layer") for s in ("none", switch))
    if granularity == "filter":
        assert [len(cut) for cut in other.plan.outputs.values()] == [len(cut) for cut in plain.plan.outputs.values()]
    else:
        assert sum(counts(other).values()) == pytest.approx(sum(counts(plain).values()), rel=0.02)
    assert not torch.equal(weights(plain), weights(other))


def test_random_masks_are_equally_dense_everywhere_under_the_global_scope(tmp_path: Path) -> None:
    plain, drawn = counts(pruned(tmp_path, "none")), counts(pruned(tmp_path, "random"))
    assert sum(drawn.values()) == sum(plain.values())
    sizes = {name: weight.numel() for name, weight in prunable_weights(a_trial(tmp_path).model).items()}
    assert drawn["conv3.weight"] / sizes["conv3.weight"] == pytest.approx(0.1, abs=0.01)
    assert drawn["conv2.weight"] / sizes["conv2.weight"] == pytest.approx(0.1, abs=0.01)
    assert plain["conv3.weight"] / sizes["conv3.weight"] != pytest.approx(0.1, abs=0.01)


def test_inverting_keeps_the_worst(tmp_path: Path) -> None:
    initial, inverted = weights(a_trial(tmp_path)), weights(pruned(tmp_path, "invert", rounds=3))
    assert initial[inverted != 0].abs().max() <= initial[inverted == 0].abs().min()


def test_switches_serve_filters_that_are_then_removed(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    run_recipe((Prune(0.5, granularity="filter", sanity="shuffle", stream=True, rounds=2), Remove()), trial)
    assert trial.measured["removal_disagreement"] < 1e-4


def test_inverting_leaves_the_dead_dead() -> None:
    scores = {"a": torch.tensor([1.0, -torch.inf, 3.0])}
    assert sanity.inverted(scores, torch.Generator())["a"].tolist() == [-1, -torch.inf, -3]


def test_an_unknown_switch_is_refused() -> None:
    with pytest.raises(InvalidValue, match="did you mean 'shuffle'"):
        sanity.find("shufle")
