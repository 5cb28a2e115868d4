"""The front of a study as a matplotlib figure, for notebooks."""

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.ledger import ledger
from orchestrator.results.trials import Trials
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from trainables.errors import check_name
from trainables.metrics import TABLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(store: Store | Path | str, study: str, x: str | None = None) -> "Figure":
    """Return a study's first objective against the metric `x`, by default its second objective, with the front.

    Raises InvalidValue for a study that does not exist, and for a metric that there is none of.
    """
    from orchestrator.report.figures import front_figure
    from orchestrator.report.paper import draw  # imports matplotlib

    folder = Store.at(store).existing(study, "NAME")
    spec = StudySpec.stored(folder.spec)
    if x is not None:
        check_name("x", x, TABLE)
    first, *others = spec.objectives
    trials = Trials(ledger.read(folder), spec.objectives)
    return draw(front_figure(trials, x or (others[0] if others else first), first))
