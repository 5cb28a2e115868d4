"""What the benchmark of GPUs says of figures that it has measured; measuring needs a GPU."""

import pytest

from benchmarks.gpu.speed import REQUIRED_OF_FULL_SIZE, full_size_ratios, verdict


@pytest.mark.parametrize(
    ("compiled", "said"), [(2.5, "1.25, required 1.00: met"), (1.0, "0.75, required 1.00: NOT MET")]
)
def test_the_faster_of_the_captured_trainings_is_held_against_the_reference(compiled: float, said: str) -> None:
    rates = {"capture: never": 1.0, "captured": 1.5, "captured and compiled": compiled, "reference recipe": 2.0}
    ((line, met),) = verdict("ResNet-50", full_size_ratios(rates), REQUIRED_OF_FULL_SIZE)
    assert line.endswith(said)
    assert met is said.endswith(": met")


def test_what_was_not_measured_is_not_met() -> None:
    assert {met for _, met in verdict("ResNet-20", {})} == {False}
