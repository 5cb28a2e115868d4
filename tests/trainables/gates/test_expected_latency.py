"""The expected time of a network of random structure, from times of its layers."""

from itertools import product

import pytest
import torch
from torch import Tensor

from tests.trainables.gated_networks import corner, dense, ones, probabilities, removed, structures
from trainables.gates.expected_latency import ExpectedLatency, TimedLayer, distribution
from trainables.gates.objective import Balance, LatencyRegulariser
from trainables.structure.layer_times import LayerTime, LayerTimes


def random_times(name: str) -> LayerTimes:
    """Return times of a network's layers that rise by random steps with their widths."""
    generator = torch.Generator().manual_seed(0)
    found = structures(name)
    writes = {module: group.size for group in found.groups for module in group.writers}
    reads = {reader.module: group.size for group in found.groups for reader in group.readers}
    layers = {}
    for module, layer in dense(name).named_modules():
        if not list(layer.children()) and list(layer.parameters()):
            sides = [
                (1, size // 2, size) if size > 2 else (1,) for size in (reads.get(module, 1), writes.get(module, 1))
            ]
            steps = torch.rand(len(sides[0]), len(sides[1]), generator=generator, dtype=torch.float64)
            layers[module] = LayerTime(sides[0], sides[1], steps.cumsum(0).cumsum(1))
    return LayerTimes(layers, whole=1.0)


def expected(name: str) -> ExpectedLatency:
    return ExpectedLatency.of(random_times(name), dense(name), structures(name))


def regulariser(name: str, beta: float) -> LatencyRegulariser:
    costs, times = expected(name), random_times(name)
    none = torch.zeros(costs.branches, dtype=torch.float64)
    whole = LatencyRegulariser(costs, Balance(1.0, 0.5, 1.0), times.total, none).per_branch(ones(name)[0])
    return LatencyRegulariser(costs, Balance(1.0, beta, 1.0), times.total, whole)


def test_the_expectation_is_the_mean_over_all_corners() -> None:
    tables = [torch.rand(4, 3, dtype=torch.float64), torch.rand(3, 2, dtype=torch.float64)]
    layers = (TimedLayer(tables[0], 0, 1, 0), TimedLayer(tables[1], 1, 2, -1))
    costs = ExpectedLatency(layers, torch.tensor([0, 0, 0, 1, 1]), groups=2, branches=1)
    units = torch.tensor([0.5, 0.2, 0.5, 0.9, 0.5], dtype=torch.float64)
    branches = torch.tensor([0.3], dtype=torch.float64)
    theta = torch.cat([units, branches])
    mean = torch.zeros((), dtype=torch.float64)
    for chosen in product((0.0, 1.0), repeat=6):
        on = torch.tensor(chosen, dtype=torch.float64)
        time = on[5] * tables[0][int(on[:3].sum()), int(on[3:5].sum())] + tables[1][int(on[3:5].sum()), 1]
        assert float(costs(on[:5], on[5:])) == pytest.approx(float(time))
        mean += (on * theta + (1 - on) * (1 - theta)).prod() * time
    assert float(costs(units, branches)) == pytest.approx(float(mean), rel=1e-12)


@pytest.mark.parametrize("name", ["lenet", "digits_cnn", "resnet20"])
def test_at_a_corner_it_is_that_of_the_smaller_network(name: str) -> None:
    kept = corner(name, 3)
    left = removed(name, kept)
    modules = dict(left.named_modules())
    by_hand = 0.0
    costs = expected(name)
    for layer, (module, time) in zip(costs.layers, random_times(name).layers.items(), strict=True):
        if module in modules:
            read, written = (_count(name, kept[0], group) for group in (layer.read, layer.written))
            by_hand += float(time.table(time.inputs[-1], time.outputs[-1])[read, written])
    assert float(costs(kept[0].double(), kept[1].double())) == pytest.approx(by_hand)


def _count(name: str, units: Tensor, group: int) -> int:
    return 1 if group < 0 else int(units[structures(name).slices()[group]].sum())


@pytest.mark.parametrize("beta", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("name", ["digits_cnn", "resnet20"])
def test_slopes_are_differences_of_the_regulariser_and_never_negative(name: str, beta: float) -> None:
    own = regulariser(name, beta)
    theta = [part.detach() for part in probabilities(name, 1)]
    theta[0][::5] = 1.0
    slopes = own.slopes(theta[0], theta[1])
    for which, part in enumerate(theta):
        for index in range(0, len(part), max(1, len(part) // 7)):
            ends = []
            for value in (0.0, 1.0):
                changed = [each.clone() for each in theta]
                changed[which][index] = value
                ends.append(float(own(changed[0], changed[1])))
            assert float(slopes[which][index]) == pytest.approx(ends[1] - ends[0], abs=1e-10)
    assert all((slope >= 0).all() for slope in slopes)
    assert float(own(*ones(name))) == pytest.approx(1)


def test_layers_alone_have_slopes_too() -> None:
    layer = TimedLayer(torch.tensor([[0.0, 0.0], [0.0, 4.0]], dtype=torch.float64), -1, -1, 0)
    costs = ExpectedLatency((layer,), torch.zeros(0, dtype=torch.long), groups=0, branches=1)
    own = LatencyRegulariser(costs, Balance(1.0, 0.5, 1.0), 8.0, torch.zeros(1, dtype=torch.float64))
    units, branches = own.slopes(torch.zeros(0, dtype=torch.float64), torch.tensor([0.7], dtype=torch.float64))
    assert (len(units), branches.tolist()) == (0, [0.5])


@pytest.mark.parametrize("count", [0, 1, 2, 65])
def test_a_distribution_has_the_moments_of_its_variables(count: int) -> None:
    theta = torch.rand(count, dtype=torch.float64, generator=torch.Generator().manual_seed(count))
    numbers = torch.arange(count + 1, dtype=torch.float64)
    of_sum = distribution(theta)
    assert float(of_sum.sum()) == pytest.approx(1)
    assert float(of_sum @ numbers) == pytest.approx(float(theta.sum()))
    spread = float(of_sum @ numbers.square()) - float(of_sum @ numbers) ** 2
    assert spread == pytest.approx(float((theta * (1 - theta)).sum()), abs=1e-9)
