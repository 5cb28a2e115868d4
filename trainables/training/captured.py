"""Takes the steps of an epoch by replaying a captured one, wherever that is the same as taking them plainly."""

import logging
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from trainables import parallel
from trainables.data.batches import Batches
from trainables.training.capture import Course, Plan, Turn, refusal
from trainables.training.optimizers import set_learning_rate
from trainables.training.recordable import CPU, count_on, counting_in_place, lay_out, recordable
from trainables.training.recorder import Recorder, Replay
from trainables.training.step import Rate, Step, plainly

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Slots:
    """Where a captured step finds its batch and its learning rate, and adds its loss, float64.

    A batch is images and labels, or the numbers of its images and what was drawn for them, if anything was.
    """

    batch: tuple[Tensor, Tensor | None]
    rate: Tensor
    total: Tensor

    @classmethod
    def like(cls, batch: tuple[Tensor, Tensor | None], total: Tensor) -> "Slots":
        """Make slots for batches like this one."""
        first, second = batch
        places = torch.empty_like(first), None if second is None else torch.empty_like(second)
        return cls(places, torch.zeros((), device=total.device), total)

    def fill(self, batch: tuple[Tensor, Tensor | None], rate: float) -> None:
        """Put in what the coming replay uses."""
        for place, values in zip(self.batch, batch, strict=True):
            if place is not None and values is not None:
                place.copy_(values)
        self.rate.fill_(rate)


@dataclass(frozen=True)
class CapturedStep:
    """A step that can be replayed: gradients, and apart from them, if the companion acts between, the optimizer's step.

    `gradients` are those that a replay computes, by parameter; as long as they are held, their memory is theirs.
    """

    plan: Plan
    slots: Slots
    computes: Replay
    updates: Replay | None
    gradients: tuple[tuple[nn.Parameter, Tensor], ...]

    def replay(self, step: Step, batch: tuple[Tensor, Tensor | None], rate: float) -> None:
        """Take the step on a batch, once the companion has seen that, if it looks at any."""
        self.slots.fill(batch, rate)
        self.computes()
        for parameter, gradient in self.gradients:
            parameter.grad = gradient
        if self.updates is not None:
            step.companion.before_step()
            self.updates()
        if self.plan.ends_on_host:
            step.companion.after_step()


@dataclass
class _Kind:
    """Steps that do the same, and what was captured of them, if anything is."""

    course: Course = field(default_factory=Course)
    captured: CapturedStep | None = None

    def void(self) -> None:
        self.captured = None
        self.course.forget()


class CapturedSteps:
    """Takes the steps of a stage's epochs, by replays where a plan and the course of the stage allow it.

    `depends_on` gives what equals itself as long as masks are the same tensors. The network of the last step that could
    be a replay is held, so that no other one can be taken for it.
    """

    def __init__(self, recorder: Recorder, depends_on: Callable[[], Hashable]) -> None:
        self._recorder, self._depends_on = recorder, depends_on
        self._kinds: dict[Hashable, _Kind] = {}
        self._shape: Hashable = None
        self._total: Tensor | None = None
        self._said: set[str] = set()

    def __call__(self, step: Step, batches: Batches, rate: Rate, skip: int) -> list[Tensor]:
        """Take the steps of an epoch from number `skip` on; return tensors that add up to the sum of their losses."""
        acts = step.companion.acts
        why = refusal(acts, parallel.size())
        if why is not None:
            self._say(why)
            return self._plainly(step, batches, rate, skip)
        if self._all_refused:
            count_on(step.optimizer, CPU)  # until a kind of steps comes that can be captured
        plan = Plan.of(acts, from_tensors=batches.are_made_of_tensors)
        if self._total is None:
            self._total = torch.zeros((), dtype=torch.float64, device=batches.device)
        total = self._total.zero_()
        epoch = _Epoch(step, batches, rate, plan, total)
        losses = [loss for each in epoch.steps(skip) if (loss := self._take(each, epoch)) is not None]
        for kind in self._kinds.values():
            if kind.course.refusal is not None:
                self._say(kind.course.refusal)
        return [*losses, total.to(losses[0].dtype) if losses else total]

    @property
    def _all_refused(self) -> bool:
        return bool(self._kinds) and all(kind.course.refusal is not None for kind in self._kinds.values())

    def _plainly(self, step: Step, batches: Batches, rate: Rate, skip: int) -> list[Tensor]:
        with counting_in_place(step.optimizer):
            return plainly(step, batches, rate, skip)

    def _take(self, one: "_Coming", epoch: "_Epoch") -> Tensor | None:
        """Take a step; return its loss, unless that was added to the epoch's total."""
        name = epoch.step.companion.kind()
        if not one.is_full or name is None or self._is_refused(name):
            return epoch.plainly(one)
        epoch.show(one)
        shape = one.images, epoch.plan, self._depends_on(), epoch.step.addresses(), epoch.step.network
        if shape != self._shape:
            self._void(shape)
        kind = self._kinds.setdefault(name, _Kind())
        turn = kind.course.turn(shape, epoch.step.companion.pattern())
        if turn is Turn.CAPTURE:
            turn = self._capture(kind, one, epoch)
        if turn is Turn.WARM_UP:
            return self._recorder.warm_up(lambda: epoch.learn(one))
        if turn is Turn.PLAIN or kind.captured is None:
            return epoch.learn(one)
        kind.captured.replay(epoch.step, one.batch, one.rate)
        return None

    def _is_refused(self, kind: Hashable) -> bool:
        return kind in self._kinds and self._kinds[kind].course.refusal is not None

    def _void(self, shape: Hashable) -> None:
        """Give up what was captured of steps of another shape, with its memory."""
        self._shape = shape
        for kind in self._kinds.values():
            kind.void()

    def _capture(self, kind: _Kind, one: "_Coming", epoch: "_Epoch") -> Turn:
        kind.captured = None  # its memory is free for the next one
        try:
            kind.captured = epoch.capture(one, self._recorder)
        except (RuntimeError, TypeError) as error:  # of CUDA, and of optimizers that find no state
            LOG.warning("steps are not captured: %s", str(error).partition("\n")[0])
            return kind.course.refuse("capturing one failed")
        return Turn.REPLAY

    def _say(self, why: str) -> None:
        if why not in self._said:
            LOG.info("steps run one operation at a time: %s", why)
            self._said.add(why)


@dataclass(frozen=True)
class _Coming:
    """A step to come: its batch, how many images that has, whether these are as many as in most, its learning rate."""

    batch: tuple[Tensor, Tensor | None]
    images: int
    is_full: bool
    rate: float


@dataclass(frozen=True)
class _Epoch:
    """The steps of an epoch, in the parts of which a capture consists."""

    step: Step
    batches: Batches
    rate: Rate
    plan: Plan
    total: Tensor

    def steps(self, skip: int) -> Iterator[_Coming]:
        source = self.batches.numbers(skip) if self.plan.makes_batch else self.batches.epoch(skip)
        for number, batch in enumerate(source, start=skip):
            rate, images = self.rate(number), self.batches.images(number)
            set_learning_rate(self.step.optimizer, rate)
            yield _Coming(batch, images, images == self.batches.images(0), rate)

    def _made(self, batch: tuple[Tensor, Tensor | None]) -> tuple[Tensor, Tensor]:
        first, second = batch
        if self.plan.makes_batch:
            return self.batches.made(first, second)
        assert second is not None
        return first, second

    def plainly(self, one: _Coming) -> Tensor:
        with counting_in_place(self.step.optimizer):
            return self.step(*self._made(one.batch), one.images)

    def show(self, one: _Coming) -> None:
        """Let a companion that acts on the host see the batch."""
        if self.plan.sees_batch:
            self.step.clear()
            self.step.companion.before_forward(*self._made(one.batch))

    def learn(self, one: _Coming) -> Tensor:
        """Take a step plainly whose batch was shown."""
        if not self.plan.sees_batch:
            return self.plainly(one)
        self.step.clear()  # a capture that failed leaves gradients that were never computed
        with counting_in_place(self.step.optimizer):
            return self.step.learn(*self._made(one.batch), one.images)

    def capture(self, one: _Coming, recorder: Recorder) -> CapturedStep:
        """Record a step like this one."""
        slots = Slots.like(one.batch, self.total)
        slots.fill(one.batch, one.rate)
        count_on(self.step.optimizer, self.total.device)
        lay_out(self.step.optimizer)
        computes = recorder.record(lambda: self._compute(slots, one.images))
        updates = recorder.record(lambda: self._update(slots)) if self.plan.is_split else None
        groups = self.step.optimizer.param_groups
        gradients = [(p, p.grad) for group in groups for p in group["params"] if p.grad is not None]
        return CapturedStep(self.plan, slots, computes, updates, tuple(gradients))

    def _compute(self, slots: Slots, images: int) -> None:
        step = self.step
        inputs, labels = self._made(slots.batch)
        step.clear()
        if not self.plan.sees_batch:
            step.companion.before_forward(inputs, labels)
        slots.total.add_(step.backward(inputs, labels, images))
        if not self.plan.is_split:
            step.companion.before_step()
            self._update(slots)

    def _update(self, slots: Slots) -> None:
        with recordable(self.step.optimizer, slots.rate):
            self.step.optimizer.step()
        if not self.plan.ends_on_host:
            self.step.companion.after_step()
