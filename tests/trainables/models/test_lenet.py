"""LeNet-5 as the pruning literature has it (Han et al. 2015, arXiv 1506.02626)."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.errors import InvalidValue
from trainables.models.lenet import build


def test_layers_have_the_sizes_of_the_literature_on_mnist() -> None:
    weights = {name: tuple(p.shape) for name, p in build(10, (1, 28, 28)).named_parameters() if p.ndim > 1}
    assert weights == {
        "conv1.weight": (20, 1, 5, 5),
        "conv2.weight": (50, 20, 5, 5),
        "fc1.weight": (500, 800),
        "fc2.weight": (10, 500),
    }


def test_the_classical_network_has_the_parameters_that_are_known_of_it() -> None:
    model = build(10, (1, 28, 28), [6, 16, 120, 84], padding=2)
    assert [name for name, _ in model.named_children()][-5:] == ["fc1", "relu", "fc2", "relu2", "fc3"]
    assert sum(p.numel() for p in model.parameters()) == 61_706
    with torch.device("meta"):
        assert build(10, (1, 28, 28), [6, 16, 120, 84], 2)(torch.empty(2, 1, 28, 28)).shape == (2, 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": [6, 16]}, r"options.widths = \[6, 16\]: must be two numbers of filters, then of units"),
        ({"padding": 3}, r"options.padding = 3: must be 0, 1 or 2"),
        ({"padding": True}, r"options.padding = True: must be 0, 1 or 2"),
    ],
)
def test_shapes_that_are_no_lenet_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        build(10, (1, 28, 28), **options)


@given(st.integers(16, 40), st.integers(16, 40))
def test_the_first_linear_layer_fits_what_convolutions_leave_of_any_image(height: int, width: int) -> None:
    with torch.device("meta"):
        assert build(3, (2, height, width))(torch.empty(2, 2, height, width)).shape == (2, 3)


@pytest.mark.parametrize("shape", [(1, 15, 28), (1, 28, 8)])
def test_images_of_which_nothing_is_left_are_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidValue, match=f"at least 16x16 pixels, and these have {shape[1]}x{shape[2]}"):
        build(10, shape)
