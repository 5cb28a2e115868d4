"""What an evaluation has found, as tables for the terminal and as an object for programs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.ledger.records import TrialRecord
from orchestrator.results import quantities
from orchestrator.results.potential import (
    Forgotten,
    Potential,
    Slope,
    forgotten,
    masked_gradients,
    potentials,
    slopes,
    trained_on,
)
from orchestrator.results.reference import dense_reference, points
from orchestrator.terminal.tables import titled
from trainables import metrics
from trainables.metrics import AT, EVALUATED

NO_REFERENCE = "No dense trial was evaluated: how far one may prune needs one to compare with."


def evaluation_lines(records: Sequence[TrialRecord], delta: float, kinds: Collection[str] = ()) -> RenderableType:
    """Return how far one may prune on each distribution, the growth of excess errors, and who is forgotten.

    `kinds` are the corruptions that the study trains on.
    """
    found = potentials(records, delta)
    if not found:
        return Text(NO_REFERENCE, style="yellow")
    lines = [*map(_slope_line, slopes(records)), *_of_classes(records), *_warnings(records)]
    return Group(_potential_table(found, delta, kinds), *lines)


def evaluation_object(
    records: Sequence[TrialRecord],
    delta: float,
    kinds: Collection[str] = (),
    ensembles: Mapping[int, tuple[int, ...]] | None = None,
) -> dict[str, object]:
    """Return the same for programs, with every column of every evaluated trial, and the members of `ensembles`."""
    found = potentials(records, delta)
    return {
        "delta": delta,
        "prune_potential": [asdict(potential) for potential in found],
        "average": _mean(found),
        "minimum": min((potential.params for potential in found), default=None),
        "trained_on": trained_on((potential.distribution for potential in found), kinds),
        "excess_error": [asdict(slope) for slope in slopes(records)],
        "deep_ensembles": {str(trial): list(members) for trial, members in (ensembles or {}).items()},
        "trials": {str(record.trial): columns_of(record.metrics) for record in records if columns_of(record.metrics)},
    }


def columns_of(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return what was measured on other images after the study."""
    return {name: value for name, value in metrics.items() if AT in name}


def ensemble_table(
    records: Sequence[TrialRecord], members: Mapping[int, tuple[int, ...]], ensemble: str
) -> RenderableType:
    """Return each single network beside the ensembles: of other trials for its MACs, and around itself.

    `ensemble` is what the columns of the former are called by, `members` are their trials.

    The dense network comes first, the others by MACs. All figures are of test images.
    """
    dense = dense_reference(records)
    shown = [record for record in records if record.trial in members]
    if not shown:
        return Text("No two of these networks together cost as little as one of them.", style="yellow")
    table = titled("Ensembles for the MACs of one network, on test images")
    for heading in ("trial", "what is evaluated", "MACs", *(metrics.short(name) for name in EVALUATED)):
        table.add_column(heading, justify="left" if heading == "what is evaluated" else "right")
    for record in sorted(shown, key=lambda one: (one is not dense, -one.metrics["macs"], one.trial)):
        trials = ", ".join(map(str, members[record.trial]))
        kinds = {
            "the network": ("macs", "test_{}"),
            f"trials {trials}": (f"macs@{ensemble}", f"{{}}@{ensemble}"),
            "by reassignment": ("ensemble_macs", "ensemble_test_{}"),
        }
        for what, (macs, form) in kinds.items():
            if macs in record.metrics:
                names = [macs, *(form.format(name) for name in EVALUATED)]
                cells = (quantities.show(name, record.metrics.get(name)) for name in names)
                table.add_row(str(record.trial) if what == "the network" else "", what, *cells)
        table.add_section()
    return table


def columns_table(metrics: Mapping[str, float], dense: Mapping[str, float] | None) -> list[RenderableType]:
    """Return a trial's evaluation as a table, a row for each distribution; nothing if it was not evaluated."""
    columns = columns_of(metrics)
    if not columns:
        return []
    names = list(dict.fromkeys(name.partition(AT)[0] for name in columns))
    table = titled("evaluated on other images")
    table.add_column("images", style="cyan", no_wrap=True)
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for images in dict.fromkeys(name.partition(AT)[2] for name in columns):
        cells = (f"{name}{AT}{images}" for name in names)
        table.add_row(images, *(quantities.show(cell, columns[cell]) if cell in columns else "" for cell in cells))
    return [table, *([_forgotten_line(hurt)] if dense and (hurt := forgotten(metrics, dense)) else [])]


def _potential_table(found: Sequence[Potential], delta: float, kinds: Collection[str]) -> Table:
    seen = trained_on((one.distribution for one in found), kinds)
    table = titled(f"How far one may prune, and stay within {100 * delta:g} points of the dense network")
    table.add_column("images", style="cyan", no_wrap=True)
    for heading in ("dense accuracy", "parameters pruned", "MACs pruned", "trial"):
        table.add_column(heading, justify="right")
    for one in found:
        name = f"{one.distribution} (trained on)" if one.distribution in seen else one.distribution
        table.add_row(name, *map(_share, (one.dense, one.params, one.macs)), str(one.trial))
    halves = {
        "": found,
        ", trained on": [one for one in found if one.distribution in seen],
        ", not trained on": [one for one in found if seen and one.distribution not in seen],
    }
    for which, part in halves.items():
        if part:
            table.add_section()
            table.add_row(f"average{which}", "", _share(_mean(part)), "", "")
            table.add_row(f"minimum{which}", "", _share(min(one.params for one in part)), "", "")
    return table


def _mean(found: Sequence[Potential]) -> float | None:
    return sum(one.params for one in found) / len(found) if found else None


def _share(value: float | None) -> str:
    return quantities.show("sparsity", value)


def _slope_line(slope: Slope) -> Text:
    interval = f"{slope.low:+.4f} to {slope.high:+.4f}"
    line = f"excess error at severity {slope.severity}: {slope.slope:+.4f} for each share pruned ({interval}, 95 %"
    return Text(f"{line} bootstrap, {slope.trials} pruned trials)")


def _of_classes(records: Sequence[TrialRecord]) -> list[Text]:
    """Return who is forgotten by the trial that prunes most of those within reach on clean images."""
    reference, found = dense_reference(records), potentials(records)
    if reference is None or not found:
        return []
    most = next(record for record in records if record.trial == found[0].trial)
    hurt = forgotten(most.metrics, reference.metrics)
    return [Text(f"trial {most.trial}, ").append(_forgotten_line(hurt))] if hurt else []


def _warnings(records: Sequence[TrialRecord]) -> list[Text]:
    """Return a line for each trial whose accuracy under attack cannot be trusted."""
    masked = {record.trial: masked_gradients(record.metrics) for record in records}
    why = "only seems robust: other attacks than PGD of 20 steps fool it more often, so its gradients are masked"
    lines = (f"trial {trial} at radius {', '.join(radii)} {why}" for trial, radii in masked.items() if radii)
    return [Text(line, style="yellow") for line in lines]


def _forgotten_line(hurt: Sequence[Forgotten]) -> Text:
    classes = ", ".join(f"{one.number} ({points(one.drop)} points)" for one in hurt)
    return Text(f"classes that pruning hurts most: {classes}")
