"""What an epoch cost, in the terms of a network's forward pass."""

from trainables.training.epoch import EpochResult


def test_an_epoch_of_the_common_loop_costs_what_the_network_does() -> None:
    assert EpochResult(0.5, 10, 1.0).macs(300) == 300


def test_counted_operations_are_those_of_a_network_whose_training_costs_as_much() -> None:
    assert EpochResult(0.5, 10, 1.0, flops=6 * 10 * 70.0).macs(300) == 70
    assert EpochResult(0.5, 0, 1.0, flops=0.0).macs(300) == 0
