"""What is said of a trial under the pointer."""

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.figures.slices import plain
from orchestrator.results import quantities
from trainables import metrics


def trial_text(record: TrialRecord) -> str:
    """Return a trial's number and paradigm, its figures and its hyper-parameters, a line for each kind."""
    settings = [*(f"{name} {plain(value)}" for name, value in record.params.items()), f"seed {record.seed}"]
    return "\n".join([f"trial {record.trial} · {record.paradigm}", *_findings(record), ", ".join(settings)])


def _findings(record: TrialRecord) -> list[str]:
    if record.state is not State.COMPLETE:
        return [f"{record.state.value} at {record.fidelity:.0%} of its budget"]
    known = [name for name in metrics.shown("figure") if name in record.metrics]
    return [f"{quantities.name(name)} {quantities.show(name, record.metrics[name])}" for name in known]
