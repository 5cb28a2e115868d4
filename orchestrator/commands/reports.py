"""Commands that write a study's report, compare studies, and hold one against published results."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    require_folder,
    store_at,
)
from orchestrator.ledger.records import TrialRecord
from orchestrator.results.published import published_for
from orchestrator.results.reference import dense_reference
from orchestrator.results.verification import verified
from orchestrator.spec.history import read_history
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store import stamp
from orchestrator.store.store import StudyFolder
from orchestrator.terminal.objects import verification_object
from orchestrator.terminal.printable import say
from trainables.errors import InvalidValue, nearest

if TYPE_CHECKING:
    from orchestrator.results.compare import Comparison, Entry


Figures = Annotated[
    Path | None,
    typer.Option("--figures", metavar="FOLDER", help="Also write each figure as PDF, PNG and SVG, for papers."),
]
Colors = Annotated[
    list[str] | None,
    typer.Option(
        "--color",
        metavar="METRIC",
        help="A metric to show as colour over the front's axes, and against them; can be repeated.",
        show_default="objectives from the third on, accuracy@corrupted_*",
    ),
]


def report(
    name: Name,
    store: StoreFolder = HERE,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")] = None,
    figures: Figures = None,
    color: Colors = None,
    as_json: AsJson = False,
) -> None:
    """Write a study's report, a single HTML page that works offline, and print its path."""
    require_folder(figures)
    folder = store_at(store).existing(name, "NAME")
    path = output or folder.report
    if output is not None:
        with refusing("--output", str(output), "name another file"):
            require_file(output)
    with refusing("--output", str(path), "name a file that you may write"):
        spec, records = read(folder)
        _require_measured(color or (), records)
        write_page(folder, spec, records, path, color or ())
    written = [str(folder.shown(path) if path == folder.report else path)]
    if figures is not None:
        with refusing("--figures", str(figures), "name a folder that you may write to"):
            written += _write_figures(folder, figures, color or ())
    if as_json:
        print_json({"report": written[0], "figures": written[1:]})
    else:
        for each in written:
            say(each)


def _require_measured(colors: Sequence[str], records: Sequence[TrialRecord]) -> None:
    known = dict.fromkeys(name for record in records for name in record.metrics)
    for name in colors:
        if name not in known:
            allowed = f"must be a metric that `espalier show` lists of a trial{nearest(name, known)}"
            raise InvalidValue("--color", name, allowed)


def verify(name: Name, store: StoreFolder = HERE, as_json: AsJson = False) -> None:
    """Hold a study against published results for its network and data: theirs, ours, difference, verdict."""
    spec, records = read(store_at(store).existing(name, "NAME"))
    published = published_for(spec.data.name, [network.name for network in spec.networks])
    if not published:
        raise InvalidValue("NAME", name, f"no published result is known for {_subject(spec)}")
    reference = dense_reference(records)
    if reference is None:
        raise InvalidValue("NAME", name, "has no finished dense trial, against which papers tell changes: add `dense:`")
    answers = verified(records, reference, published)
    if as_json:
        print_json([verification_object(answer) for answer in answers])
    else:
        from orchestrator.terminal.verification_table import verification_table

        console().print(verification_table(answers))


def _subject(spec: StudySpec) -> str:
    return f"{' or '.join(network.name for network in spec.networks)} on {spec.data.name}"


def compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME NAME ...", help="Two or more studies in the store.")],
    store: StoreFolder = HERE,
    in_full: Annotated[
        bool, typer.Option("--full", help="Also list the members of all fronts, and what seeds attain.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also draw the fronts over each other: the HTML page to write."),
    ] = None,
    figures: Figures = None,
    by_mean: Annotated[
        bool | None,
        typer.Option(
            "--by-mean/--trials",
            help="Compare configurations by their means over seeds, or single trials.",
            show_default="means where all studies ask for seeds",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the results of several studies; studies that differ only in their seed count as one."""
    from orchestrator.results.compare import compare as compare_studies
    from orchestrator.terminal import comparison_tables

    studies = store_at(store)
    require_folder(figures)
    entries = [_entry(studies.existing(name, "NAME")) for name in names]
    means = all(entry.spec.search.seeds > 1 for entry in entries) if by_mean is None else by_mean
    compared = compare_studies([replace(entry, by_mean=means) for entry in entries])
    _draw(compared, output, figures)
    if as_json:
        print_json(comparison_tables.as_object(compared))
    else:
        console().print(comparison_tables.comparison_lines(compared, in_full=in_full))


def _draw(compared: "Comparison", output: Path | None, into: Path | None) -> None:
    """Write what was asked for of a comparison's pictures."""
    if output is not None:
        from orchestrator.report.comparison import write_comparison

        with refusing("--output", str(output), "name a file that you may write"):
            require_file(output)
            write_comparison(compared, output)
    if into is not None:
        from orchestrator.report import paper  # imports matplotlib
        from orchestrator.report.comparison import comparison_figures

        with refusing("--figures", str(into), "name a folder that you may write to"):
            paper.write(comparison_figures(compared), into)


def write_page(
    folder: StudyFolder, spec: StudySpec, records: Sequence[TrialRecord], path: Path, colors: Sequence[str] = ()
) -> None:
    """Write a study's report to a path; the store's own is also pushed to its bucket, if it has one."""
    from orchestrator.report.report import write_report  # its figures, which no other command needs

    extended = {f"extended {e.time}": [str(change) for change in e.changes] for e in read_history(folder.spec)}
    write_report(spec, records, path, stamp={**stamp.read(folder.stamp), **extended}, colors=colors)
    if path == folder.report:
        folder.push(path)


def _write_figures(folder: StudyFolder, into: Path, colors: Sequence[str]) -> list[str]:
    from orchestrator.report import paper  # imports matplotlib
    from orchestrator.report.report import figures

    return [str(path) for path in paper.write(figures(*read(folder), colors), into)]


def _entry(folder: StudyFolder) -> "Entry":
    from orchestrator.results.compare import Entry

    return Entry(*read(folder), stamp.read(folder.stamp)["data_hash"])
