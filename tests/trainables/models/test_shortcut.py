"""The shortcut without parameters, as a map of channels (He et al. 2015, arXiv 1512.03385, option A)."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from trainables.models.shortcut import Shortcut


@pytest.mark.parametrize("side", [7, 8])
def test_the_shortcut_subsamples_and_pads_with_zeros_on_both_sides(side: int) -> None:
    x = torch.randn(2, 16, side, side)
    assert torch.equal(Shortcut(16, 32, 2)(x), F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 8, 8)))


CHANNELS = st.lists(st.integers(0, 7), unique=True, max_size=7).map(
    lambda chosen: torch.tensor(chosen, dtype=torch.long)
)


def images(channels: int = 4) -> torch.Tensor:
    return 1 + torch.rand(2, channels, 5, 5)


@given(st.integers(1, 9), st.integers(0, 9), st.integers(1, 3))
def test_input_channels_pass_in_order_and_padding_is_even(inputs: int, more: int, stride: int) -> None:
    shortcut, x = Shortcut(inputs, inputs + more, stride), images(inputs)
    y, first = shortcut(x), more // 2
    assert y.shape == (2, inputs + more, -(-5 // stride), -(-5 // stride))
    assert torch.equal(y[:, first : first + inputs], x[:, :, ::stride, ::stride])
    assert not y[:, :first].any()
    assert not y[:, first + inputs :].any()


@given(CHANNELS, st.lists(st.integers(0, 3), unique=True, max_size=3).map(lambda c: torch.tensor(c, dtype=torch.long)))
def test_silencing_makes_outputs_zero_and_those_that_the_silenced_inputs_feed(
    outputs: torch.Tensor, inputs: torch.Tensor
) -> None:
    shortcut, x = Shortcut(4, 8, 2), images()
    expected = shortcut(x).index_fill(1, outputs, 0)
    fed = [2 + int(channel) for channel in inputs]
    expected = expected.index_fill(1, torch.tensor(fed, dtype=torch.long), 0)
    shortcut.silence(outputs, inputs)
    assert torch.equal(shortcut(x), expected)


@given(CHANNELS, st.lists(st.integers(0, 3), unique=True, max_size=3).map(lambda c: torch.tensor(c, dtype=torch.long)))
def test_shrinking_computes_the_silenced_outputs_that_stay_from_the_inputs_that_stay(
    outputs: torch.Tensor, inputs: torch.Tensor
) -> None:
    silenced, shrunk, x = Shortcut(4, 8, 2), Shortcut(4, 8, 2), images()
    silenced.silence(outputs, inputs)
    shrunk.shrink(outputs, inputs)
    kept_outputs = [channel for channel in range(8) if channel not in outputs]
    kept_inputs = [channel for channel in range(4) if channel not in inputs]
    assert torch.equal(shrunk(x[:, kept_inputs]), silenced(x)[:, kept_outputs])


def test_the_map_is_saved_with_the_network_and_no_parameter_is_trained() -> None:
    shortcut = Shortcut(2, 6, 1)
    assert list(shortcut.state_dict()) == ["src"]
    assert not list(shortcut.parameters())
    assert repr(shortcut) == "Shortcut(out_channels=6, stride=1)"
