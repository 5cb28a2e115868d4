"""What every granularity must do."""

import itertools
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainables.stages import a_trial
from trainables import granularities
from trainables.errors import InvalidValue
from trainables.granularities.weight import Weight
from trainables.methods.pruning import masks_under, prune
from trainables.paradigms.magnitude import Magnitude
from trainables.recipes.recipe import Prune, Remove
from trainables.runner import run_recipe
from trainables.state import LiveTrial
from trainables.structure.complexity import ParameterCosts, effective

NAMES = (*granularities.names(), "block_3", "3:8")
"""Those on offer, and patterns of other sizes."""

every_granularity = pytest.mark.parametrize("name", NAMES)

shapes = st.one_of(
    st.tuples(st.integers(1, 6), st.integers(1, 9)),
    st.tuples(st.integers(1, 6), st.integers(1, 9), st.integers(1, 3), st.integers(1, 3)),
).map(torch.Size)


@given(shapes, st.sampled_from(NAMES))
def test_every_weight_is_counted_in_exactly_one_piece(shape: torch.Size, name: str) -> None:
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert granularities.find(name).sum(values).sum() == pytest.approx(values.sum())


@given(shapes, st.sampled_from(NAMES))
def test_a_piece_s_value_reaches_all_of_its_weights_and_no_others(shape: torch.Size, name: str) -> None:
    granularity = granularities.find(name)
    sizes = granularity.sum(torch.ones(shape))
    numbers = torch.arange(sizes.numel()).view(sizes.shape)
    spread = granularity.spread(numbers, shape)
    assert spread.shape == shape
    assert torch.equal(spread.flatten().bincount(minlength=sizes.numel()), sizes.flatten().long())


@every_granularity
def test_masks_foreseen_cost_what_pruning_will(tmp_path: Path, name: str) -> None:
    trial = a_trial(tmp_path, "resnet20")
    stage, before = Prune(0.5, granularity=name), trial.generator.get_state()
    foreseen = effective(trial.model, trial.dataset.input_shape, masks_under(trial, stage))
    assert not trial.masks.items()
    assert torch.equal(trial.generator.get_state(), before)
    prune(trial, stage)
    assert trial.cost() == foreseen


@every_granularity
def test_what_pruning_costs_lies_within_what_is_known_before_it(tmp_path: Path, name: str) -> None:
    trial = a_trial(tmp_path, "resnet20" if name == "layer" else "digits_cnn")
    shape, granularity = trial.dataset.input_shape, granularities.find(name)
    costs = ParameterCosts.of(trial.model, shape)
    scopes = ("global",) if name == "layer" else ("global", "layer", "erk")
    for density, scope in itertools.product((0.0, 0.37, 0.9), scopes):
        stage = Prune(granularity.density(density), granularity=name, scope=scope, criterion="random")
        known = granularity.size_range(trial, stage, costs)
        assert known is not None
        masked = effective(trial.model, shape, masks_under(trial, stage))
        assert known.least.macs <= masked.macs <= known.most.macs
        assert known.least.params <= masked.params <= known.most.params
        if scope != "global" and not name.startswith("block"):  # of which the last of a layer may be smaller
            assert known.least == known.most


@every_granularity
def test_what_is_gone_stays_gone_and_more_goes(tmp_path: Path, name: str) -> None:
    trial = a_trial(tmp_path, "resnet20")
    before = _alive(trial)
    for density in (0.75, 0.5):
        prune(trial, Prune(density, criterion="random", granularity=name))
        after = _alive(trial)
        assert not (after & ~before).any()
        assert after.sum() < before.sum()
        before = after


def _alive(trial: LiveTrial) -> torch.Tensor:
    """Whether each parameter is alive: those without a mask are."""
    masks = trial.masks.items()
    parts = (masks.get(name, torch.ones_like(p)) for name, p in trial.model.named_parameters())
    return torch.cat([part.flatten() > 0 for part in parts])


@every_granularity
def test_what_removes_leaves_a_smaller_network_and_what_does_not_a_masked_one(tmp_path: Path, name: str) -> None:
    trial = a_trial(tmp_path, "resnet20")
    whole = sum(p.numel() for p in trial.model.parameters())
    run_recipe((Prune(0.5, granularity=name), Remove()), trial)
    removed = sum(p.numel() for p in trial.model.parameters()) < whole
    assert removed is granularities.find(name).removes


@every_granularity
def test_an_equal_name_gives_an_equal_granularity(name: str) -> None:
    assert granularities.find(name) == type(granularities.find(name)).parse(name)


def test_an_unknown_granularity_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InvalidValue, match="did you mean 'filter'"):
        granularities.find("filtr")


def test_asking_what_is_removed_costs_no_torch() -> None:
    code = (
        "import sys; from trainables import granularities as g; from trainables.paradigms.magnitude import Magnitude;"
        "[(g.find(n).removes, Magnitude(granularity=n).recipe(8)) for n in g.names()]; print('torch' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


class Columns(Weight):
    """The input channels of a layer, as another package would bring them."""

    names = ("column",)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        return values.transpose(0, 1).flatten(1).sum(1)

    def spread(self, pieces: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        return pieces.view(1, -1, *[1] * (len(shape) - 2)).expand(shape)


def test_another_package_adds_one_under_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("columns", f"{__name__}:Columns", granularities.GROUP)
    monkeypatch.setattr(granularities, "entry_points", lambda group: [entry] * (group == granularities.GROUP))
    _forget()
    try:
        assert "column" in granularities.names()
        trial = a_trial(tmp_path)
        prune(trial, Prune(0.5, granularity="column"))
        mask = trial.weight_masks["conv2.weight"]
        assert torch.equal(mask, mask[:1].expand_as(mask))
        assert 0 < mask.sum() < mask.numel()
    finally:
        monkeypatch.undo()
        _forget()


def _forget() -> None:
    for cached in (granularities.names, granularities.find, granularities._kinds):
        cached.cache_clear()


def test_magnitude_offers_every_granularity() -> None:
    assert Magnitude.hyperparameters()["granularity"].choices == granularities.names()
