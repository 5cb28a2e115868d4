"""Channel search: how qualities become widths, and what a round leaves to the next one."""

import math
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.trainables.networks import SHAPES, build
from tests.trainables.stages import a_trial
from trainables.errors import InfeasibleTrial, TrainingDiverged
from trainables.methods.attach import attach
from trainables.methods.channel_search import (
    ChannelSearch,
    Steps,
    annealed,
    largest,
    qualities,
    rank_slope,
    rescaled,
)
from trainables.recipes.widths import FlipSigns, FollowRanks, SearchesWidths
from trainables.state import LiveTrial
from trainables.structure.channels import find_groups
from trainables.structure.low_rank import Quality, quality
from trainables.structure.widths import Limits, widths_of

LIMITS = Limits(16, 256)
FOLLOW = FollowRanks(0, 2, narrowest=16, widest=256, temperature=0.0)
FLIP = FlipSigns(0, 2, narrowest=16, widest=256)


def test_a_width_changes_by_at_most_a_factor_of_two_to_an_even_number_within_the_limits() -> None:
    assert rescaled(40, 0.13, LIMITS) == 46
    assert rescaled(40, 3.0, LIMITS) == 80
    assert rescaled(40, -0.9, LIMITS) == 20
    assert rescaled(20, -0.9, LIMITS) == 16
    assert rescaled(200, 1.0, LIMITS) == 256


def test_annealing_only_raises_and_never_a_width_whose_quality_stays() -> None:
    probability = math.exp(-1 / (0.5 * 4))
    assert annealed(-0.5, 4.0, draw=probability - 0.01) == pytest.approx(-0.5 + probability)
    assert annealed(-0.5, 4.0, draw=probability + 0.01) == -0.5
    assert annealed(0.0, 4.0, draw=0.0) == 0.0
    assert annealed(0.5, 0.0, draw=0.0) == 0.5


def test_a_turn_halves_the_step_and_a_turn_of_a_small_step_is_the_last() -> None:
    assert Steps(1, 0.2).turned(1) == Steps(1, 0.2)
    assert Steps(1, 0.2).turned(-1) == Steps(-1, 0.1)
    assert Steps(-1, 0.009).turned(1) == Steps(0, 0.0045)
    assert Steps(0, 0.0045).turned(-1) == Steps(0, 0.0045)


def test_a_rank_s_slope_leads_to_its_maximum() -> None:
    assert rank_slope([0.1, 0.3, 0.2]) == pytest.approx(0.2 / 1.0001)
    assert rank_slope([0.3, 0.1]) == 0


def test_a_quality_is_the_mean_over_sides_of_the_best_epoch_of_each() -> None:
    low, high, other = Quality(0.2, 2.0), Quality(0.6, 2.0), Quality(0.4, 4.0)
    assert largest([[low, other], [high, low]]) == pytest.approx((high.angle + max(other.angle, low.angle)) / 2)


def test_the_inputs_of_a_flattened_layer_are_channels_not_pixels() -> None:
    model = build("lenet")
    group = next(group for group in find_groups(model, SHAPES["lenet"]) if group.name == "conv2")
    written, read = qualities(group, dict(model.named_modules()))
    assert written == quality(model.get_parameter("conv2.weight"), "outputs")
    assert read == quality(model.get_parameter("fc1.weight").view(500, 50, -1), "inputs")


def ended(trial: LiveTrial, rule: SearchesWidths) -> dict[str, int]:
    """Carry out a round at whose end the rows of all weights are orthogonal; return the next widths."""
    companion = attach(rule, trial, 3)
    assert isinstance(companion, ChannelSearch)
    companion.after_epoch()
    with torch.no_grad():
        for module in trial.model.modules():
            if isinstance(module, nn.Conv2d):
                module.weight.copy_(nn.init.orthogonal_(torch.empty(module.weight.shape)))
    companion.after_epoch()
    companion.finish()
    return widths_of(trial.groups)


def test_the_first_round_widens_all_and_the_next_follows_the_change_of_momentum(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    assert ended(trial, FOLLOW) == {"conv1": 48, "conv2": 48, "conv3": 80}
    first = {name: trial.measured[f"quality.{name}"] for name in widths_of(trial.groups)}
    widths = ended(trial, FollowRanks(1, 2, narrowest=16, widest=90, temperature=0.0))
    for name, before in {"conv1": 48, "conv2": 48, "conv3": 80}.items():
        change = trial.measured[f"quality.{name}"] - first[name]
        assert trial.measured[f"quality.{name}"] > 0.8 * first[name]
        assert widths[name] == rescaled(before, change, Limits(16, 90)) == trial.measured[f"width.{name}"]


def test_the_last_widths_are_scaled_to_the_budget(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    dense = trial.cost().macs
    ended(trial, FollowRanks(1, 2, narrowest=16, widest=256, macs=0.1))
    assert 0.97 * 0.1 * dense <= trial.cost().macs <= 0.1 * dense


def test_a_budget_out_of_reach_is_refused_before_the_search(tmp_path: Path) -> None:
    rule = FollowRanks(0, 2, narrowest=16, widest=256, macs=1e-6)
    with pytest.raises(InfeasibleTrial, match=r"the widths cannot be scaled to .* MACs: the network costs"):
        attach(rule, a_trial(tmp_path), 3)


def test_a_budget_above_the_widest_network_is_refused_before_the_search(tmp_path: Path) -> None:
    rule = FollowRanks(0, 2, narrowest=16, widest=24, macs=1.0)
    with pytest.raises(InfeasibleTrial, match=r"the network costs .* with 24 channels everywhere; raise widest"):
        attach(rule, a_trial(tmp_path), 3)


def test_widths_move_by_signs_and_remember_their_steps(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    widths = ended(trial, FLIP)
    for name, before in {"conv1": 32, "conv2": 32, "conv3": 64}.items():
        direction = trial.measured[f"direction.{name}"]
        assert direction == (1 if trial.measured[f"rank_slope.{name}"] >= FLIP.slope else -1)
        assert widths[name] == 2 * round(before * (1 + 0.2 * direction) / 2)
        assert trial.measured[f"step.{name}"] == 0.2
    ended(trial, FLIP)
    assert all(trial.measured[f"step.{name}"] in (0.2, 0.1) for name in widths)


def test_weights_that_are_no_numbers_end_the_trial(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    companion = attach(FOLLOW, trial, 3)
    with torch.no_grad():
        trial.model.get_parameter("conv2.weight")[0] = math.nan
    with pytest.raises(TrainingDiverged, match="weights are no longer numbers in epoch 1"):
        companion.after_epoch()
