"""What a trial took of the machine, over all its epochs."""

from statistics import median

from orchestrator.ledger.records import USAGE_FIELDS, TrialRecord


def machine_use(record: TrialRecord) -> dict[str, float]:
    """Return the median of an epoch's images per second and device use, and the highest peak of memory, where known."""
    measured = {name: [float(epoch[name]) for epoch in record.curve if name in epoch] for name in USAGE_FIELDS}
    return {name: (max if name == "peak_memory" else median)(values) for name, values in measured.items() if values}
