"""What sparse storage would do for a masked network, and why no file holds it."""

import pytest
import torch
from torch import nn

from trainables.export.sparse import CsrLinear, gains, is_two_of_four, zeros


def masked(size: int, outputs: int) -> nn.Linear:
    """Return a layer of which a tenth of the weights is left."""
    layer = nn.Linear(size, outputs).requires_grad_(False)
    layer.weight.mul_(torch.rand_like(layer.weight) >= 0.9)
    return layer


def a_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), masked(64, 64), nn.ReLU(), masked(64, 10)).eval()


def test_a_layer_stored_by_rows_computes_the_same() -> None:
    layer, x = masked(64, 64), torch.rand(5, 64)
    assert torch.allclose(CsrLinear(layer)(x), layer(x), atol=1e-6)
    assert torch.allclose(CsrLinear(layer)(x.reshape(5, 1, 64)), layer(x).reshape(5, 1, 64), atol=1e-6)


def test_its_gain_is_measured_and_leaves_the_network_as_it_is() -> None:
    model = a_network()
    csr, halves = gains(model, (1, 8, 8))
    assert (csr.layers, csr.why) == (2, "")
    assert csr.speedup is not None
    assert halves.speedup is None
    assert all(type(layer) is nn.Linear for layer in (model[1], model[3]))


def test_without_sparse_linear_layers_there_is_nothing_to_gain() -> None:
    first = nn.Conv2d(1, 4, 3).requires_grad_(False)
    first.weight.zero_()
    convolution = nn.Sequential(first, nn.Flatten(), nn.Linear(144, 2))
    (csr, _) = gains(convolution, (1, 8, 8))
    assert (csr.layers, csr.speedup) == (0, None)
    assert "no sparse convolution" in csr.why
    assert zeros(convolution) == pytest.approx(36 / (36 + 288))


@pytest.mark.parametrize(
    ("rows", "fits"), [([[1, 0, 0, 1]], True), ([[1, 1, 0, 1]], False), ([[0, 0, 0, 0]], True), ([[1, 0, 0]], False)]
)
def test_two_of_four_is_counted_along_rows(rows: list[list[int]], fits: bool) -> None:
    assert is_two_of_four(torch.tensor(rows)) is fits


def test_torch_export_still_refuses_such_tensors() -> None:
    """As the text of the command says; once it does not, an export can hold them."""
    layer = CsrLinear(nn.Linear(8, 8).requires_grad_(False))
    with pytest.raises(Exception, match=r"[Ss]parse|mm"):
        torch.export.export(layer, (torch.rand(2, 8),), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
