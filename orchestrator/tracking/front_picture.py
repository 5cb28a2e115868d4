"""The front as a picture on a study's parent run in MLflow."""

from collections.abc import Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from orchestrator.ledger.records import TrialRecord
from orchestrator.results import quantities
from orchestrator.results.front import is_eligible
from orchestrator.results.palette import REFERENCE, colors
from orchestrator.results.reference import dense_reference
from orchestrator.results.replicates import replicates
from orchestrator.results.standings import members
from orchestrator.tracking.steps import TrackedStudy


def picture(study: TrackedStudy, records: Sequence[TrialRecord], front: Sequence[TrialRecord]) -> Figure:
    """Draw the first objective against each of the others: eligible trials by paradigm, the front as a line.

    Where the study asks for several seeds, the front is that of the means.
    """
    first, *others = study.objectives
    drawn, title = _front(study, records, front)
    figure = Figure(figsize=(7.0 * max(1, len(others)), 5.0), dpi=120, layout="constrained")
    eligible = [record for record in records if is_eligible(record, study.objectives)]
    for axes, other in zip(figure.subplots(1, max(1, len(others)), squeeze=False)[0], others or [first], strict=True):
        _plot(axes, other, first, study, eligible, drawn)
        _mark(axes, other, first, dense_reference(records, study.objectives))
        _intervals(axes, other, first, study, records)
        axes.legend()
    figure.suptitle(title or f"{study.name}: {len(front)} of {len(eligible)} eligible trials on the front")
    return figure


def _front(
    study: TrackedStudy, records: Sequence[TrialRecord], front: Sequence[TrialRecord]
) -> tuple[Sequence[TrialRecord], str | None]:
    """Return the members of the front that is drawn, and its title if they are means."""
    if study.means_within is None:
        return front, None
    groups = replicates(records, study.objectives)
    means = members(records, study.objectives, study.means_within)
    return means, f"{study.name}: {len(means)} of {len(groups)} configurations on the front by the mean over seeds"


def _plot(
    axes: Axes, x: str, y: str, study: TrackedStudy, eligible: Sequence[TrialRecord], front: Sequence[TrialRecord]
) -> None:
    for paradigm, color in colors(record.paradigm for record in eligible).items():
        points = [record.metrics for record in eligible if record.paradigm == paradigm]
        axes.scatter([m[x] for m in points], [m[y] for m in points], s=28, alpha=0.75, color=color, label=paradigm)
    line = sorted((record.metrics[x], record.metrics[y]) for record in front)
    xs, ys = [x for x, _ in line], [y for _, y in line]
    axes.scatter(xs, ys, s=70, facecolors="none", edgecolors="black", linewidths=0.8, label="front")
    if len(study.objectives) == 2:
        axes.step(xs, ys, where="post" if study.objectives[x] == "minimize" else "pre", color="black", linewidth=0.8)
    for axis, metric in ((axes.xaxis, x), (axes.yaxis, y)):
        axis.set_major_formatter(FuncFormatter(partial(_tick, metric)))
        axis.set_label_text(quantities.name(metric))
    axes.grid(alpha=0.3)


def _intervals(axes: Axes, x: str, y: str, study: TrackedStudy, records: Sequence[TrialRecord]) -> None:
    """Draw means of configurations with several seeds, with their 95 % intervals, if the study asks for seeds."""
    groups = replicates(records, study.objectives) if study.means_within is not None else []
    pairs = [(g.estimate(x), g.estimate(y)) for g in groups if len(g.records) > 1 and g.is_eligible(())]
    means = [(across, up) for across, up in pairs if across is not None and up is not None]
    if means:
        shown = axes.axis()
        axes.errorbar(
            [across.mean for across, _ in means],
            [up.mean for _, up in means],
            xerr=[across.half_width or 0.0 for across, _ in means],
            yerr=[up.half_width or 0.0 for _, up in means],
            fmt="none",
            ecolor="grey",
            elinewidth=3,
            alpha=0.5,
            label="mean and 95 % interval over seeds",
        )
        axes.axis(shown)  # an interval of few seeds may leave what a metric can be


def _mark(axes: Axes, x: str, y: str, reference: TrialRecord | None) -> None:
    """Draw the dense network, the reference, as a star."""
    if reference is not None and {x, y} <= reference.metrics.keys():
        position, label = (reference.metrics[x], reference.metrics[y]), "dense network, the reference"
        axes.plot(*position, marker="*", ms=17, color=REFERENCE, mec="black", mew=0.8, ls="", zorder=3, label=label)


def _tick(metric: str, value: float, _position: int) -> str:
    return quantities.show(metric, value)
