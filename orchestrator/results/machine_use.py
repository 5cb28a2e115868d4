"""A trial's use of the machine, over all its epochs."""

from statistics import median

from orchestrator.ledger.epoch import USAGE_FIELDS
from orchestrator.ledger.records import TrialRecord


def machine_use(record: TrialRecord) -> dict[str, float]:
    """Return the median images per second and device use of the epochs, and their highest peak memory, where known."""
    measured = {
        name: [value for epoch in record.curve if (value := epoch.figure(name)) is not None] for name in USAGE_FIELDS
    }
    return {name: (max if name == "peak_memory" else median)(values) for name, values in measured.items() if values}
