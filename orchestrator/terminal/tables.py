"""What tables for the terminal share: their style, measurements and hyper-parameters in short; and the paradigms."""

from collections.abc import Mapping

from rich import box
from rich.table import Table

from orchestrator.ledger.records import TrialRecord
from orchestrator.results import quantities
from orchestrator.results.reference import share_of_dense
from orchestrator.spec.study_spec import Range, StudySpec
from trainables.paradigms.base import Paradigm
from trainables.spec import Value

MOST_ROWS = 200
"""The members that a table of a front shows: where trials are equal, a front can hold most of a long study."""


def measured(metric: str, values: Mapping[str, float], reference: TrialRecord | None = None) -> str:
    """Return a metric in human units, with its share of the dense network's where that is known."""
    share = share_of_dense(metric, values, reference)
    return quantities.show(metric, values.get(metric)) + (f" ({share:.1%})" if share is not None else "")


def configuration(spec: StudySpec, record: TrialRecord) -> str:
    """Return the hyper-parameters that were searched, in short; those that the study fixes are the same everywhere."""
    chosen = spec.paradigms.get(record.paradigm, {})
    searched = {name: value for name, value in record.params.items() if isinstance(chosen.get(name, []), list | Range)}
    return " ".join(f"{name}={_setting(value)}" for name, value in searched.items())


def _setting(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value).lower()


def paradigm_table(paradigms: Mapping[str, type[Paradigm]]) -> Table:
    """Return the installed paradigms with their hyper-parameters."""
    table = titled("Paradigms")
    table.add_column("paradigm", style="cyan", no_wrap=True)
    table.add_column("when")
    table.add_column("hyper-parameters")
    table.add_column("source", style="dim")
    for name, paradigm in paradigms.items():
        table.add_row(name, paradigm.axes.get("when", ""), ", ".join(paradigm.hyperparameters()), paradigm.source)
    return table


def titled(title: str) -> Table:
    """Return an empty table in the style of all tables."""
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, row_styles=("",))
