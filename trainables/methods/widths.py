"""What searches for widths share: the groups that they may change, and how a trial continues with other widths."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import torch

from trainables.structure.carrying import carried
from trainables.structure.channels import ChannelGroup
from trainables.structure.widths import Widths, require_resizable, resized, widths_of

if TYPE_CHECKING:
    from trainables.state import LiveTrial

WIDTH: Final = "width."
"""Before the name of a group: the metric of how many channels it has."""


def searched_groups(trial: "LiveTrial") -> tuple[ChannelGroup, ...]:
    """Return the groups whose widths can be chosen; raises InfeasibleTrial for a network that cannot be searched."""
    require_resizable(trial.model, trial.groups, trial.spec.model.name)
    return trial.groups


def set_widths(trial: "LiveTrial", widths: Widths) -> None:
    """Continue with other widths and the weights carried over; measures the widths."""
    with torch.no_grad():
        trial.replace_model(resized(trial.model, searched_groups(trial), widths, carried))
    trial.measured |= {f"{WIDTH}{name}": float(width) for name, width in widths.items()}


def set_equal_widths(trial: "LiveTrial", width: int) -> None:
    """Give every group `width` channels."""
    set_widths(trial, dict.fromkeys(widths_of(searched_groups(trial)), width))


def remembered(trial: "LiveTrial", what: str, groups: Iterable[str]) -> dict[str, float]:
    """Return the metric `what` of the groups of these names, where an earlier round has measured it."""
    return {name: trial.measured[f"{what}{name}"] for name in groups if f"{what}{name}" in trial.measured}


def remember(trial: "LiveTrial", what: str, values: Mapping[str, float]) -> None:
    """Leave a number for each group, by its name, to the next round, as a metric of the trial."""
    trial.measured |= {f"{what}{name}": float(value) for name, value in values.items()}
