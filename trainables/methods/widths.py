"""What searches for widths share: the groups that they may change, and how a trial continues with other widths."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from trainables.data.dataset import Split
from trainables.structure.carrying import carried
from trainables.structure.channels import ChannelGroup
from trainables.structure.widths import Convert, Widths, require_resizable, resized, widths_of
from trainables.training.epoch import FORWARD
from trainables.training.training import Evaluation, evaluate

if TYPE_CHECKING:
    from torch import nn

    from trainables.state import LiveTrial

WIDTH: Final = "width."
"""Before the name of a group: the metric of how many channels it has."""


def searched_groups(trial: "LiveTrial") -> tuple[ChannelGroup, ...]:
    """Return the groups whose widths can be chosen; raises InfeasibleTrial for a network that cannot be searched."""
    require_resizable(trial.model, trial.groups, trial.spec.model.name)
    return trial.groups


def set_widths(trial: "LiveTrial", widths: Widths, carry: Convert = carried) -> None:
    """Continue with other widths and the weights that `carry` makes of the old ones; measures the widths."""
    with torch.no_grad():
        trial.replace_model(resized(trial.model, searched_groups(trial), widths, carry))
    trial.measured |= {f"{WIDTH}{name}": float(width) for name, width in widths.items()}


def set_equal_widths(trial: "LiveTrial", width: int) -> None:
    """Give every group `width` channels."""
    set_widths(trial, dict.fromkeys(widths_of(searched_groups(trial)), width))


def scale_widths(trial: "LiveTrial", factor: float) -> None:
    """Give every group `factor` times its channels, at least one."""
    widths = widths_of(searched_groups(trial))
    set_widths(trial, {name: max(1, round(factor * width)) for name, width in widths.items()})


def remembered(trial: "LiveTrial", what: str, groups: Iterable[str]) -> dict[str, float]:
    """Return the metric `what` of the groups of these names, where an earlier round has measured it."""
    return {name: trial.measured[f"{what}{name}"] for name in groups if f"{what}{name}" in trial.measured}


def remember(trial: "LiveTrial", what: str, values: Mapping[str, float]) -> None:
    """Leave a number for each group, by its name, to the next round, as a metric of the trial."""
    trial.measured |= {f"{what}{name}": float(value) for name, value in values.items()}


def held_out(trial: "LiveTrial", share: float) -> Split:
    """Return the training images that a stage with this share of them held out does not train on."""
    return part_of(trial.dataset.train, trial.divided(share)[1])


def part_of(split: Split, numbers: Tensor) -> Split:
    """Return the images of these numbers, int64 [n]."""
    of_images, of_labels = numbers.to(split.images.device), numbers.to(split.labels.device)
    return replace(split, images=split.images[of_images], labels=split.labels[of_labels])


def judged(trial: "LiveTrial", network: "nn.Module", images: Split) -> Evaluation:
    """Evaluate a network on some of the trial's images."""
    data, last = trial.dataset, trial.spec.training.channels_last
    return evaluate(network, images, data.mean, data.std, task=trial.task, channels_last=last)


def add_passes(trial: "LiveTrial", macs: float) -> None:
    """Count forward passes in the cost of training: the MACs of all images."""
    trial.position.macs += FORWARD * macs / len(trial.dataset.train)


@contextmanager
def counted(trial: "LiveTrial") -> Iterator[None]:
    """Count the time of the block, in which a search decides, in that of training."""
    begin = time.perf_counter()
    yield
    trial.measured["train_seconds"] = trial.measured.get("train_seconds", 0.0) + time.perf_counter() - begin
