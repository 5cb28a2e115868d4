"""Steps that are replayed are those that would have been taken plainly; a tape on the CPU stands for a GPU's graphs."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.stages import a_trial
from tests.trainables.training.tape import Tape
from trainables.data.augmentation import Augmentation
from trainables.data.batches import Batches
from trainables.methods.attach import attach
from trainables.recipes.gating import Gating
from trainables.recipes.in_training import (
    ControlGates,
    GrowPenalty,
    LearnThresholds,
    Polarize,
    Rewire,
    Select,
    ShrinkGroups,
    Tie,
    Unify,
)
from trainables.recipes.recipe import During, Prune
from trainables.recipes.schedules import Gradual
from trainables.state import LiveTrial
from trainables.training.acts import Act, Acts
from trainables.training.capture import WARM_UPS
from trainables.training.captured import CapturedSteps
from trainables.training.companion import Companion
from trainables.training.epoch import EpochResult
from trainables.training.step import Step, Steps, plainly
from trainables.training.training import optimizer_for, train_epoch

EPOCHS = 2
HALF = Prune(0.5)
FILTERS = Prune(0.5, granularity="filter")

DURING: dict[str, During | None] = {
    "nothing": None,
    "gradual": Gradual(HALF),
    "rigl": Rewire("gradient"),
    "edge_popup": Select(0.5),
    "dst": LearnThresholds(1e-4),
    "greg": GrowPenalty(HALF),
    "lasso": ShrinkGroups(FILTERS, penalty="lasso"),
    "half_space": ShrinkGroups(FILTERS, penalty="half_space"),
    "envelope": ShrinkGroups(FILTERS),
    "polarization": Polarize(FILTERS),
    "train_once": ControlGates(Prune(1.0, granularity="filter", macs=0.5), updates=2),
    "unification": Unify(Prune(0.5, granularity="block_4")),
    "tying": Tie("block_4"),
    "sampled gates": Gating(epochs=EPOCHS),
    "faded gates": Gating(epochs=EPOCHS, path="fade"),
}


def falling_rate(first: int, step: int) -> float:
    return 0.02 / (1 + first + step)


@dataclass(frozen=True)
class OnDevice(Augmentation):
    """Augmentation as a GPU does it; a processor's goes from image to image in numpy."""

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        return self.all_at_once(images, draws)


def device_batches(trial: LiveTrial) -> Batches:
    data = trial.dataset
    return Batches(
        data.train,
        data.mean,
        data.std,
        batch_size=trial.spec.training.batch_size,
        augment=OnDevice(1, flip=True),
        channels_last=True,
        device="cpu",
        generator=trial.generator,
    )


def trained(trial: LiveTrial, companion: Companion, steps: Steps) -> list[EpochResult]:
    """Train for some epochs, the last step of each on fewer images."""
    assert trial.optimizer is not None
    trial.optimizer.register_step_post_hook(lambda *_: trial.masks.apply())
    batches, results = device_batches(trial), []
    for epoch in range(EPOCHS):
        results.append(
            train_epoch(
                trial.model,
                batches,
                trial.optimizer,
                partial(falling_rate, epoch * len(batches)),
                task=trial.task,
                precision=torch.float32,
                companion=companion,
                steps=steps,
            )
        )
        companion.after_epoch()
    return results


Trained = tuple[LiveTrial, list[EpochResult]]


def run(
    folder: Path, tape: Tape | None, companion: Callable[[LiveTrial], Companion], *, size: int = 48, rule: str = "sgd"
) -> Trained:
    """Train a trial by replays from a tape, or plainly."""
    trial = a_trial(folder, subset=350, batch_size=size, weight_decay=1e-3, optimizer=rule)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    acting = companion(trial)
    taken = plainly if tape is None else CapturedSteps(tape, lambda: trial.masks.pattern)
    return trial, trained(trial, acting, taken)


def alone(_: LiveTrial) -> Companion:
    return Companion()


def doing(during: During | None) -> Callable[[LiveTrial], Companion]:
    return alone if during is None else lambda trial: attach(during, trial, EPOCHS * len(trial.batches()))


def assert_alike(one: nn.Module, other: nn.Module) -> None:
    for (name, value), after in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.allclose(value, after, atol=1e-5), f"{name} is off by {(value - after).abs().max()}"


def assert_same(one: Trained, other: Trained) -> None:
    (plain, expected), (replayed, results) = one, other
    assert_alike(plain.model, replayed.model)
    assert [result.loss for result in results] == pytest.approx([result.loss for result in expected], rel=1e-5)
    assert [result.images for result in results] == [result.images for result in expected]
    assert plain.weight_masks.keys() == replayed.weight_masks.keys()
    assert all(torch.equal(mask, replayed.weight_masks[name]) for name, mask in plain.weight_masks.items())


@pytest.mark.parametrize("name", DURING)
def test_replays_train_the_network_that_plain_steps_do(name: str, tmp_path: Path) -> None:
    size = 17 if name == "faded gates" else 48  # the last sixteen steps of an epoch with fading gates stand out
    tape, companion = Tape(), doing(DURING[name])
    assert_same(
        run(tmp_path, None, companion, size=size),
        run(tmp_path, tape, companion, size=size),
    )
    assert tape.replayed > tape.recorded > 0


def test_adamw_counts_its_steps_through_replays(tmp_path: Path) -> None:
    tape = Tape()
    replayed = run(tmp_path, tape, alone, rule="adamw")
    assert_same(run(tmp_path, None, alone, rule="adamw"), replayed)
    optimizer = replayed[0].optimizer
    assert optimizer is not None
    assert {float(state["step"]) for state in optimizer.state.values()} == {EPOCHS * 8.0}
    assert all(isinstance(group["lr"], float) and not group["fused"] for group in optimizer.param_groups)
    assert tape.recorded == 1


def test_full_batches_are_replayed_once_they_are_warm(tmp_path: Path) -> None:
    tape = Tape()
    run(tmp_path, tape, alone)
    assert (tape.warmed, tape.recorded, tape.replayed) == (WARM_UPS, 1, EPOCHS * 7 - WARM_UPS)


def test_a_device_that_records_nothing_trains_all_the_same_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tape = Tape(refuses=True)
    with caplog.at_level(logging.INFO):
        refused = run(tmp_path, tape, doing(GrowPenalty(HALF)))
    assert_same(run(tmp_path, None, doing(GrowPenalty(HALF))), refused)
    assert tape.replayed == 0
    assert "this device records nothing" in caplog.text
    assert caplog.text.count("capturing one failed") == 1


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
    assert_same(run(tmp_path, None, Waiting), run(tmp_path, tape, Waiting))
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
        run(tmp_path, tape, companion)
    assert tape.warmed == 0
    assert caplog.text.count(why) == 1


class Refusing(Companion):
    """A companion whose steps are never the same."""

    @property
    def acts(self) -> Acts:
        return Acts(refusal="it grows with every step")


class Pruning(Companion):
    """Masks half of a weight after some steps, then the other half."""

    def __init__(self, trial: LiveTrial) -> None:
        self._trial, self._step = trial, 0

    @property
    def acts(self) -> Acts:
        return Acts(after_step=Act.HOST)

    def after_step(self) -> None:
        self._step += 1
        if self._step in (6, 9):
            name, weight = next(iter(self._trial.model.named_parameters()))
            mask = torch.ones_like(weight)
            mask[self._step % 2 :: 2] = 0
            self._trial.mask_weights({name: mask})


def test_new_masks_void_a_capture_and_others_of_the_same_weights_do_not(tmp_path: Path) -> None:
    tape = Tape()
    assert_same(run(tmp_path, None, Pruning), run(tmp_path, tape, Pruning))
    assert (tape.recorded, tape.warmed) == (2, 2 * WARM_UPS)


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
