"""Carries out recipes: one function per stage. A finished stage is skipped, so resuming needs no state machine."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from trainables import checkpoint, parallel
from trainables.context import Report, Usage
from trainables.data.batches import Batches
from trainables.errors import RemovalMismatch
from trainables.evaluation.ensemble import measure_ensemble
from trainables.masking.masks import prunable_weights
from trainables.methods import pruning
from trainables.methods.attach import attach
from trainables.methods.contraction import Contraction
from trainables.methods.scaled_rate import rate_scale, readouts
from trainables.methods.widths import scale_widths, set_equal_widths
from trainables.models.deq import EquilibriumNetwork
from trainables.recipes.recipe import (
    HoldsOut,
    Prune,
    Recipe,
    Reinitialize,
    Remove,
    Rewind,
    ScaleWidths,
    SetWidths,
    Train,
    training_epochs,
)
from trainables.spec import TrainingSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import Complexity, effective
from trainables.structure.removal import TOLERANCE, disagreement, remove
from trainables.structure.widths import redrawn
from trainables.tasks.classification import smoothed
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion, Companions
from trainables.training.compiling import CompiledSteps
from trainables.training.cuda_graphs import Runs, runs_on
from trainables.training.divergence import refuse_divergence
from trainables.training.energy import EnergyMeter
from trainables.training.epoch import Epoch, EpochResult
from trainables.training.judging import Judging, judged_plainly
from trainables.training.moments import WatchesWeights
from trainables.training.optimizers import optimizer_for
from trainables.training.recordable import CPU, count_on
from trainables.training.step import Steps
from trainables.training.training import (
    Evaluation,
    evaluate,
    learning_rate,
    train_epoch,
)
from trainables.training.usage import gauge

FRESH_SEED = 1_000_003
"""Added to a trial's seed where fresh weights are drawn, so that they are not the first ones again."""


def run_recipe(recipe: Recipe, trial: LiveTrial) -> None:
    """Carry out the stages that `trial` has not finished, publishing each epoch's report except the last.

    The last epoch's report stays with the trial, because what is measured on the final network is added to it.
    """
    for stage in recipe[trial.position.stage :]:
        match stage:
            case Train():
                train(stage, trial, recipe)
            case Prune():
                pruning.prune(trial, stage)
            case Rewind():
                _rewind(trial)
            case Reinitialize():
                _reinitialize(trial, stage)
            case Remove():
                measure_ensemble(trial)
                _remove(trial)
            case SetWidths():
                set_equal_widths(trial, stage.width)
            case ScaleWidths():
                scale_widths(trial, stage.factor)
            case _:
                stage.run(trial)
        trial.end_stage()
        if not _may_rewind(recipe[trial.position.stage :]):
            trial.snapshot = None


def _may_rewind(coming: Recipe) -> bool:
    """Return whether a later stage may need the snapshot, which is dense and as large as the network."""
    return any(not isinstance(stage, Train | Prune | Reinitialize | Remove) for stage in coming)


def projected(recipe: Recipe, trial: LiveTrial) -> Complexity:
    """Return what the network would cost at the end of the recipe if all remaining pruning were done now.

    A companion with a better estimate (gates have one) is asked first.
    """
    foreseen = trial.companion.projected()
    if foreseen is not None:
        return foreseen
    masks = dict(trial.masks.items())
    coming = [_final_pruning(stage) for stage in recipe[trial.position.stage :]]
    for stage in coming[::-1]:
        if stage is not None:
            masks |= pruning.masks_under(trial, stage)
            break
    return effective(trial.model, trial.dataset.input_shape, masks)


def _final_pruning(stage: object) -> Prune | None:
    """Return the pruning that `stage` will have done when it ends."""
    if isinstance(stage, Train):
        stage = getattr(stage.during, "final", None)
    return stage if isinstance(stage, Prune) else None


@dataclass(frozen=True)
class _Schedule:
    """The optimizer steps of a training stage: `steps` per epoch, in all those of its whole learning-rate schedule.

    `scale` is what the architecture multiplies the learning rate by.
    """

    stage: Train
    training: TrainingSpec
    steps: int
    scale: float = 1.0

    @property
    def begin(self) -> int:
        """The schedule's step at which the stage begins."""
        return round(self.stage.start_epoch * self.steps)

    @property
    def length(self) -> int:
        """How many steps the stage takes."""
        return self.stage.epochs * self.steps - self.begin

    def rate(self, step: int) -> float:
        """Return the learning rate at a step of the schedule."""
        progress = step / (self.stage.epochs * self.steps)
        return self.scale * self.stage.lr_scale * learning_rate(self.training, progress)


def train(
    stage: Train, trial: LiveTrial, recipe: Recipe, ended: Callable[[Report], Report] = lambda report: report
) -> None:
    """Carry out what is left of a training stage of the recipe, in which the trial stands.

    `ended` is called with the report of each epoch as it ends, and returns the one that is published.
    """
    batches = trial.batches(stage.during.held_out if isinstance(stage.during, HoldsOut) else 0.0)
    schedule = _Schedule(stage, trial.spec.training, len(batches), rate_scale(trial))
    _prepare(trial, schedule, recipe)
    capture, device = trial.spec.training.capture, trial.context.device
    runs = runs_on(device, capture, lambda: trial.masks.pattern, lambda: trial.companion.pattern())
    steps = CompiledSteps(runs.steps, trial.spec.training.compile, partial(_seconds_left, stage, trial))
    for epoch in range(max(trial.position.epoch, schedule.begin // schedule.steps), stage.epochs):
        result, usage = _train_epoch(epoch, trial, batches, schedule, steps)
        trial.companion.after_epoch()
        first = epoch * schedule.steps
        share = min(1.0, (first + schedule.steps - schedule.begin) / schedule.steps)
        trial.position.end_epoch(epoch, share, batches.share * result.macs(trial.cost().macs))
        rate = schedule.rate(first + schedule.steps - 1) if result.rated else None
        report = ended(_report(trial, recipe, result, usage, rate, _judging(trial, runs)))
        trial.last_report = report
        if report.fidelity < 1:
            trial.context.report(report, partial(checkpoint.save, trial))
    trial.companion.finish()


def _prepare(trial: LiveTrial, schedule: _Schedule, recipe: Recipe) -> None:
    """Give the trial the stage's optimizer and companion, restored if the stage was interrupted."""
    _ = trial.precision  # chosen before gates or the like are attached to the network
    trial.optimizer = optimizer_for(trial.model, trial.spec.training, readouts(trial))
    trial.optimizer.register_step_post_hook(lambda *_: trial.masks.apply())
    trial.companion = _companion(trial, schedule, recipe)
    if trial.interrupted is not None:
        trial.optimizer.load_state_dict(trial.interrupted["optimizer"])
        count_on(trial.optimizer, CPU)  # a checkpoint is loaded on the trial's device, with the counts of steps
        trial.companion.load_state_dict(trial.interrupted["companion"])


def _train_epoch(
    epoch: int, trial: LiveTrial, batches: Batches, schedule: _Schedule, steps: Steps
) -> tuple[EpochResult, Usage]:
    if trial.optimizer is None:
        raise AssertionError("an epoch is trained outside of a training stage")
    first = epoch * schedule.steps

    def rate(step: int) -> float:
        return schedule.rate(first + step)

    meter = EnergyMeter(trial.context.device) if "energy" in trial.spec.objectives else None
    before = meter.joules() if meter is not None else 0.0
    with gauge(trial.context.device) as measured:
        result = trial.companion.train_epoch(Epoch(epoch, batches, trial.optimizer, rate)) or train_epoch(
            trial.model,
            batches,
            trial.optimizer,
            rate,
            task=smoothed(trial.task, schedule.training.label_smoothing),
            precision=trial.precision,
            companion=trial.companion,
            skip=max(0, schedule.begin - first),
            steps=steps,
        )
    usage = measured.usage(result.images, result.seconds)
    trial.measured["train_seconds"] = trial.measured.get("train_seconds", 0.0) + result.seconds
    if meter is not None:
        used = torch.tensor(meter.joules() - before, dtype=torch.float64, device=trial.context.device)
        trial.measured["energy"] = trial.measured.get("energy", 0.0) + parallel.total(used).item()
    if "peak_memory" in trial.spec.objectives and usage.peak_memory is not None:
        trial.measured["peak_memory"] = max(usage.peak_memory, trial.measured.get("peak_memory", 0.0))
    return result, usage


def _seconds_left(stage: Train, trial: LiveTrial) -> float:
    """Return the seconds that the rest of a stage takes if its epochs take as long as the last one; 0 before any."""
    last = trial.last_report
    return (stage.epochs - trial.position.epoch) * last.seconds if last is not None else 0.0


def _judging(trial: LiveTrial, runs: Runs) -> Judging:
    """Return how the network is evaluated while it trains: plainly where its companion refuses captures."""
    return runs.judging if trial.companion.acts.refusal is None else judged_plainly


def _report(
    trial: LiveTrial, recipe: Recipe, result: EpochResult, usage: Usage, rate: float | None, judging: Judging
) -> Report:
    require_learnable(result.loss, f"training loss in epoch {trial.position.reports}", recipe, trial)
    measured = evaluate_on(trial, "validation", judging=judging)
    cost = projected(recipe, trial)
    return Report(
        epoch=trial.position.reports,
        fidelity=_fidelity(trial, recipe),
        stage=type(recipe[trial.position.stage]).__name__.lower(),
        accuracy=measured.metrics.get("accuracy"),
        loss=measured.loss,
        train_loss=result.loss,
        learning_rate=rate,
        seconds=result.seconds,
        macs_projected=cost.macs,
        params_projected=cost.params,
        usage=usage,
        qualities={name: value for name, value in measured.metrics.items() if name != "accuracy"},
    )


def require_learnable(loss: float, where: str, recipe: Recipe, trial: LiveTrial) -> None:
    """Raise TrainingDiverged unless a loss is a number that says something about the trial's task."""
    spec = trial.spec
    acts = any(isinstance(stage, Train) and stage.during is not None for stage in recipe)
    own = f", or the learning rates and penalties among the hyper-parameters of {spec.paradigm}" if acts else ""
    remedy = f"lower training.lr = {spec.training.lr:g}{own}"
    refuse_divergence(loss, where, lambda: evaluate_on(trial.dense(), "validation").loss, remedy)


def _fidelity(trial: LiveTrial, recipe: Recipe) -> float:
    stage, position = recipe[trial.position.stage], trial.position
    assert isinstance(stage, Train)
    left = stage.epochs - position.epoch + training_epochs(recipe[position.stage + 1 :])
    whole = training_epochs(recipe)
    return min(position.trained, whole - left) / whole if left else 1.0  # parts of epochs are rounded to steps


def evaluate_on(
    trial: LiveTrial, split: str, *, keep_logits: bool = False, judging: Judging = judged_plainly
) -> Evaluation:
    """Evaluate the trial's network on the split ``"train"``, ``"validation"`` or ``"test"`` in float32."""
    data = trial.dataset
    images = getattr(data, split)
    return evaluate(
        trial.model,
        images,
        data.mean,
        data.std,
        task=trial.task,
        channels_last=trial.spec.training.channels_last,
        keep_logits=keep_logits,
        judging=judging,
    )


def _companion(trial: LiveTrial, schedule: _Schedule, recipe: Recipe) -> Companion:
    """Return everything that acts inside the stage."""
    stage = schedule.stage
    companions = [] if stage.during is None else [attach(stage.during, trial, schedule.length)]
    if stage.snapshot_epoch is not None:
        companions.append(_SnapshotAt(trial, round(stage.snapshot_epoch * schedule.steps) - schedule.begin))
    if isinstance(trial.model, EquilibriumNetwork) and trial.model.jacobian:
        companions.append(Contraction(trial.model))
    if trial.spec.ensemble is not None and _is_last_training(trial, recipe):
        begin = schedule.length - max(1, round(trial.spec.ensemble.window * schedule.length))
        companions.append(_KeepsMoments(trial, begin))
    return Companions(*companions)


def _is_last_training(trial: LiveTrial, recipe: Recipe) -> bool:
    return not any(isinstance(stage, Train) for stage in recipe[trial.position.stage + 1 :])


class _KeepsMoments(WatchesWeights):
    """Leaves the moments of the weights to the trial when the stage ends."""

    def __init__(self, trial: LiveTrial, begin: int) -> None:
        super().__init__(trial.model, begin)
        self._trial = trial

    def finish(self) -> None:
        self._trial.moments = self.moments()


class _SnapshotAt(Companion):
    """Keeps a copy of the network as it is after `step` steps of the stage (0: before the first)."""

    def __init__(self, trial: LiveTrial, step: int) -> None:
        self._trial, self._left = trial, step
        if step == 0 and trial.interrupted is None:
            trial.take_snapshot()

    @property
    def acts(self) -> Acts:
        return Acts(after_step=Act.HOST)

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
        raise AssertionError("a recipe rewinds, but no earlier stage has taken a snapshot")
    trial.model.load_state_dict(trial.snapshot)
    trial.remask()


@torch.no_grad()
def _reinitialize(trial: LiveTrial, stage: Reinitialize) -> None:
    signs = {name: weight.sign() for name, weight in prunable_weights(trial.model).items()}
    _draw_fresh_weights(trial)
    for name, weight in prunable_weights(trial.model).items():
        size = weight.std().expand_as(weight) if stage.constant else weight.abs()
        weight.copy_(size * (signs[name] if stage.keep_signs else weight.sign()))
    trial.remask()


def _draw_fresh_weights(trial: LiveTrial) -> None:
    before = trial.model.state_dict()
    with torch.random.fork_rng():
        torch.manual_seed(trial.spec.seed + FRESH_SEED)
        fresh = trial.build_start().state_dict()
        trial.model.load_state_dict(redrawn(fresh, before))
        if any(fresh[name].shape != tensor.shape for name, tensor in before.items()):
            trial.scale_first_weights(trial.model)  # a readout's deviation is not that of other layers


def _remove(trial: LiveTrial) -> None:
    smaller = copy.deepcopy(trial.model)
    remove(smaller, trial.plan)
    probe = torch.Generator().manual_seed(trial.spec.seed)
    difference = disagreement(trial.model, smaller, trial.dataset.input_shape, generator=probe)
    if not difference <= TOLERANCE:
        raise RemovalMismatch(f"logits differ by {difference:.1e} after removal; at most {TOLERANCE:.0e} is rounding")
    trial.measured["removal_disagreement"] = difference
    trial.replace_model(smaller)
