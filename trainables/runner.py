"""Carries out recipes: one function per stage. A finished stage is skipped, so resuming needs no state machine."""

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch

from trainables.context import Report, Usage
from trainables.errors import RemovalMismatch, TrainingDiverged
from trainables.masking.masks import prunable_weights
from trainables.methods import pruning
from trainables.methods.attach import attach
from trainables.recipes.recipe import Prune, Recipe, Reinitialize, Remove, Rewind, Train, training_epochs
from trainables.state import LiveTrial
from trainables.structure.complexity import Complexity, effective
from trainables.structure.removal import TOLERANCE, disagreement, remove
from trainables.training.companion import Companion, Companions
from trainables.training.training import (
    EpochResult,
    Evaluation,
    evaluate,
    learning_rate,
    optimizer_for,
    precision_for,
    train_epoch,
)
from trainables.training.usage import gauge

FRESH_SEED = 1_000_003
"""Added to a trial's seed where weights are drawn anew, so that they are not the first ones again."""


def run_recipe(recipe: Recipe, trial: LiveTrial) -> Report | None:
    """Carry out the stages that `trial` has not finished, publishing each epoch's report but the last.

    The last epoch's report is returned, because it shall carry what is measured on the final network; None if the
    recipe trains no epoch.
    """
    last = None
    for stage in recipe[trial.position.stage :]:
        if isinstance(stage, Train):
            last = _train(stage, trial, recipe)
        elif isinstance(stage, Prune):
            pruning.prune(trial, stage)
        elif isinstance(stage, Rewind):
            _rewind(trial)
        elif isinstance(stage, Reinitialize):
            _reinitialize(trial, stage)
        elif isinstance(stage, Remove):
            _remove(trial)
        else:
            stage.run(trial)
        trial.end_stage()
        if not _may_rewind(recipe[trial.position.stage :]):
            trial.snapshot = None
    return last


def _may_rewind(coming: Recipe) -> bool:
    """Say whether a stage to come may want the snapshot, which is dense and as large as the network."""
    return any(not isinstance(stage, Train | Prune | Reinitialize | Remove) for stage in coming)


def projected(recipe: Recipe, trial: LiveTrial) -> Complexity:
    """Return what the network would cost at the end of the recipe, were the pruning still to come done now.

    A companion that knows better (gates do) is asked first.
    """
    own = trial.companion.projected()
    if own is not None:
        return own
    masks = dict(trial.masks.items())
    coming = [_final_pruning(stage) for stage in recipe[trial.position.stage :]]
    for stage in coming[::-1]:
        if stage is not None:
            masks |= pruning.masks_under(trial, stage)
            break
    return effective(trial.model, trial.dataset.input_shape, masks)


def _final_pruning(stage: object) -> Prune | None:
    """Return the pruning that `stage` will have done when it is over."""
    if isinstance(stage, Train):
        stage = getattr(stage.during, "final", None)
    return stage if isinstance(stage, Prune) else None


def _train(stage: Train, trial: LiveTrial, recipe: Recipe) -> Report | None:
    spec, device = trial.spec.training, trial.context.device
    batches = trial.batches()
    steps = len(batches)
    begin, total = round(stage.start_epoch * steps), stage.epochs * steps
    trial.optimizer = optimizer_for(trial.model, spec)
    trial.optimizer.register_step_post_hook(lambda *_: trial.masks.apply())
    trial.companion = _companion(stage, trial, begin, steps)
    if trial.interrupted is not None:
        trial.optimizer.load_state_dict(trial.interrupted["optimizer"])
        trial.companion.load_state_dict(trial.interrupted["companion"])

    report = None
    for epoch in range(max(trial.position.epoch, begin // steps), stage.epochs):
        first = epoch * steps

        def rate(step: int, first: int = first) -> float:
            return stage.lr_scale * learning_rate(spec, (first + step) / total)

        with gauge(device) as measured:
            result = train_epoch(
                trial.model,
                batches,
                trial.optimizer,
                rate,
                label_smoothing=spec.label_smoothing,
                precision=precision_for(spec, device),
                companion=trial.companion,
                skip=max(0, begin - first),
            )
        trial.companion.after_epoch()
        trial.position.end_epoch(epoch, min(1.0, (first + steps - begin) / steps), trial.cost().macs)
        usage = measured.usage(result.images, result.seconds)
        report = _report(trial, recipe, result, usage, rate(steps - 1))
        if report.fidelity < 1:
            trial.context.report(report, trial.save)
    trial.companion.finish()
    return report


def _report(trial: LiveTrial, recipe: Recipe, result: EpochResult, usage: Usage, learning_rate: float) -> Report:
    if not math.isfinite(result.loss):
        raise TrainingDiverged(f"the training loss is {result.loss} in epoch {trial.position.reports}")
    measured = evaluate_on(trial, "validation")
    cost = projected(recipe, trial)
    return Report(
        epoch=trial.position.reports,
        fidelity=_fidelity(trial, recipe),
        stage=type(recipe[trial.position.stage]).__name__.lower(),
        accuracy=measured.accuracy,
        loss=measured.loss,
        train_loss=result.loss,
        learning_rate=learning_rate,
        seconds=result.seconds,
        macs_projected=cost.macs,
        params_projected=cost.params,
        usage=usage,
    )


def _fidelity(trial: LiveTrial, recipe: Recipe) -> float:
    stage, position = recipe[trial.position.stage], trial.position
    assert isinstance(stage, Train)
    left = stage.epochs - position.epoch + training_epochs(recipe[position.stage + 1 :])
    whole = training_epochs(recipe)
    return min(position.trained, whole - left) / whole if left else 1.0  # parts of epochs are rounded to steps


def evaluate_on(trial: LiveTrial, split: str) -> Evaluation:
    """Evaluate the trial's network on the split ``"train"``, ``"validation"`` or ``"test"`` in float32."""
    data = trial.dataset
    images = getattr(data, split)
    return evaluate(trial.model, images, data.mean, data.std, channels_last=trial.spec.training.channels_last)


def _companion(stage: Train, trial: LiveTrial, begin: int, steps: int) -> Companion:
    """Return all that acts inside the stage, which starts at step `begin` of a schedule with `steps` per epoch."""
    companions = [] if stage.during is None else [attach(stage.during, trial, stage.epochs * steps - begin)]
    if stage.snapshot_epoch is not None:
        companions.append(_SnapshotAt(trial, round(stage.snapshot_epoch * steps) - begin))
    return Companions(*companions)


class _SnapshotAt(Companion):
    """Keeps a copy of the network as it is after `step` steps of the stage (0: before the first)."""

    def __init__(self, trial: LiveTrial, step: int) -> None:
        self._trial, self._left = trial, step
        if step == 0 and trial.interrupted is None:
            trial.take_snapshot()

    def after_step(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._trial.take_snapshot()

    def state_dict(self) -> dict[str, Any]:
        return {"left": self._left}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._left = state["left"]


def _rewind(trial: LiveTrial) -> None:
    if trial.snapshot is None:
        raise AssertionError("a recipe rewinds to a snapshot that no stage before has taken")
    trial.model.load_state_dict(trial.snapshot)
    trial.remask()


@torch.no_grad()
def _reinitialize(trial: LiveTrial, stage: Reinitialize) -> None:
    signs = {name: weight.sign() for name, weight in prunable_weights(trial.model).items()}
    with torch.random.fork_rng():
        torch.manual_seed(trial.spec.seed + FRESH_SEED)
        trial.model.load_state_dict(trial.place(trial.build()).state_dict())
    for name, weight in prunable_weights(trial.model).items():
        size = weight.std().expand_as(weight) if stage.constant else weight.abs()
        weight.copy_(size * (signs[name] if stage.keep_signs else weight.sign()))
    trial.remask()


def _remove(trial: LiveTrial) -> None:
    smaller = copy.deepcopy(trial.model)
    remove(smaller, trial.plan)
    probe = torch.Generator().manual_seed(trial.spec.seed)
    difference = disagreement(trial.model, smaller, trial.dataset.input_shape, generator=probe)
    if not difference <= TOLERANCE:
        raise RemovalMismatch(f"logits differ by {difference:.1e} after removal; at most {TOLERANCE:.0e} is rounding")
    trial.measured["removal_disagreement"] = difference
    trial.replace_model(smaller)
