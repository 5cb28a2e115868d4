"""Which training steps are captured, how, and why others are not: decided before anything is captured."""

from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from trainables.spec import Capture
from trainables.training.acts import Act, Acts

WARM_UPS: Final = 3
"""The steps that run plainly before one of their shape is captured: libraries choose kernels, the optimizer begins."""

WORTHWHILE: Final = 8
"""The fewest replays for which a capture, which takes about as long as a few plain steps, is worth it."""

PATIENCE: Final = 3
"""How many captures in a row may be void before that."""


def is_possible(device: str) -> bool:
    """Return whether a kind of device, such as ``"cuda"``, can be captured from at all."""
    return device == "cuda"


def is_wanted(mode: Capture, device: str) -> bool:
    """Return whether steps are captured on a kind of device, as far as it can be done."""
    return mode == "auto" and is_possible(device)


def refusal(acts: Acts, processes: int) -> str | None:
    """Return why no step of an epoch is captured; None if those of full batches are that are of some kind."""
    if processes > 1:
        return "several processes train the network together"
    if acts.refusal is None:  # both stand between the images and the gradients, in one recording
        if acts.penalty is Act.HOST:
            return "a penalty is computed on the host"
        if acts.measure is Act.HOST:
            return "the network is run aside by the host"
    return acts.refusal


@dataclass(frozen=True)
class Plan:
    """How a step is captured.

    With `makes_batch` it begins with gathering, cropping, mirroring and normalising its images; else it reads a batch
    that is there. With `sees_batch` the companion acts on the host before the forward pass, with `is_split` between
    gradients and optimizer, so that both are captured apart, and with `ends_on_host` after the step.
    """

    makes_batch: bool
    sees_batch: bool
    is_split: bool
    ends_on_host: bool

    @classmethod
    def of(cls, acts: Acts, *, from_tensors: bool) -> "Plan":
        """Plan the steps with a companion; `from_tensors` tells whether batches can be made on the device."""
        sees_batch = acts.before_forward is Act.HOST
        return cls(
            makes_batch=from_tensors and not sees_batch,
            sees_batch=sees_batch,
            is_split=acts.before_step is Act.HOST,
            ends_on_host=acts.after_step is Act.HOST,
        )


class Turn(Enum):
    """How a step is run that could be a replay."""

    WARM_UP = auto()
    CAPTURE = auto()
    REPLAY = auto()
    PLAIN = auto()


_GONE: Final = object()
"""What was captured, and equals nothing that is to be."""


class Course:
    """Decides, from one such step of a kind to the next, how it is run."""

    def __init__(self) -> None:
        self._shape: Hashable = None
        self._captured: Hashable = None
        self._warmed = self._replays = self._void = 0
        self.refusal: str | None = None

    def turn(self, shape: Hashable, pattern: Hashable) -> Turn:
        """Decide the turn of a step of a shape, another one of which needs other kernels, and of a pattern.

        What is captured is void as soon as one of them changes, and of use to few steps if they change often.
        """
        if self.refusal is not None:
            return Turn.PLAIN
        if shape != self._shape:
            self._shape, self._warmed = shape, 0
        if self._warmed < WARM_UPS:
            self._warmed += 1
            return Turn.WARM_UP
        if self._captured == (shape, pattern):
            self._replays += 1
            return Turn.REPLAY
        return self._capture((shape, pattern))

    def _capture(self, what: Hashable) -> Turn:
        soon = self._captured is not None and self._replays < WORTHWHILE
        self._void = self._void + 1 if soon else 0
        if self._void >= PATIENCE:
            return self.refuse(f"{PATIENCE} captures in a row were void before {WORTHWHILE} replays")
        self._captured, self._replays = what, 0
        return Turn.CAPTURE

    def forget(self) -> None:
        """Begin anew: what was captured, if anything was, is gone."""
        self._shape = None
        if self._captured is not None:
            self._captured = _GONE

    def refuse(self, why: str) -> Turn:
        """Run all steps plainly from now on."""
        self.refusal = why
        return Turn.PLAIN
