"""What a recipe prunes to stays a share of the dense network where a trial starts from a smaller one."""

from typing import Any

import pytest

from tests.conftest import MemoryContext
from tests.trainables.smaller import halved, written
from tests.trainables.stages import total
from trainables import data
from trainables.errors import InvalidValue, ShareTooSmall
from trainables.methods.smaller_start import SharesOfDense
from trainables.recipes.gating import Gating
from trainables.recipes.in_training import ControlGates, GateByImage, GrowPenalty, Polarize, Select, ShrinkGroups, Unify
from trainables.recipes.recipe import InTraining, Prune, Recipe, Remove, Train
from trainables.recipes.schedules import Gradual
from trainables.spec import DataSpec, ModelSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import measure

PRUNE = Prune(0.1)
KINDS: tuple[InTraining, ...] = (
    ControlGates(Prune(1.0, granularity="filter", macs=0.1)),
    GateByImage(target_macs=0.1),
    Gating(epochs=2, target_macs=0.1),
    Gradual(PRUNE),
    GrowPenalty(PRUNE),
    Polarize(Prune(1.0, granularity="filter", macs=0.1)),
    Select(0.1),
    ShrinkGroups(PRUNE),
    Unify(Prune(0.1, granularity="block_4")),
)


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> LiveTrial:
    """Start from the network of a file with half of its filters."""
    folder = tmp_path_factory.mktemp("start")
    model = ModelSpec(name="digits_cnn", weights=str(written(halved(folder, "digits_cnn"), folder)))
    spec = TrialSpec(data=DataSpec(name="digits", subset=100), model=model, paradigm="dense", epochs=1)
    return LiveTrial(spec, data.load(spec.data), MemoryContext(folder))


def test_a_density_is_raised_by_what_is_gone(trial: LiveTrial) -> None:
    (stage,) = SharesOfDense(trial).recipe((PRUNE,))
    assert isinstance(stage, Prune)
    assert stage.density * total(trial) == pytest.approx(0.1 * total(trial.dense()))
    (filters, _) = SharesOfDense(trial).recipe((Prune(0.2, granularity="filter"), Remove()))
    assert isinstance(filters, Prune)
    assert filters.density == pytest.approx(0.4)


def test_a_budget_is_raised_by_what_is_gone(trial: LiveTrial) -> None:
    (stage,) = SharesOfDense(trial).recipe((Train(2, during=Gating(epochs=2, target_macs=0.1)),))
    shape = trial.dataset.input_shape
    assert isinstance(stage, Train)
    assert isinstance(stage.during, Gating)
    here, dense = measure(trial.model, shape).macs, measure(trial.dense().model, shape).macs
    assert stage.during.target_macs * here == pytest.approx(0.1 * dense)
    assert stage.during.target_params == 0


def test_a_budget_of_latency_needs_the_dense_network(trial: LiveTrial) -> None:
    recipe = (Train(2, during=Gating(epochs=2, target_latency=0.5)),)
    with pytest.raises(InvalidValue, match=r"target_latency = 0\.5: needs a network that starts dense"):
        SharesOfDense(trial).recipe(recipe)
    assert SharesOfDense(trial.dense()).recipe(recipe) is recipe


def test_what_is_met_already_prunes_nothing_and_patterns_stay(trial: LiveTrial) -> None:
    recipe: Recipe = (Prune(0.9), Prune(1.0, granularity="filter", macs=0.9), Prune(0.5, granularity="2:4"))
    met, budget, pattern = SharesOfDense(trial).recipe(recipe)
    assert isinstance(met, Prune)
    assert isinstance(budget, Prune)
    assert (met.density, budget.macs, pattern) == (1.0, 1.0, recipe[2])


def test_a_dense_start_changes_no_recipe(trial: LiveTrial) -> None:
    recipe: Recipe = (Train(2, during=Gradual(PRUNE)), PRUNE)
    assert SharesOfDense(trial.dense()).recipe(recipe) is recipe


def test_a_share_that_is_too_small_is_told_as_it_was_asked_for(trial: LiveTrial) -> None:
    shape, dense = trial.dataset.input_shape, trial.dense()
    start = measure(trial.model, shape).macs / measure(dense.model, shape).macs
    told = (
        rf"target_macs = 0.001: {0.02 * start:.4f} of .*, of which this one starts with {start:.4f}; ask for a larger"
    )
    with pytest.raises(ShareTooSmall, match=told), SharesOfDense(trial).in_errors():
        raise ShareTooSmall("target_macs", 0.001 / start, 0.02, "of the MACs are left")
    told = r"target_macs = 0\.001: 0\.0200 of the MACs are left; ask"
    with pytest.raises(ShareTooSmall, match=told), SharesOfDense(dense).in_errors():
        raise ShareTooSmall("target_macs", 0.001, 0.02, "of the MACs are left")


@pytest.mark.parametrize("during", KINDS, ids=lambda during: type(during).__name__)
def test_everything_in_training_that_has_a_target_is_counted_from_the_dense_network(
    trial: LiveTrial, during: Any
) -> None:
    (stage,) = SharesOfDense(trial).recipe((Train(4, during=during),))
    assert isinstance(stage, Train)
    assert stage.during != during
    assert type(stage.during) is type(during)


def test_no_kind_with_a_target_is_missing_here() -> None:
    targets = {"final", "density", "target_macs"}
    own = [kind for kind in InTraining.__subclasses__() if kind.__module__.startswith("trainables.recipes")]
    aiming = [kind for kind in own if targets & vars(kind)["__dataclass_fields__"].keys()]
    assert set(aiming) == {type(kind) for kind in KINDS}
