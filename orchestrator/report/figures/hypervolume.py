"""How the front grew, over what was spent on it."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from orchestrator.ledger.records import TrialRecord
from orchestrator.report.axes import Axis
from orchestrator.report.chart import Chart, Figure, Layer, Line, Points
from orchestrator.results.front import hypervolume_over_trials, in_order_told
from orchestrator.results.palette import REFERENCE, STAR, Look, looks
from orchestrator.results.reference import dense_reference
from orchestrator.spec.study_spec import StudySpec


def hypervolume_figure(
    spec: StudySpec, records: Sequence[TrialRecord], volumes: Sequence[float] | None = None
) -> Figure:
    """Draw the hypervolume over finished trials, over their epochs, and over the device-hours of their training.

    There is a point for each trial that raised it. `volumes` are `hypervolume_over_trials`, if they are known.
    """
    told = in_order_told(records)
    volumes = hypervolume_over_trials(records, spec.objectives) if volumes is None else volumes
    devices, unit = (spec.resources.share, "GPU") if spec.resources.share else (spec.resources.cpus, "CPU")
    spent = {
        "finished trials": [1.0] * len(told),
        "epochs, all trials together": [float(len(record.curve)) for record in told],
        f"{unit}-hours of training": [record.seconds * devices / 3600 for record in told],
    }
    looked, reference = looks(record.paradigm for record in records), dense_reference(records, spec.objectives)
    risen = [index for index, (before, after) in enumerate(pairwise([0.0, *volumes])) if after > before]
    charts = (_chart(label, list(accumulate(s)), told, volumes, risen, looked, reference) for label, s in spent.items())
    return Figure(name="hypervolume", caption="Hypervolume over what was spent", charts=tuple(charts))


def _chart(
    label: str,
    spent: Sequence[float],
    told: Sequence[TrialRecord],
    volumes: Sequence[float],
    risen: Sequence[int],
    looked: Mapping[str, Look],
    reference: TrialRecord | None,
) -> Chart:
    corners = [*risen, *range(len(told))[-1:]]  # between them the line runs straight
    xs, ys = (0.0, *(spent[index] for index in corners)), (0.0, *(volumes[index] for index in corners))
    layers: list[Layer] = [Line(xs=xs, ys=ys, is_step=True)]
    for paradigm, look in looked.items():
        shown = [index for index in risen if told[index].paradigm == paradigm]
        layers.append(_points(shown, spent, volumes, told, look.color, look.marker, paradigm))
    if reference is not None:
        shown = [index for index, record in enumerate(told) if record.trial == reference.trial]
        layers.append(_points(shown, spent, volumes, told, REFERENCE, STAR, "dense network, the reference"))
    across, up = (
        Axis.of("", spent, label=label, from_zero=True),
        Axis.of("", volumes, label="hypervolume", from_zero=True),
    )
    return Chart(x=across, y=up, layers=tuple(layers), title=label)


def _points(
    indices: Sequence[int],
    spent: Sequence[float],
    volumes: Sequence[float],
    told: Sequence[TrialRecord],
    color: str,
    marker: str,
    name: str,
) -> Points:
    return Points(
        xs=tuple(spent[index] for index in indices),
        ys=tuple(volumes[index] for index in indices),
        trials=tuple(told[index].trial for index in indices),
        colors=(color,),
        marker=marker,
        size=8.0 if marker == STAR else 4.5,
        name=name if indices else None,
        paradigm=None if marker == STAR else name,
    )
