"""What a companion does at the moments of a step, said so that steps can be captured and replayed."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Final


class Act(IntEnum):
    """What happens at a moment, in all steps that are of some kind.

    NOTHING: nothing. SAME: the same operations on the same tensors in every step, without waiting for the device and
    without numbers of Python that change; they are captured with the step. HOST: anything, as it is done between
    replays; gradients may be changed in place, but not replaced. Measuring and penalties are part of what is captured:
    with one of the host no step is.
    """

    NOTHING = 0
    SAME = 1
    HOST = 2


@dataclass(frozen=True)
class Acts:
    """What happens at each moment; with a `refusal` no step is captured, and that is why."""

    before_forward: Act = Act.NOTHING
    measure: Act = Act.NOTHING
    penalty: Act = Act.NOTHING
    before_step: Act = Act.NOTHING
    after_step: Act = Act.NOTHING
    refusal: str | None = None


MOMENTS: Final = tuple(field.name for field in fields(Acts) if field.name != "refusal")
"""The moments of a step, which are methods of a companion."""

CLASH: Final = "two companions act on gradients, one of them on the host, the other by replacing them"


def combined(parts: Sequence[Acts]) -> Acts:
    """Return what several companions do together: all on the host at a moment at which one of them is."""
    refusal = next((part.refusal for part in parts if part.refusal is not None), None)
    if {Act.SAME, Act.HOST} <= {part.before_step for part in parts}:
        refusal = refusal or CLASH
    moments = {moment: max((getattr(part, moment) for part in parts), default=Act.NOTHING) for moment in MOMENTS}
    return Acts(**moments, refusal=refusal)


def undeclared(kind: type, base: type) -> Acts:
    """Return what is known of a subclass of `base` that says nothing: it must not be captured if it does anything."""
    if all(getattr(kind, moment) is getattr(base, moment) for moment in MOMENTS):
        return Acts()
    return Acts(refusal=f"{kind.__name__} does not say by `acts` what it does in a step")
