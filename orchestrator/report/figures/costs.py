"""What paradigms cost, and how their trials ended."""

from collections.abc import Sequence
from typing import Final

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.axes import Axis
from orchestrator.report.chart import Bars, Chart, Figure, Layer
from orchestrator.spec.study_spec import StudySpec

ENDS: Final = {
    State.COMPLETE: ("complete", "#0072B2"),
    State.PRUNED: ("stopped early", "#56B4E9"),
    State.FAIL: ("failed", "#D55E00"),
    State.PAUSED: ("paused", "#E69F00"),
    State.RUNNING: ("running", "#7F7F7F"),
}


def cost_figure(spec: StudySpec, records: Sequence[TrialRecord]) -> Figure:
    """Draw the trials of each paradigm by how they ended, and the device-hours that these took."""
    devices, unit = (spec.resources.share, "GPU") if spec.resources.share else (spec.resources.cpus, "CPU")
    trials = _chart(records, "trials", [1.0 for _ in records])
    hours = _chart(records, f"{unit}-hours of training", [record.seconds * devices / 3600 for record in records])
    return Figure(name="costs", caption="What each paradigm took, by how its trials ended", charts=(trials, hours))


def _chart(records: Sequence[TrialRecord], label: str, amounts: Sequence[float]) -> Chart:
    paradigms = sorted({record.paradigm for record in records}, reverse=True)
    used, layers = dict.fromkeys(paradigms, 0.0), list[Layer]()
    for state, (name, color) in ENDS.items():
        begins = tuple(used[paradigm] for paradigm in paradigms)
        for record, amount in zip(records, amounts, strict=True):
            used[record.paradigm] += amount if record.state is state else 0.0
        ends = tuple(used[paradigm] for paradigm in paradigms)
        if begins != ends:
            places = tuple(map(float, range(len(paradigms))))
            layers.append(Bars(begins=begins, ends=ends, ys=places, color=color, name=name))
    across, up = Axis.of("", used.values(), label=label, from_zero=True), Axis.steps("", paradigms)
    return Chart(x=across, y=up, layers=tuple(layers), title=label)
