"""Which comparison between trials is fair: what they share of training, by the setups of arXiv 2301.05219, table 2.

Pruning ratios differ along a front by its nature; everything else that is not the method should not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from orchestrator.records import TrialRecord
from trainables.errors import InvalidValue, nearest

SETUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "S1": (),
        "S2": ("pretrain_epochs",),
        "S3.1": ("pretrain_epochs", "finetune_epochs"),
        "S3.2": ("pretrain_epochs", "finetune_epochs", "finetune_lr"),
        "S4.1": ("pretrain_epochs", "finetune_epochs", "finetune_lr", "pruning_epochs"),
        "SX-A": ("total_epochs",),
        "SX-B": ("train_cost",),
    }
)
"""What must be equal, by setup: S1 data and network (one study has one of each), S2 the base network too, S3.1
finetuning epochs too, S3.2 their learning rates too, S4.1 pruning epochs too; SX-A all epochs together, SX-B all
training MACs together."""

TOLERANCE = 0.01
"""Relative difference up to which epochs, rates and costs count as equal."""


def check_setup(name: str) -> str:
    """Return `name` if it is a setup; raises InvalidValue otherwise."""
    if name not in SETUPS:
        raise InvalidValue("--setup", name, f"must be one of {', '.join(SETUPS)}{nearest(name, SETUPS)}")
    return name


def satisfied_setups(records: Iterable[TrialRecord]) -> list[str]:
    """Return the setups that all pruned trials among the records satisfy together."""
    pruned = list(records)
    return [setup for setup in SETUPS if not unequal(pruned, setup)]


def unequal(records: Iterable[TrialRecord], setup: str) -> dict[str, dict[float, list[int]]]:
    """Return what the setup wants equal and is not: for each such quantity, the trial numbers by its value.

    The dense baseline is not pruned and is left out; so are records without measurements.
    """
    compared = [record for record in records if record.metrics and record.paradigm != "dense"]
    groups = {quantity: _by_value(compared, quantity) for quantity in SETUPS[setup]}
    return {quantity: values for quantity, values in groups.items() if len(values) > 1}


def _by_value(records: Iterable[TrialRecord], quantity: str) -> dict[float, list[int]]:
    """Group trial numbers by their value of a quantity; values closer than the tolerance are one."""
    exact: dict[float, list[int]] = defaultdict(list)
    for record in records:
        exact[record.metrics.get(quantity, 0.0)].append(record.trial)
    groups: dict[float, list[int]] = defaultdict(list)
    for value, trials in sorted(exact.items()):
        same = next((known for known in groups if abs(value - known) <= TOLERANCE * max(known, value, 1e-12)), value)
        groups[same] += trials
    return dict(groups)
