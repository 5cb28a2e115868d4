"""What is known of a number before it is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bounds:
    """A number that will lie in [`low`, `high`]; exact if both are equal.

    `sure` is false where it is only aimed at, so that it may also come to lie outside.
    """

    low: float
    high: float
    sure: bool = True

    @property
    def is_exact(self) -> bool:
        return self.sure and self.low == self.high

    def contains(self, value: float) -> bool:
        return self.low <= value <= self.high
