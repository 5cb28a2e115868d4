"""A trial that continues with other widths, and the checkpoint that brings it back."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.conftest import MemoryContext
from tests.trainables.stages import a_trial
from trainables import checkpoint
from trainables.data import facts
from trainables.errors import InfeasibleTrial
from trainables.methods.rehearsal import demands, rehearse, shapes_of
from trainables.methods.widths import remember, remembered, scale_widths, set_equal_widths, set_widths
from trainables.paradigms.channel_search import ChannelSearch
from trainables.paradigms.network_adjustment import NetworkAdjustment
from trainables.paradigms.width_search import WidthSearch
from trainables.recipes.recipe import Reinitialize, SetWidths
from trainables.runner import run_recipe
from trainables.spec import ModelSpec
from trainables.state import LiveTrial
from trainables.structure.widths import widths_of

WIDER = {"conv1": 40, "conv2": 20, "conv3": 90}


def test_a_trial_has_the_widths_that_it_measures(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    set_widths(trial, WIDER)
    assert widths_of(trial.groups) == WIDER == {name: trial.measured[f"width.{name}"] for name in WIDER}
    set_equal_widths(trial, 12)
    assert widths_of(trial.groups) == dict.fromkeys(WIDER, 12)
    scale_widths(trial, 1.5)
    assert widths_of(trial.groups) == dict.fromkeys(WIDER, 18)
    scale_widths(trial, 0.01)
    assert widths_of(trial.groups) == dict.fromkeys(WIDER, 1)


def test_a_checkpoint_brings_back_a_network_that_has_grown(tmp_path: Path) -> None:
    trial = a_trial(tmp_path / "trial")
    set_widths(trial, WIDER)
    checkpoint.save(trial, tmp_path)
    restored = LiveTrial(trial.spec, trial.dataset, MemoryContext(tmp_path / "again"))
    checkpoint.restore(restored, tmp_path)
    expected = trial.model.state_dict()
    assert all(torch.equal(expected[name], value) for name, value in restored.model.state_dict().items())
    signature = checkpoint.signature(tmp_path)
    assert signature is not None
    loaded = checkpoint.load_network(tmp_path, trial.spec.model, signature).state_dict()
    assert all(torch.equal(expected[name], value) for name, value in loaded.items())


def test_fresh_weights_are_drawn_for_the_widths_of_the_moment_and_the_same_again(tmp_path: Path) -> None:
    drawn = []
    for folder in ("one", "other"):
        trial = a_trial(tmp_path / folder)
        run_recipe((SetWidths(24), Reinitialize()), trial)
        drawn.append(trial.model.get_parameter("conv2.weight"))
    assert drawn[0].shape == (24, 24, 3, 3)
    assert torch.equal(*drawn)
    assert len(drawn[0].flatten(1).unique(dim=0)) == 24


def test_fresh_weights_of_other_widths_are_scaled_as_the_architecture_asks(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, scaling="architecture_aware")
    run_recipe((SetWidths(16), Reinitialize()), trial)
    readout, layer = (trial.model.get_parameter(f"{name}.weight").detach() for name in ("fc", "conv3"))
    assert float(readout.std()) == pytest.approx(2 / 16, rel=0.25)
    assert float(layer.std()) == pytest.approx((2 / (16 * 9)) ** 0.5, rel=0.1)


def test_numbers_of_groups_are_metrics_that_a_later_round_finds(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    assert remembered(trial, "fur.", WIDER) == {}
    remember(trial, "fur.", {"conv1": 2})
    assert remembered(trial, "fur.", WIDER) == {"conv1": 2.0}
    assert trial.measured["fur.conv1"] == 2.0


@pytest.mark.parametrize("paradigm", [ChannelSearch(), NetworkAdjustment(), WidthSearch()])
def test_a_network_that_cannot_be_searched_is_refused_before_the_start(
    paradigm: ChannelSearch | NetworkAdjustment | WidthSearch, tmp_path: Path
) -> None:
    spec = a_trial(tmp_path).spec
    recipe = paradigm.recipe(9)
    assert demands(recipe) == {("widths", isinstance(paradigm, WidthSearch))}
    rehearse(recipe, shapes_of(spec, facts(spec.data)))
    attention = replace(spec, model=ModelSpec(name="vit", options={"patch": 2}))
    with pytest.raises(InfeasibleTrial, match="the widths of vit cannot be searched"):
        rehearse(recipe, shapes_of(attention, facts(spec.data)))
