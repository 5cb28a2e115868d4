"""The commands that look further into the networks of finished trials: what they are good for, what they consist of."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.arguments import (
    HERE,
    Address,
    AsJson,
    Name,
    Quiet,
    StoreFolder,
    TrialNumber,
    console,
    print_json,
    read,
    refusing,
    require_folder,
    store_at,
)
from orchestrator.results.ensembles import name_of
from orchestrator.results.potential import DELTA
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.evaluations import Evaluations
from orchestrator.store.store import StudyFolder
from orchestrator.terminal.printable import say
from trainables.errors import InvalidValue

if TYPE_CHECKING:
    from orchestrator.evaluation.evaluating import Evaluated
    from orchestrator.evaluation.tasks import Measured, Task
    from orchestrator.evaluation.wanted import Wanted
    from orchestrator.results.diagnosis import Diagnosis

Kinds = Annotated[
    list[str] | None,
    typer.Option(
        "--kinds",
        metavar="KIND,KIND",
        help="Corruptions of the test images, by the names of CIFAR-10-C; `none` for none.",
        show_default="all that fit the images",
    ),
]
Severity = Annotated[
    list[int] | None,
    typer.Option("--severity", help="How strongly images are corrupted, 1 to 5; can be repeated.", show_default="3"),
]
Noise = Annotated[
    list[float] | None,
    typer.Option("--noise", metavar="RADIUS", help="Also uniform noise of this radius, of pixels in [0, 1]."),
]
Attack = Annotated[
    list[float] | None,
    typer.Option("--attack", metavar="RADIUS", help="Also adversarial images within this radius: FGSM and PGD."),
]
Files = Annotated[Path | None, typer.Option("--files", help="A folder with files of CIFAR-10-C or CIFAR-10.1.")]
Trials = Annotated[list[int] | None, typer.Option("--trial", help="Only this trial; can be repeated.")]
Front = Annotated[bool, typer.Option("--front", help="Only the trials on the front, and the dense network.")]
Ensembles = Annotated[
    bool,
    typer.Option("--ensembles", help="Also ensembles of these networks, for at most the MACs of each of them."),
]
Images = Annotated[
    int | None,
    typer.Option("--images", min=1, help="At most so many test images, evenly spaced.", show_default="all"),
]
Seed = Annotated[int, typer.Option("--seed", help="The seed of everything random about the images.")]


def _share(delta: float) -> float:
    if not 0 <= delta < 1:
        raise InvalidValue("--delta", delta, "must lie in [0, 1): 0.005 is half a point")
    return delta


Delta = Annotated[
    float,
    typer.Option("--delta", metavar="SHARE", help="How much less accurate a pruned network may be.", callback=_share),
]
Device = Annotated[
    str | None, typer.Option("--device", help="Where to evaluate: cpu or cuda.", show_default="cuda if there is one")
]


def evaluate(
    name: Name,
    store: StoreFolder = HERE,
    kinds: Kinds = None,
    severity: Severity = None,
    noise: Noise = None,
    attack: Attack = None,
    files: Files = None,
    trial: Trials = None,
    front: Front = False,
    ensembles: Ensembles = False,
    images: Images = None,
    seed: Seed = 0,
    delta: Delta = DELTA,
    device: Device = None,
    address: Address = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Evaluate trials on corrupted, noisy and adversarial images; what was measured before is not measured again."""
    studies = store_at(store)
    folder = studies.existing(name, "NAME")
    from orchestrator.evaluation.evaluating import evaluate as carry_out  # imports torch

    with console().status("reading the study") as line:
        done = carry_out(
            folder,
            studies.data,
            _wanted(kinds, severity, noise, attack, files),
            lambda rows, total: line.update(f"{rows} of {total} rows are measured"),
            trials=tuple(trial or ()),
            front=front,
            images=images,
            seed=seed,
            device=device,
            ensembles=ensembles,
            spread=partial(_on_cluster, folder, address) if address is not None else None,
        )
    ensemble = name_of(trial or (), front) if ensembles else None
    _show(folder, None if quiet else done, delta, ensemble=ensemble, as_json=as_json)


def _wanted(
    kinds: list[str] | None,
    severity: list[int] | None,
    noise: list[float] | None,
    attack: list[float] | None,
    files: Path | None,
) -> "Wanted":
    from orchestrator.evaluation.wanted import SEVERITY, Wanted, kinds_of

    return Wanted(
        kinds=kinds_of(kinds or ()),
        severities=tuple(dict.fromkeys(severity or (SEVERITY,))),
        noise=tuple(noise or ()),
        attacks=tuple(attack or ()),
        files=files and files.absolute(),  # workers elsewhere have another current folder
    )


def _show(folder: StudyFolder, done: "Evaluated | None", delta: float, *, ensemble: str | None, as_json: bool) -> None:
    """Print what was done, if that is to be told, and what is known by now of the study's trials on other images.

    Also the ensembles of a name, unless it is None.
    """
    from orchestrator.terminal.evaluation_tables import ensemble_table, evaluation_lines, evaluation_object

    spec, records = read(folder)
    trained_on = spec.data.corruptions.kinds if spec.data.corruptions is not None else ()
    members = Evaluations(folder).members(ensemble) if ensemble is not None else {}
    if as_json:
        print_json(evaluation_object(records, delta, trained_on, members))
        return
    if done is not None:
        _tell(done)
    console().print(evaluation_lines(records, delta, trained_on))
    if ensemble is not None:
        console().print(ensemble_table(records, members, ensemble))


def _on_cluster(
    folder: StudyFolder, address: str, work: "Callable[[Task], Measured]", tasks: "Sequence[Task]"
) -> "Iterator[tuple[Task, Measured]]":
    """Carry tasks out on a Ray cluster, each on the resources of one of the study's workers."""
    from orchestrator.execution.cluster import RaySession
    from orchestrator.execution.task_pool import in_parallel

    spec = StudySpec.stored(folder.spec)
    if tasks:
        with RaySession(address, spec.referred) as session:
            session.open_with_room(spec.resources)
            yield from in_parallel(work, tasks, spec.resources)


def diagnose(
    name: Name,
    trial: TrialNumber,
    store: StoreFolder = HERE,
    probes: Annotated[int, typer.Option("--probes", min=2, max=1000, help="How often each layer is probed.")] = 10,
    images: Annotated[
        int | None,
        typer.Option("--images", min=1, help="At most so many validation images, evenly spaced.", show_default="all"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The seed of which channels are dropped.")] = 0,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", metavar="FOLDER", help="Also draw it, as PDF, PNG and SVG."),
    ] = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Show which layers of a network are worth their MACs: by how much the loss grows without a part of each."""
    require_folder(figures)
    studies = store_at(store)
    folder = studies.existing(name, "NAME")
    from orchestrator.evaluation.diagnosis import diagnosed  # imports torch
    from orchestrator.terminal.diagnosis_table import diagnosis_object, diagnosis_table

    with console().status("probing the network"):
        found = diagnosed(folder, studies.data, trial, probes=probes, images=images, seed=seed, device=device)
    written = [] if figures is None else _drawn(found, figures)
    if as_json:
        print_json({**diagnosis_object(found), "figures": written})
        return
    console().print(diagnosis_table(found))
    for path in written:
        say(path)


def _drawn(found: "Diagnosis", into: Path) -> list[str]:
    from orchestrator.report import paper  # imports matplotlib
    from orchestrator.report.figures.utilisation import utilisation_figure

    with refusing("--figures", str(into), "name a folder that you may write to"):
        return [str(path) for path in paper.write([utilisation_figure(found)], into)]


def _tell(done: "Evaluated") -> None:
    for kind, reason in done.left_out.items():
        say(f"left out: {kind} {reason}")
    say(f"{done.measured} rows measured, {done.known} known, of {len(done.trials)} trials")
    if done.replaced:
        say(f"replaced: ensembles for the MACs of {len(done.replaced)} trials, chosen before among other networks")
