"""Trials on digits that run single stages, watched step by step, for the tests of what acts inside training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from tests.conftest import MemoryContext
from trainables import data
from trainables.masking.masks import prunable_weights
from trainables.methods.attach import attach
from trainables.recipes.recipe import During
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.training.companion import Companion
from trainables.training.optimizers import optimizer_for


def a_trial(folder: Path, model: str = "digits_cnn", *, subset: int = 120, **training: Any) -> LiveTrial:
    """Make a fresh trial whose epochs have three steps unless `subset`, or the batch size, is another."""
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=subset),
        model=ModelSpec(name=model),
        training=TrainingSpec(**{"batch_size": 40, **training}),
        paradigm="dense",
        epochs=4,
    )
    return LiveTrial(spec, data.load(spec.data), MemoryContext(folder))


def run_epoch(companion: Companion, trial: LiveTrial) -> None:
    """Run an epoch in which no weight moves."""
    trial.model.train()
    for images, labels in trial.batches():
        run_step(companion, trial, images, labels)
    companion.after_epoch()


def run_step(companion: Companion, trial: LiveTrial, images: Tensor, labels: Tensor) -> None:
    """Run a step in which no weight moves."""
    companion.before_forward(images, labels)
    companion.measure(images, labels)
    F.cross_entropy(trial.model(images), labels).backward()
    companion.before_step()
    companion.after_step()


@dataclass(frozen=True)
class Watched:
    """Something that acts inside training, and a look at the trial before, and after, it acts on each step."""

    during: During
    after: Callable[[LiveTrial], None] = lambda _: None
    before: Callable[[LiveTrial], None] = lambda _: None

    def attach(self, trial: LiveTrial, steps: int) -> Companion:
        return _Watcher(self, attach(self.during, trial, steps), trial)


class _Watcher(Companion):
    def __init__(self, watched: Watched, inner: Companion, trial: LiveTrial) -> None:
        self._watched, self._inner, self._trial = watched, inner, trial

    def penalty(self) -> Tensor | None:
        return self._inner.penalty()

    def before_step(self) -> None:
        self._inner.before_step()

    def after_step(self) -> None:
        self._watched.before(self._trial)
        self._inner.after_step()
        self._watched.after(self._trial)

    def finish(self) -> None:
        self._inner.finish()


def backward_once(trial: LiveTrial, during: During) -> tuple[Companion, tuple[Tensor, Tensor]]:
    """Attach `during`, run one batch forward and backward in training mode, let it act on the gradients.

    All in double precision. Returns the companion and the batch; the network has not been stepped.
    """
    trial.model.double()
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    companion = attach(during, trial, 10)
    images, labels = next(iter(trial.batches()))
    images = images.double()
    trial.model.train()
    loss = F.cross_entropy(trial.model(images), labels)
    penalty = companion.penalty()
    (loss if penalty is None else loss + penalty).backward()
    companion.before_step()
    return companion, (images, labels)


def loss_with(model: nn.Module, weights: Mapping[str, Tensor], batch: tuple[Tensor, Tensor]) -> Tensor:
    """Return the cross-entropy, in training mode, of the network with other tensors in place of its weights."""
    images, labels = batch
    return F.cross_entropy(functional_call(model, dict(weights), (images,)), labels)


def alive(trial: LiveTrial) -> dict[str, int]:
    """Count the weights of each layer that are not zero."""
    return {name: int(weight.count_nonzero()) for name, weight in prunable_weights(trial.model).items()}


def masks_of(trial: LiveTrial) -> dict[str, Tensor]:
    """Copy the masks of single weights, as bools."""
    return {name: mask.bool().clone() for name, mask in trial.weight_masks.items()}


def momentum_of(trial: LiveTrial, weight: nn.Parameter) -> Tensor:
    """Return what SGD remembers of a weight."""
    assert trial.optimizer is not None
    buffer: Tensor = trial.optimizer.state[weight]["momentum_buffer"]
    return buffer


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors, detached."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def total(trial: LiveTrial) -> int:
    """Count the prunable weights."""
    return sum(weight.numel() for weight in prunable_weights(trial.model).values())
