"""The decision layer's steps: each lowers what the layer minimises."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from trainables.methods.decision_layer import Decision, Stiefel, dragged, indicators, sample_weights
from trainables.methods.ridge import Moments

SAMPLES, CLASSES, RIDGE = 40, 3, 1e-2

seeds = st.integers(0, 2**32)
hundred = settings(max_examples=100)


def drawn(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw inputs, a solution to begin with, and indicators of labels that depend on the inputs."""
    generator = torch.Generator().manual_seed(seed)
    inputs, noise, solution = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((SAMPLES, 5), (SAMPLES, 3), (6, 3))
    )
    labels = (inputs[:, :3] + noise).argmax(1)
    labels[:CLASSES] = torch.arange(CLASSES)
    return inputs, solution, indicators(labels, CLASSES, inputs)


def test_labels_are_dragged_only_beyond_themselves() -> None:
    outputs, indicator = torch.tensor([[1.5, 0.25, -2.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    assert dragged(outputs, indicator).tolist() == [[1.5, 0.0, -2.0]]
    assert dragged(-outputs, indicator).tolist() == [[1.0, -0.25, 0.0]]


@given(seeds)
@hundred
def test_the_nearest_points_lie_on_the_manifold_and_none_is_nearer(seed: int) -> None:
    inputs, solution, indicator = drawn(seed)
    outputs, sizes = F.pad(inputs, (0, 1), value=1.0) @ solution, indicator.sum(0)
    nearest = Stiefel.of(outputs.T @ outputs, sizes).nearest(outputs)
    torch.testing.assert_close(nearest.T @ nearest, sizes.diag(), rtol=1e-6, atol=1e-6)
    turned, _ = torch.linalg.qr(torch.randn(SAMPLES, CLASSES, generator=torch.Generator().manual_seed(seed)).double())
    for other in (indicator, turned * sizes.sqrt()):
        torch.testing.assert_close(other.T @ other, sizes.diag(), rtol=1e-6, atol=1e-6)
        assert (outputs - nearest).square().sum() <= (outputs - other).square().sum() + 1e-9


@given(seeds, st.sampled_from([0.0, 0.3, 2.0]), st.sampled_from([0.0, 0.2, 1.0]), st.floats(0.1, 1.95))
@hundred
def test_each_solution_lowers_what_the_layer_minimises(
    seed: int, manifold: float, robust: float, relaxation: float
) -> None:
    inputs, solution, indicator = drawn(seed)
    decision, before = Decision(manifold, robust), torch.tensor(torch.inf)
    for _ in range(4):
        outputs = F.pad(inputs, (0, 1), value=1.0) @ solution
        stiefel = Stiefel.of(outputs.T @ outputs, indicator.sum(0)) if manifold else None
        loss = decision.loss(outputs, indicator, stiefel) / SAMPLES + RIDGE * solution[:-1].square().sum()
        assert loss <= before + 1e-9
        before = loss
        targets, weights = decision.quadratic(outputs, indicator, stiefel)
        least = Moments.of(inputs, targets, weights).solve(decision.price(RIDGE, stiefel))
        solution = solution + relaxation * (least - solution)


@given(seeds, st.sampled_from([0.0, 0.3, 2.0]), st.sampled_from([0.0, 0.2, 1.0]))
@hundred
def test_a_full_step_is_to_the_least_of_the_quadratic_with_its_ridge(seed: int, manifold: float, robust: float) -> None:
    inputs, solution, indicator = drawn(seed)
    decision, outputs = Decision(manifold, robust), F.pad(inputs, (0, 1), value=1.0) @ solution
    stiefel = Stiefel.of(outputs.T @ outputs, indicator.sum(0)) if manifold else None
    labels = dragged(outputs, indicator)
    own = sample_weights(outputs, labels, robust) if robust else torch.ones_like(outputs[:, 0])
    nearest = stiefel.nearest(outputs) if stiefel is not None else outputs
    moments = Moments.of(inputs, *decision.quadratic(outputs, indicator, stiefel))
    least = moments.solve(decision.price(RIDGE, stiefel)).requires_grad_()
    after = F.pad(inputs, (0, 1), value=1.0) @ least
    parts = own * (after - labels).square().sum(1) + manifold * (after - nearest).square().sum(1)
    (parts.mean() + RIDGE * least[:-1].square().sum()).backward()
    assert least.grad is not None
    torch.testing.assert_close(least.grad, torch.zeros_like(least), rtol=0, atol=1e-9)
