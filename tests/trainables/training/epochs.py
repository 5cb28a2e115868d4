"""Some epochs of training, taken plainly or otherwise, and what must be the same after them."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.stages import a_trial
from trainables.data.augmentation import Augmentation
from trainables.data.batches import Batches
from trainables.methods.attach import attach
from trainables.recipes.recipe import During
from trainables.state import LiveTrial
from trainables.training.companion import Companion
from trainables.training.epoch import EpochResult
from trainables.training.optimizers import optimizer_for
from trainables.training.step import Steps, plainly
from trainables.training.training import train_epoch

EPOCHS = 2
FULL = 7
"""The full batches of an epoch; one with fewer images follows."""

Trained = tuple[LiveTrial, list[EpochResult]]
StepsOf = Callable[[LiveTrial], Steps]
CompanionOf = Callable[[LiveTrial], Companion]


@dataclass(frozen=True)
class OnDevice(Augmentation):
    """Augmentation as a GPU does it; a processor's goes from image to image in numpy."""

    def apply(self, images: Tensor, draws: Tensor) -> Tensor:
        return self.all_at_once(images, draws)


def run(
    folder: Path,
    companion: CompanionOf,
    steps: StepsOf = lambda _: plainly,
    *,
    size: int = 48,
    rule: str = "sgd",
    epochs: int = EPOCHS,
) -> Trained:
    """Train a fresh trial for some epochs, the last step of each on fewer images."""
    trial = a_trial(folder, subset=350, batch_size=size, weight_decay=1e-3, optimizer=rule)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    acting, taken = companion(trial), steps(trial)
    trial.optimizer.register_step_post_hook(lambda *_: trial.masks.apply())
    batches, results = device_batches(trial), []
    for epoch in range(epochs):
        results.append(
            train_epoch(
                trial.model,
                batches,
                trial.optimizer,
                partial(falling_rate, epoch * len(batches)),
                task=trial.task,
                precision=torch.float32,
                companion=acting,
                steps=taken,
            )
        )
        acting.after_epoch()
    return trial, results


class Dropping(Companion):
    """Replaces the last layer of the network after each epoch."""

    def __init__(self, trial: LiveTrial) -> None:
        self._trial = trial

    def after_epoch(self) -> None:
        model, optimizer = self._trial.model, self._trial.optimizer
        assert optimizer is not None
        name, last = list(model.named_modules())[-1]
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], copy.deepcopy(last))
        optimizer.param_groups[0]["params"] = list(model.parameters())


def alone(_: LiveTrial) -> Companion:
    return Companion()


def doing(during: During | None) -> CompanionOf:
    """Return what makes the companion of something that acts in training."""
    return alone if during is None else lambda trial: attach(during, trial, EPOCHS * len(trial.batches()))


def assert_same(one: Trained, other: Trained) -> None:
    (plain, expected), (trained, results) = one, other
    assert_alike(plain.model, trained.model)
    assert [result.loss for result in results] == pytest.approx([result.loss for result in expected], rel=1e-5)
    assert [result.images for result in results] == [result.images for result in expected]
    assert plain.weight_masks.keys() == trained.weight_masks.keys()
    assert all(torch.equal(mask, trained.weight_masks[name]) for name, mask in plain.weight_masks.items())


def assert_alike(one: nn.Module, other: nn.Module) -> None:
    assert one.state_dict().keys() == other.state_dict().keys()
    for (name, value), after in zip(one.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.allclose(value, after, atol=1e-5), f"{name} is off by {(value - after).abs().max()}"


def falling_rate(first: int, step: int) -> float:
    return 0.02 / (1 + first + step)


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
