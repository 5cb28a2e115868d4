"""A trial in progress: the network, its masks, where in the recipe it stands."""

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainables import models, parallel, tasks
from trainables.context import Context, Report
from trainables.data.augmentation import augmentation_for
from trainables.data.batches import Batches
from trainables.data.corrupting import corrupting_for
from trainables.data.dataset import Dataset
from trainables.data.stratified import draw
from trainables.masking.masks import Masks
from trainables.models import weight_files
from trainables.spec import ModelSpec, TrialSpec
from trainables.structure.blocks import residual_blocks
from trainables.structure.channels import ChannelGroup
from trainables.structure.complexity import Complexity, effective
from trainables.structure.layer_times import LayerTimes
from trainables.structure.removable import removable_groups
from trainables.structure.removal import RemovalPlan, mask
from trainables.structure.start import Start, start_of
from trainables.training.architecture_scaling import graph_of, initialize
from trainables.training.companion import Companion
from trainables.training.moments import Moments
from trainables.training.precision import precision_for, trusted_or_float32

LOG = logging.getLogger(__name__)


@dataclass
class Position:
    """How far a trial is: finished stages, and finished epochs of the current one.

    Over all stages: epochs trained, reports made, and `macs`, the epochs trained times the effective MACs of the
    network that was trained and the share of the training images that it saw.
    """

    stage: int = 0
    epoch: int = 0
    trained: float = 0.0
    reports: int = 0
    macs: float = 0.0

    def end_epoch(self, epoch: int, share: float, macs: float) -> None:
        """Count the stage's epoch number `epoch`, of which only `share` was trained if the stage begins inside it."""
        self.epoch, self.reports = epoch + 1, self.reports + 1
        self.trained, self.macs = self.trained + share, self.macs + share * macs


class LiveTrial:
    """Everything that changes while a recipe runs; `checkpoint.py` saves and restores it.

    `task` is what the network learns, and `dataset` has its targets.
    `start` is the shape with which the trial begins, where its weights say of what shape they are; `starts_smaller`
    whether that is less than the dense network. `masks` are all that hold on the network: those of single weights
    together with those of the filters that `plan` names and that will be removed. `dropped` names the residual blocks
    that are gone, before the start too; `snapshot` is the network's state at the rewinding point. `optimizer` and
    `companion` live as long as a training stage; `interrupted` holds their states after a restore. `last_report` is
    that of the last epoch trained. `moments` are those of the weights over the end of training, until an ensemble is
    drawn from them. `layer_times` are those of the network at the start, if a budget asked for them. The dense network
    is built from the seed, so that it need not be stored.
    """

    def __init__(
        self, spec: TrialSpec, dataset: Dataset, context: Context, start: Callable[[ModelSpec], Start | None] = start_of
    ) -> None:
        """Build the network with which the trial begins; `start` says of what shape it is."""
        self.spec, self.context = spec, context
        self.task = tasks.find(spec.task)
        self.dataset = dataset.of_task(self.task)
        torch.manual_seed(spec.seed)
        self.start = start(spec.model)
        model, self.starts_smaller = self._started()
        self.model = self.place(model)
        self.masks = Masks(self.model)
        self.weight_masks: dict[str, Tensor] = {}
        self.plan = RemovalPlan()
        self._removable: frozenset[str] | None = None
        self.dropped: tuple[str, ...] = self.start.dropped_blocks if self.start is not None else ()
        self.snapshot: dict[str, Tensor] | None = None
        self.generator = torch.Generator().manual_seed(spec.seed)
        self.position = Position()
        self.optimizer: Optimizer | None = None
        self.companion = Companion()
        self.interrupted: dict[str, Any] | None = None
        self.chosen_precision: torch.dtype | None = None
        self.measured: dict[str, float] = {}
        self.last_report: Report | None = None
        self.moments: Moments | None = None
        self.layer_times: LayerTimes | None = None

    def build(self) -> nn.Module:
        """Build the dense network with weights from torch's current random state."""
        shape = self.dataset.input_shape
        spec = self.spec.model
        model = models.build(spec.name, classes=self.dataset.classes, input_shape=shape, options=spec.options)
        self.scale_first_weights(model)
        return model

    def scale_first_weights(self, model: nn.Module) -> None:
        """Draw a network's weights again as its architecture asks, if the trial's first weights are scaled."""
        if self.spec.training.scaling == "architecture_aware":
            initialize(model, graph_of(model, self.dataset.input_shape, self.spec.model.name))

    def build_start(self) -> nn.Module:
        """Build the network that the trial starts from, with fresh weights: smaller if its weights are of such a one.

        Raises InvalidValue for weights of another network.
        """
        return self._started()[0]

    def _started(self) -> tuple[nn.Module, bool]:
        """Return the network that the trial starts from, and whether it is smaller than the dense one."""
        model = self.build()
        return model, self.start is not None and self.start.shape(model, self.dataset.classes)

    def dense(self) -> "LiveTrial":
        """Return a trial of the dense network, untrained; torch's random state stays as it is."""
        bare = replace(self.spec, model=replace(self.spec.model, weights=None))
        with torch.random.fork_rng():
            return LiveTrial(bare, self.dataset, self.context)

    def adopt_weights(self) -> None:
        """Start from the weights that the spec names; raises InvalidValue where they are not of this network."""
        model, dataset = self.spec.model, self.dataset
        weights = weight_files.load(model, dataset.input_shape)
        head = weight_files.adopt(self.model, weights, dataset.classes, str(model.weights))
        if head:
            LOG.info("the head (%s) has another size in %s: it begins untrained", ", ".join(head), model.weights)

    def place(self, model: nn.Module) -> nn.Module:
        """Move a network to the trial's device and memory format."""
        layout = torch.channels_last if self.spec.training.channels_last else torch.contiguous_format
        placed: nn.Module = model.to(self.context.device).to(memory_format=layout)  # type: ignore[call-overload]
        return placed

    def batches(self, held_out: float = 0.0) -> Batches:
        """The training batches, without the images `held_out`; iterating them advances the trial's generator."""
        data, spec, corruptions = self.dataset, self.spec.training, self.spec.data.corruptions
        return Batches(
            data.train,
            data.mean,
            data.std,
            batch_size=spec.batch_size,
            augment=augmentation_for(self.spec.data, data.input_shape) if spec.augment else None,
            channels_last=spec.channels_last,
            device=self.context.device,
            generator=self.generator,
            only=self.divided(held_out)[0] if held_out else None,
            corrupt=corrupting_for(corruptions, data.input_shape) if corruptions is not None else None,
        )

    def divided(self, held_out: float) -> tuple[Tensor, Tensor]:
        """Return the numbers of the training images that stay, and of those held out: that share, at least two."""
        labels = self.dataset.train.labels
        drawn = draw(labels, max(2, round(held_out * len(labels))), self.spec.data.split_seed)
        return (~drawn).nonzero().flatten(), drawn.nonzero().flatten()

    @property
    def precision(self) -> torch.dtype:
        """The type in which the network multiplies in training, chosen where it is first asked for."""
        if self.chosen_precision is None:
            self.chosen_precision = self._choose_precision()
        return self.chosen_precision

    def _choose_precision(self) -> torch.dtype:
        """Choose by the first training batch; of several processes the first decides."""
        spec, device = self.spec.training, self.context.device
        precision = precision_for(spec, device)
        if spec.precision != "auto":
            return precision
        if precision != torch.float32:
            precision = trusted_or_float32(precision, self.model, *self._first_batch(), self.spec.model.name, self.task)
        narrow = torch.tensor(precision != torch.float32, device=device, dtype=torch.uint8)
        return torch.bfloat16 if parallel.agree({"narrow": narrow})["narrow"] else torch.float32

    def _first_batch(self) -> tuple[Tensor, Tensor]:
        state = self.generator.get_state()
        with parallel.alone():
            images, labels = next(iter(self.batches()))
        self.generator.set_state(state)
        return images, labels

    @cached_property
    def groups(self) -> tuple[ChannelGroup, ...]:
        """The groups of channels that can go together, in the coordinates of the network before removal."""
        groups = removable_groups(self.model, self.dataset.input_shape, known=self._removable)
        self._removable = frozenset(producer for group in groups for producer in group.producers)
        return groups

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """The residual blocks that can be dropped, those that the plan names among them."""
        return residual_blocks(self.model)

    def cost(self) -> Complexity:
        """Count what the network costs now; what is masked costs nothing."""
        return effective(self.model, self.dataset.input_shape, self.masks.items())

    def mask_weights(self, masks: Mapping[str, Tensor]) -> None:
        """Mask single weights; filters masked by the plan stay so."""
        self.weight_masks = dict(masks)
        self.remask()

    def mask_plan(self, plan: RemovalPlan) -> None:
        """Mask the filters of `plan`, which will be removed later; single masked weights stay so."""
        self.plan = plan
        self.remask()

    def remask(self) -> None:
        """Apply the masks again, to a network that was given other weights too."""
        together = dict(mask(self.model, self.plan)) if self.plan else {}
        for name, by_weight in self.weight_masks.items():
            together[name] = by_weight * together[name] if name in together else by_weight
        self.masks.set(together)
        if self.optimizer is not None:
            self.masks.forget(self.optimizer)

    def replace_model(self, model: nn.Module) -> None:
        """Continue with a network of another shape; single weights that were masked and are still there stay masked."""
        self.dropped += self.plan.dropped_blocks
        self.model, self.plan = self.place(model), RemovalPlan()
        weights = dict(model.named_parameters())
        self.weight_masks = {name: (weights[name] != 0).float() for name in self.weight_masks if name in weights}
        self.masks = Masks(model, self.weight_masks)
        for cached in ("groups", "blocks"):
            self.__dict__.pop(cached, None)

    def take_snapshot(self) -> None:
        """Remember the network as it is, for a later rewind."""
        self.snapshot = copy.deepcopy(self.model.state_dict())

    def end_stage(self) -> None:
        """Move to the next stage of the recipe, without an optimizer and a companion."""
        self.position.stage, self.position.epoch = self.position.stage + 1, 0
        self.optimizer, self.companion, self.interrupted = None, Companion(), None
