"""What is read back from a device later is what was there when it was sent."""

import torch

from trainables.training.arrival import OnItsWay


def test_values_are_those_of_the_moment_whatever_becomes_of_the_tensor() -> None:
    values = torch.arange(3.0, requires_grad=True)
    sent = OnItsWay(values)
    with torch.no_grad():
        values.zero_()
    assert sent.arrived().tolist() == [0, 1, 2]
    assert not sent.arrived().requires_grad
