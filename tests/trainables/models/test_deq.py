"""The equilibrium network: its equilibrium, its gradients, what it costs, what can be removed."""

import copy
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tests.conftest import MemoryContext
from trainables import models
from trainables.errors import InvalidValue
from trainables.models.deq import EquilibriumNetwork
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value
from trainables.structure.blocks import residual_blocks
from trainables.structure.complexity import measure
from trainables.structure.removable import removable_groups
from trainables.structure.removal import mask, plan_removal, remove
from trainables.trial import run_trial

SHAPE = (1, 8, 8)


def network(**options: int | float | str | bool) -> EquilibriumNetwork:
    torch.manual_seed(0)
    built = models.build("deq", classes=10, input_shape=SHAPE, options={"channels": 8, **options})
    assert isinstance(built, EquilibriumNetwork)
    return built


def images(count: int = 4) -> torch.Tensor:
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(1))


def test_the_state_settles() -> None:
    residuals = network().residuals(images()).mean(1)
    assert len(residuals) == 12
    assert residuals[-1] < 1e-5 < 1e-2 < residuals[0]


def test_training_and_evaluation_compute_the_same() -> None:
    model = network()
    with torch.no_grad():
        evaluated = model.eval()(images())
    assert torch.equal(model.train()(images()).detach(), evaluated)


def test_the_implicit_gradients_are_those_of_unrolling() -> None:
    model = network(iterations=40).double()
    inputs = images().double().requires_grad_()
    wanted = [inputs, *model.parameters()]
    labels = torch.tensor([1, 2, 3, 4])
    implicit = torch.autograd.grad(F.cross_entropy(model(inputs), labels), wanted)
    unrolled = torch.autograd.grad(F.cross_entropy(model.unrolled(inputs)[-1], labels), wanted)
    largest = max(float(slope.abs().max()) for slope in unrolled)
    for one, other in zip(implicit, unrolled, strict=True):
        assert float((one - other).abs().max()) <= 1e-5 * largest


def test_macs_are_those_of_the_cell_times_the_iterations() -> None:
    one, two, seven = (measure(network(iterations=count), SHAPE) for count in (2, 4, 14))
    convolution = 16 * 8 * 8 * 9  # positions, channels, channels, weights
    for cost, count in ((one, 2), (two, 4), (seven, 14)):
        assert {cost.layers[f"equilibrium.cell.conv{number}"].macs for number in (1, 2)} == {count * convolution}
    assert one.layers["stem.0"] == seven.layers["stem.0"]
    assert one.params == seven.params


def test_the_channels_inside_the_cell_can_be_removed_and_it_settles_elsewhere_as_the_masked_one() -> None:
    model = network()
    (group,) = removable_groups(model, SHAPE)
    assert (group.name, group.size) == ("equilibrium.cell.conv1", 8)
    plan = plan_removal([group], {group.name: torch.arange(8) < 3})
    masked, smaller = copy.deepcopy(model), copy.deepcopy(model)
    mask(masked, plan)
    remove(smaller, plan)
    with torch.no_grad():
        assert torch.allclose(masked(images()), smaller(images()), atol=1e-5)
    assert smaller.residuals(images())[-1].max() < 1e-5
    first, left = (measure(each, SHAPE).layers["equilibrium.cell.conv1"] for each in (model, smaller))
    assert left.macs * 8 == first.macs * 3


@pytest.mark.parametrize(
    ("paradigm", "values"),
    [
        ("magnitude", {"granularity": "weight", "schedule": "one_shot"}),
        ("magnitude", {"granularity": "filter", "schedule": "one_shot"}),
        ("rigl", {}),
    ],
)
def test_paradigms_prune_its_cell_and_what_goes_from_it_counts_in_each_iteration(
    paradigm: str, values: dict[str, Value], tmp_path: Path
) -> None:
    context = MemoryContext(tmp_path)
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=80),
        model=ModelSpec(name="deq", options={"channels": 8, "iterations": 8}),
        training=TrainingSpec(lr=0.1, batch_size=40, augment=False),
        paradigm=paradigm,
        hyperparameters={"sparsity": 0.5, **values},
        epochs=2,
    )
    run_trial(spec, context)
    metrics = context.reports[-1].metrics
    assert metrics["residual"] < 1e-3
    cell = measure(network(iterations=8), SHAPE).layers["equilibrium.cell.conv1"].macs
    saved = metrics["macs_dense"] - metrics["macs"]
    assert saved > 0.8 * cell, "a half of both convolutions, in each of the iterations"
    removed = values.get("granularity") == "filter"
    assert (metrics["macs_physical"] == metrics["macs"]) == removed


def test_its_equilibrium_is_computed_in_float32_under_autocast() -> None:
    cell, injected = network().equilibrium, images(2).expand(2, 8, 8, 8)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        cast = cell(injected.bfloat16())
    with torch.no_grad():
        assert torch.equal(cast, cell(injected.bfloat16().float()))


def test_it_can_be_traced_and_has_no_residual_blocks() -> None:
    assert residual_blocks(network()) == ()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("channels", 0, "whole number of at least 1, for deq"),
        ("stride", 1.5, "whole number of at least 1, for deq"),
        ("iterations", 1, "whole number from 2 to 1000, for deq"),
        ("iterations", True, "whole number from 2 to 1000, for deq"),
        ("tolerance", 0, "above 0, for deq"),
        ("jacobian", "strong", "0 or above, for deq"),
    ],
)
def test_options_that_make_no_network_are_refused(option: str, value: int | float | str | bool, message: str) -> None:
    with pytest.raises(InvalidValue, match=message) as refused:
        network(**{option: value})
    assert (refused.value.key, refused.value.value) == (f"options.{option}", value)
