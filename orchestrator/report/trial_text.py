"""What is said of a trial, and of a configuration with several seeds, under the pointer."""

import json
from collections.abc import Iterable, Mapping

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.figures.slices import plain
from orchestrator.results import quantities
from orchestrator.results.replicates import Replicates
from trainables import metrics

MEAN = "m"
"""What stands before the number of a configuration's first trial where its mean is meant."""


def trial_text(record: TrialRecord) -> str:
    """Return a trial's number and paradigm, its figures and its hyper-parameters, a line for each kind."""
    settings = [*_settings(record), f"seed {record.seed}"]
    return "\n".join([f"trial {record.trial} · {record.paradigm}", *_findings(record), ", ".join(settings)])


def mean_text(group: Replicates) -> str:
    """Return which trials a configuration has, its means with their 95 % intervals, and its hyper-parameters."""
    numbers, first = ", ".join(str(record.trial) for record in group.records), group.first
    named = f"trials {numbers}, {len(group.records)} seeds" if len(group.records) > 1 else f"trial {numbers}, one seed"
    return "\n".join([f"{named} · {first.paradigm}", *_means(group), ", ".join(_settings(first))])


def texts_as_json(records: Iterable[TrialRecord], groups: Iterable[Replicates] = ()) -> str:
    """Return what is said of each trial, and of each configuration's mean, by its number, for a page's script."""
    means = {f"{MEAN}{group.first.trial}": mean_text(group) for group in groups}
    return as_json({**{str(record.trial): trial_text(record) for record in records}, **means})


def as_json(texts: Mapping[str, str]) -> str:
    """Return texts by their keys as JSON without a `<`, so that nothing in it ends a script."""
    plain = json.dumps(texts, ensure_ascii=False)
    return plain.replace("<", "\\u003c").replace("\u2028", " ").replace("\u2029", " ")


def _settings(record: TrialRecord) -> list[str]:
    return [f"{name} {plain(value)}" for name, value in record.params.items()]


def _findings(record: TrialRecord) -> list[str]:
    if record.state is not State.COMPLETE:
        return [f"{record.state.value} at {record.fidelity:.0%} of its budget"]
    known = [name for name in metrics.shown("figure") if name in record.metrics]
    return [f"{quantities.name(name)} {quantities.show(name, record.metrics[name])}" for name in known]


def _means(group: Replicates) -> list[str]:
    known = ((name, group.estimate(name)) for name in metrics.shown("figure"))
    return [f"mean {quantities.name(name)} {of.show(name)}" for name, of in known if of is not None]
