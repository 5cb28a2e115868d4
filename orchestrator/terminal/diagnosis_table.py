"""Which layers of a network are worth their MACs, as a table for the terminal."""

from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from orchestrator.results.diagnosis import Diagnosis
from orchestrator.terminal.fitted_table import Column, FittedTable

NOTES: Final = (
    "Growth: of the loss, in thousandths, if a share of a group's channels, `dropped`, goes at random. All probes drop",
    "as many MACs: where the loss grows most, MACs are used best; where it grows least, a layer may be narrower.",
    "A layer between two groups counts in the MACs of both, so that they add up to more than 100 %.",
)


def diagnosis_table(diagnosis: Diagnosis) -> RenderableType:
    """Return a line for each group of channels, in the network's order, below what was probed."""
    groups, record = diagnosis.groups, diagnosis.record
    title = f"trial {record.trial} ({record.paradigm}): growth of the loss on {diagnosis.images:,} validation images"
    columns = (
        Column(heading="written by", cells=tuple(_writers(each.writers) for each in groups), is_text=True),
        Column(heading="channels", cells=tuple(str(each.channels) for each in groups)),
        Column(heading="MACs", cells=tuple(f"{100 * each.macs:.1f} %" for each in groups)),
        Column(heading="dropped", cells=tuple(f"{100 * each.rate:.1f} %" for each in groups), rank=1),
        Column(heading="growth", cells=tuple(f"{1e3 * each.fur:.2f}" for each in groups), style="bold"),
        Column(heading="standard error", cells=tuple(f"{1e3 * each.error:.2f}" for each in groups)),
    )
    notes = [Text(note, style="dim") for note in NOTES]
    return Group(Text(title, style="bold"), Text(), FittedTable(columns), Text(), *notes)


def diagnosis_object(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the same for programs; growths of the loss in nats, shares of 1."""
    return {
        "trial": diagnosis.record.trial,
        "images": diagnosis.images,
        "groups": [vars(each) for each in diagnosis.groups],
    }


def _writers(writers: tuple[str, ...]) -> str:
    return writers[0] if len(writers) == 1 else f"{writers[0]} and {len(writers) - 1} more"
