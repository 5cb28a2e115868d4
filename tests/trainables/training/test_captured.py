"""Steps that are replayed are those that would have been taken plainly; a tape on the CPU stands for a GPU's graphs."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from weakref import finalize

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.stages import a_trial
from tests.trainables.training.epochs import (
    EPOCHS,
    FULL,
    StepsOf,
    alone,
    assert_same,
    device_batches,
    falling_rate,
    run,
)
from tests.trainables.training.tape import Tape
from trainables.masking.masks import prunable_weights
from trainables.state import LiveTrial
from trainables.training.acts import Act, Acts
from trainables.training.capture import PATIENCE, WARM_UPS
from trainables.training.captured import CapturedSteps
from trainables.training.companion import Companion
from trainables.training.optimizers import optimizer_for
from trainables.training.step import Step


def captured(tape: Tape) -> StepsOf:
    return lambda trial: CapturedSteps(tape, lambda: trial.masks.pattern)


def test_adamw_counts_its_steps_through_replays(tmp_path: Path) -> None:
    tape = Tape()
    replayed = run(tmp_path, alone, captured(tape), rule="adamw")
    assert_same(run(tmp_path, alone, rule="adamw"), replayed)
    optimizer = replayed[0].optimizer
    assert optimizer is not None
    assert {float(state["step"]) for state in optimizer.state.values()} == {EPOCHS * (FULL + 1.0)}
    assert all(isinstance(group["lr"], float) and not group["fused"] for group in optimizer.param_groups)
    assert tape.recorded == 1


def test_full_batches_are_replayed_once_they_are_warm(tmp_path: Path) -> None:
    tape = Tape()
    run(tmp_path, alone, captured(tape))
    assert (tape.warmed, tape.recorded, tape.replayed) == (WARM_UPS, 1, EPOCHS * FULL - WARM_UPS)


class Waiting(Companion):
    """A companion that reads a number back, though it says that its steps are all the same."""

    def __init__(self, trial: LiveTrial) -> None:
        self._model = trial.model

    @property
    def acts(self) -> Acts:
        return Acts(before_step=Act.SAME)

    def before_step(self) -> None:
        weight = next(iter(self._model.parameters()))
        if weight.grad is not None and weight.grad.norm().item() > 0:
            weight.grad.mul_(2)


def test_a_step_that_waits_for_the_device_is_not_captured_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tape = Tape()
    assert_same(run(tmp_path, Waiting), run(tmp_path, Waiting, captured(tape)))
    assert tape.replayed == 0
    assert "waits for the device" in caplog.text


class Undeclared(Companion):
    """A companion that does not say what it does in a step."""

    def after_step(self) -> None:
        pass


@pytest.mark.parametrize(
    ("companion", "why"), [(lambda _: Undeclared(), "Undeclared does not say"), (lambda _: Refusing(), "grows")]
)
def test_companions_that_cannot_be_captured_say_why(
    companion: Callable[[LiveTrial], Companion], why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tape = Tape()
    with caplog.at_level(logging.INFO):
        run(tmp_path, companion, captured(tape))
    assert tape.warmed == 0
    assert caplog.text.count(why) == 1


class Refusing(Companion):
    """A companion whose steps are never the same."""

    @property
    def acts(self) -> Acts:
        return Acts(refusal="it grows with every step")


class Pruning(Companion):
    """Masks half of a weight after some steps, then the other half."""

    WHEN: tuple[int, ...] = (6, 9)

    def __init__(self, trial: LiveTrial) -> None:
        self._trial, self._step = trial, 0

    @property
    def acts(self) -> Acts:
        return Acts(after_step=Act.HOST)

    def after_step(self) -> None:
        self._step += 1
        if self._step in self.WHEN:
            name, weight = next(iter(self._trial.model.named_parameters()))
            mask = torch.ones_like(weight)
            mask[self._step % 2 :: 2] = 0
            self._trial.mask_weights({name: mask})


def test_new_masks_void_a_capture_and_others_of_the_same_weights_do_not(tmp_path: Path) -> None:
    tape = Tape()
    assert_same(run(tmp_path, Pruning), run(tmp_path, Pruning, captured(tape)))
    assert (tape.recorded, tape.warmed) == (2, 2 * WARM_UPS)


class TwoKinds(Companion):
    """Scales gradients, differently in every other step; `voids` says what makes those unlike all others."""

    def __init__(self, trial: LiveTrial, voids: str = "") -> None:
        self._trial, self._voids, self._step = trial, voids, 0

    @property
    def acts(self) -> Acts:
        return Acts(before_step=Act.SAME, after_step=Act.HOST)

    @property
    def _is_odd(self) -> bool:
        return self._step % 2 == 1

    def kind(self) -> str | None:
        return ("odd" if self._voids != "kind" else None) if self._is_odd else "even"

    def pattern(self) -> int | None:
        return self._step if self._is_odd and self._voids == "pattern" else None

    def before_step(self) -> None:
        for parameter in self._trial.model.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(2 if self._is_odd else 0.5)

    def after_step(self) -> None:
        self._step += 1


@pytest.mark.parametrize(("voids", "recorded"), [("", 2), ("kind", 1), ("pattern", 4)])
def test_each_kind_of_steps_is_captured_apart(voids: str, recorded: int, tmp_path: Path) -> None:
    tape, companion = Tape(), partial(TwoKinds, voids=voids)
    assert_same(run(tmp_path, companion, size=16), run(tmp_path, companion, captured(tape), size=16))
    assert tape.recorded == recorded
    assert tape.replayed >= FULL


def test_a_kind_whose_captures_are_void_too_soon_leaves_the_others_captured(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tape = Tape()
    with caplog.at_level(logging.INFO):
        run(tmp_path, partial(TwoKinds, voids="pattern"), captured(tape), size=16, epochs=3)
    assert caplog.text.count("captures in a row were void") == 1
    steps = 350 // 16
    assert tape.replayed >= 3 * (steps // 2) - WARM_UPS


class PruningLate(Pruning):
    """Takes steps of two kinds, masks half of a weight, and takes steps of a third kind."""

    WHEN = (20,)

    def kind(self) -> str:
        return "last" if self._step >= max(self.WHEN) else "odd" if self._step % 2 else "even"


def test_what_was_captured_of_other_kinds_is_given_up_once_masks_are_others(tmp_path: Path) -> None:
    held: list[int] = []

    class Counting(Tape):
        def record(self, run: Callable[[], None]) -> Callable[[], None]:
            replay = super().record(run)
            finalize(replay, lambda: held.remove(1))
            held.append(1)
            return replay

    tape = Counting()
    made: list[CapturedSteps] = []

    def steps(trial: LiveTrial) -> CapturedSteps:
        made.append(CapturedSteps(tape, lambda: trial.masks.pattern))
        return made[-1]

    run(tmp_path, PruningLate, steps, size=16)
    assert (tape.recorded, len(held)) == (3, 1)


class Wandering(Pruning):
    """Masks another weight after every five steps."""

    def after_step(self) -> None:
        self._step += 1
        if self._step % 5 == 0:
            weights = list(prunable_weights(self._trial.model).items())
            name, weight = weights[self._step // 5 % len(weights)]
            self._trial.mask_weights({name: torch.ones_like(weight)})


def test_captures_that_are_void_too_soon_because_of_masks_end_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tape = Tape()
    with caplog.at_level(logging.INFO):
        run(tmp_path, Wandering, captured(tape), size=16)
    assert caplog.text.count("captures in a row were void") == 1
    assert tape.recorded == PATIENCE


class UnsteadyAtFirst(TwoKinds):
    """Takes steps of one kind, each of a pattern of its own, in the first epoch, and of another kind in the next."""

    @property
    def _is_odd(self) -> bool:
        return self._step <= 350 // 16


def test_a_kind_that_comes_after_another_was_refused_is_captured(tmp_path: Path) -> None:
    tape, companion = Tape(), partial(UnsteadyAtFirst, voids="pattern")
    assert_same(run(tmp_path, companion, size=16), run(tmp_path, companion, captured(tape), size=16))
    assert tape.recorded == PATIENCE + 1
    assert tape.replayed >= 350 // 16 - WARM_UPS


class Calls:
    """What is called in the place of a network, as compiled code is."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self, images: Tensor) -> Tensor:
        outputs: Tensor = self.network(images)
        return outputs


def test_a_network_that_comes_to_lie_where_one_was_before_is_not_taken_for_it(tmp_path: Path) -> None:
    """What is made after something was deleted comes to lie there sooner or later, and then has its `id`."""
    trial, tape = a_trial(tmp_path, subset=350, batch_size=48), Tape()
    optimizer, batches = optimizer_for(trial.model, trial.spec.training), device_batches(trial)
    steps = CapturedSteps(tape, lambda: None)

    def take(network: Calls) -> int:
        steps(Step(network, optimizer, trial.task, torch.float32, Companion()), batches, partial(falling_rate, 0), 0)
        return id(network)

    place, others = take(Calls(trial.model)), [Calls(trial.model)]
    while id(others[-1]) != place and len(others) < 500:
        others.append(Calls(trial.model))
    take(others[-1])
    assert tape.warmed == 2 * WARM_UPS
