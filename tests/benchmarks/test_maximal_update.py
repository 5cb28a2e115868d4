"""The maximal learning rate of a network by its definition, and how it falls with the depth."""

import pytest
import torch
from torch import nn

from benchmarks.architecture_scaling import READOUT
from benchmarks.maximal_update import Chain, change, rates, slopes
from trainables import data
from trainables.data.dataset import Dataset
from trainables.spec import DataSpec


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load(DataSpec(name="digits", validation=0.2))


def test_the_change_is_that_of_the_last_hidden_layers_sums_for_a_rate_of_one() -> None:
    """Two inputs, one hidden unit and two outputs: the gradient is written out."""
    hidden, readout = nn.Linear(2, 1, bias=False), nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        hidden.weight.copy_(torch.tensor([[1.0, 2.0]]))
        readout.weight.copy_(torch.tensor([[0.5], [-1.0]]))
    model, image = nn.Sequential(hidden, readout).double(), torch.tensor([[3.0, 1.0]], dtype=torch.float64)
    missed = torch.tensor([5 * 0.5, 5 * -1.0]) - torch.tensor([1.0, 0.0])
    gradient = 2 * (missed * torch.tensor([0.5, -1.0])).sum()  # of the squared error by the hidden sum
    expected = float(gradient * image.square().sum()) ** 2
    assert change(model, image, torch.tensor([0])) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_deeper_chains_change_more(kind: str, digits: Dataset) -> None:
    torch.manual_seed(0)
    images, labels = digits.train.images[:8].double() / 16, digits.train.labels[:8]
    shallow, deep = (change(Chain(kind, 16).network(depth, digits), images, labels) for depth in (3, 12))
    assert deep > 10 * shallow


def test_slopes_against_hidden_layers_are_told_for_few_layers_and_for_many() -> None:
    hidden = {depth: depth - READOUT for depth in (3, 6, 12, 24, 48)}
    changes = {depth: [n**4.0] if depth <= 12 else [hidden[12] * n**3.0] for depth, n in hidden.items()}
    assert slopes(rates(changes)) == pytest.approx((-2.0, -1.5))
