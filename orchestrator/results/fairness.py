"""Checks whether comparing trials is fair: what their training has in common, by arXiv 2301.05219, table 2.

Pruning ratios necessarily differ along a front; everything else except the method should not.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from orchestrator.ledger.records import TrialRecord
from orchestrator.spec.params import PREFIX, is_shared
from trainables.errors import InvalidValue, nearest
from trainables.spec import Value

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
"""What must be equal, by setup: S1 data and network (a study that searches neither has one of each), S2 the base
network too, S3.1 finetuning epochs too, S3.2 their learning rates too, S4.1 pruning epochs too; SX-A all epochs
together, SX-B all training MACs together. What a study searches of its network must be equal in all, what it searches
of its training wherever the base network must."""

UNSEARCHED = "as in the study file"
"""Stands in for the value where a trial did not search this part of its network or training."""

TOLERANCE = 0.01
"""Relative difference up to which epochs, rates and costs count as equal."""


def check_setup(name: str) -> str:
    """Return `name` if it is a setup; raises InvalidValue otherwise."""
    if name not in SETUPS:
        raise InvalidValue("--setup", name, f"must be one of {', '.join(SETUPS)}{nearest(name, SETUPS)}")
    return name


def satisfied_setups(records: Iterable[TrialRecord]) -> list[str]:
    """Return the setups that the pruned trials among the records satisfy."""
    pruned = list(records)
    return [setup for setup in SETUPS if not unequal(pruned, setup)]


def unequal(records: Iterable[TrialRecord], setup: str) -> dict[str, dict[Value, list[int]]]:
    """Return the quantities that should be equal in this setup but are not, each with the trial numbers by value.

    Dense baselines, which are not pruned, and records without measurements are left out.
    """
    compared = [record for record in records if record.metrics and record.paradigm != "dense"]
    groups = {
        quantity: _groups((record.metrics.get(quantity, 0.0), record.trial) for record in compared)
        for quantity in SETUPS[setup]
    }
    names = dict.fromkeys(name for record in compared for name in record.params if _must_be_equal(name, setup))
    groups |= {name: _groups((r.params.get(name, UNSEARCHED), r.trial) for r in compared) for name in names}
    return {quantity: values for quantity, values in groups.items() if len(values) > 1}


def _must_be_equal(name: str, setup: str) -> bool:
    """Return whether a hyper-parameter is of the network, or of a training that the base network shares."""
    return is_shared(name) and (not name.startswith(PREFIX) or "pretrain_epochs" in SETUPS[setup])


def _groups(values: Iterable[tuple[Value, int]]) -> dict[Value, list[int]]:
    """Group trial numbers by their values; numbers within the tolerance count as one value."""
    groups: dict[Value, list[int]] = defaultdict(list)
    for value, trial in sorted(values, key=lambda pair: (isinstance(pair[0], str), pair[0])):
        equal = next((known for known in groups if _are_close(known, value)), value)
        groups[equal].append(trial)
    return dict(groups)


def _are_close(one: Value, other: Value) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return abs(one - other) <= TOLERANCE * max(one, other, 1e-12)
