"""The front of a study in characters, for the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console, ConsoleOptions
from rich.text import Text

from orchestrator.ledger.records import TrialRecord
from orchestrator.results import quantities
from orchestrator.results.axis_range import around, place, spans_decades
from orchestrator.results.front import Objectives

HEIGHT: Final = 12
"""Lines of the picture, without its axis."""

WIDEST: Final = 100

MARKS: Final = "ox+#%@&sdvmwnzuekacbgjpq"
"""One for each paradigm, in the order of their names."""

STAR: Final = "*"
"""The dense network, the reference."""


@dataclass(frozen=True)
class CharacterPlot:
    """Points (x, y), each with its mark; `names` says of each mark what it stands for."""

    points: tuple[tuple[float, float, str], ...]
    x: str
    y: str
    names: Mapping[str, str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in self.lines(min(options.max_width, WIDEST)):
            yield Text(line, no_wrap=True, overflow="crop")

    def lines(self, width: int) -> list[str]:
        """Return the picture in so many columns: the name of y, the points between the axes, the name of x, the key."""
        xs, ys = [x for x, _, _ in self.points], [y for _, y, _ in self.points]
        logarithmic = spans_decades(xs)
        across, up = around(xs, logarithmic=logarithmic), around(ys)
        ticks = [quantities.show(self.y, end) for end in (max(ys), min(ys))]
        gutter = max(map(len, ticks))
        columns = max(10, width - gutter - 2)
        grid = [[" "] * columns for _ in range(HEIGHT)]
        rows = {}
        for x, y, mark in self.points:
            row = HEIGHT - 1 - round(place(y, up) * (HEIGHT - 1))
            grid[row][round(place(x, across, logarithmic=logarithmic) * (columns - 1))] = mark
            rows[quantities.show(self.y, y)] = row
        labels = {rows[tick]: tick for tick in reversed(ticks)}
        body = [f"{labels.get(number, ''):>{gutter}} |{''.join(line)}".rstrip() for number, line in enumerate(grid)]
        ends = [quantities.show(self.x, end) for end in (min(xs), max(xs))]
        between = f"{quantities.name(self.x)}{', logarithmic' if logarithmic else ''}"
        axis = f"{ends[0]}  {between:^{max(len(between), columns - len(ends[0]) - len(ends[1]) - 4)}}  {ends[1]}"
        key = "   ".join(f"{mark} {name}" for mark, name in self.names.items())
        return [quantities.name(self.y), *body, f"{'':>{gutter}} +{'-' * columns}", f"{'':>{gutter}}  {axis}", key, ""]


def character_plot(rows: Sequence[TrialRecord], objectives: Objectives, reference: TrialRecord | None) -> CharacterPlot:
    """Return the picture of a front's rows: the first objective against the second, the reference on top."""
    y, x, *_ = objectives
    paradigms = sorted({record.paradigm for record in rows})
    marks = dict(zip(paradigms, MARKS * (1 + len(paradigms) // len(MARKS)), strict=False))
    star = {reference.trial} if reference is not None else set()
    drawn = sorted((r for r in rows if {x, y} <= r.metrics.keys()), key=lambda record: record.trial in star)
    points = ((r.metrics[x], r.metrics[y], STAR if r.trial in star else marks[r.paradigm]) for r in drawn)
    used = dict.fromkeys(record.paradigm for record in drawn if record.trial not in star)
    names = {marks[name]: name for name in sorted(used)} | ({STAR: "dense, the reference"} if star else {})
    return CharacterPlot(tuple(points), x, y, names)
