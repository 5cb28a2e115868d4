"""The command that shows a front: as a table, as JSON, as CSV; all of it or a selection."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from orchestrator.commands.arguments import (
    HERE,
    AsJson,
    Name,
    StoreFolder,
    console,
    print_json,
    read,
    refusing,
    require_file,
    store_at,
)
from orchestrator.ledger.records import TrialRecord
from orchestrator.results.cost_kinds import with_physical_costs
from orchestrator.results.fairness import SETUPS, check_setup, unequal
from orchestrator.results.front import pareto_front, trials_on_front
from orchestrator.results.reference import dense_reference, reference_first
from orchestrator.results.replicates import front_by_mean, rivals
from orchestrator.results.selection import Selection
from orchestrator.spec.study_spec import StudySpec
from orchestrator.terminal.csv_rows import front_as_csv
from orchestrator.terminal.objects import mean_object, member_object
from orchestrator.terminal.printable import say
from trainables.errors import InvalidValue
from trainables.spec import Value

_STANDARD_OUTPUT: Final = "-"

Within = Annotated[
    float | None,
    typer.Option(
        "--within",
        metavar="SHARE",
        help="Show only trials at most so much less accurate than the dense network, or than the best trial where no "
        "dense one has finished: 0.01 is one point.",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="COMPARISON",
        help="Show only trials for which this holds, such as 'params < 20000 and paradigm = magnitude'.",
    ),
]
Sort = Annotated[
    str | None, typer.Option("--sort", metavar="METRIC", help="Best first by this metric or hyper-parameter.")
]
Csv = Annotated[str | None, typer.Option("--csv", metavar="FILE", help="Write what is shown as CSV (-: print it).")]
Physical = Annotated[
    bool, typer.Option("--physical", help="Show the front over what is really smaller: masked weights count.")
]
Hyperparameters = Annotated[
    bool, typer.Option("--hyperparameters", help="List each network's hyper-parameters, below the table.")
]
Plot = Annotated[
    bool | None,
    typer.Option("--plot/--no-plot", help="Draw the front in characters.", show_default="where a terminal shows it"),
]
ByMean = Annotated[
    bool,
    typer.Option(
        "--by-mean", help="Show the front of the means over seeds, with intervals, instead of that of trials."
    ),
]
Setup = Annotated[
    str | None,
    typer.Option("--setup", help=f"Fail unless the front's trials share this comparison setup: {', '.join(SETUPS)}."),
]


def front(
    name: Name,
    store: StoreFolder = HERE,
    as_json: AsJson = False,
    within: Within = None,
    where: Where = None,
    sort: Sort = None,
    csv: Csv = None,
    physical: Physical = False,
    setup: Setup = None,
    hyperparameters: Hyperparameters = False,
    plot: Plot = None,
    by_mean: ByMean = False,
) -> None:
    """Show a study's Pareto front, after the dense network as its reference."""
    if by_mean:
        shown = {"hyperparameters": hyperparameters or None, "plot": plot or None}
        _require_none(within=within, where=" and ".join(where or ()) or None, sort=sort, csv=csv, setup=setup, **shown)
    if as_json and csv == _STANDARD_OUTPUT:
        raise InvalidValue("--csv", csv, "cannot be printed beside --json; name a file")
    spec, records = read(store_at(store).existing(name, "NAME"))
    if physical:
        spec = with_physical_costs(spec)
    if by_mean:
        _show_means(spec, records, as_json=as_json)
        return
    selection = Selection.read(records, spec.objectives, within=within, where=where or (), sort=sort)
    members = selection.of(pareto_front(records, spec.objectives), records, spec.objectives)
    if setup is not None:
        _require_comparable(members, check_setup(setup))
    if csv is not None:
        _write_csv(spec, records, members, csv)
    if as_json:
        reference = dense_reference(records, spec.objectives)
        print_json([member_object(record, spec.objectives, reference) for record in members])
    elif csv != _STANDARD_OUTPUT:
        _print_front(spec, records, selection, with_settings=hyperparameters, plot=plot)


def _print_front(
    spec: StudySpec, records: Sequence[TrialRecord], selection: Selection, *, with_settings: bool, plot: bool | None
) -> None:
    from orchestrator.terminal.front_table import front_table

    output = console()
    with_picture = output.is_terminal if plot is None else plot
    output.print(front_table(spec, records, selection, with_settings=with_settings, with_picture=with_picture))


def _require_none(**options: object) -> None:
    """Refuse an option that selects or shows single trials."""
    for name, given in options.items():
        if given is not None:
            raise InvalidValue(
                f"--{name}", given, "is for trials, and --by-mean shows means over several; leave one out"
            )


def _show_means(spec: StudySpec, records: Sequence[TrialRecord], *, as_json: bool) -> None:
    if as_json:
        members = front_by_mean(records, spec.objectives, spec.bounds)
        doubted = rivals(members, spec.objectives)
        print_json([mean_object(member, others) for member, others in zip(members, doubted, strict=True)])
    else:
        from orchestrator.terminal.means_table import means_table

        console().print(means_table(spec, records))


def _write_csv(spec: StudySpec, records: Sequence[TrialRecord], members: Sequence[TrialRecord], file: str) -> None:
    reference = dense_reference(records, spec.objectives)
    on_front = trials_on_front(records, spec.objectives)
    text = front_as_csv(reference_first(members, reference), on_front, reference, spec.objectives)
    if file == _STANDARD_OUTPUT:
        say(text.rstrip("\n"))
        return
    with refusing("--csv", file, "name a file that you may write"):
        require_file(Path(file), "--csv")
        Path(file).write_text(text, encoding="utf-8", newline="")


def _require_comparable(front: Sequence[TrialRecord], setup: str) -> None:
    """Exit with status 1 and print what is unequal unless the trials share a comparison setup."""
    for quantity, values in unequal(front, setup).items():
        groups = (f"{_four_digits(value)} (trials {', '.join(map(str, trials))})" for value, trials in values.items())
        say(f"espalier: not comparable in {setup}: {quantity} is {'; '.join(groups)}", error=True)
    if unequal(front, setup):
        raise typer.Exit(1)


def _four_digits(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
