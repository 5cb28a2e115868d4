"""Figures as files for papers."""

from pathlib import Path

from orchestrator.report.axes import Axis
from orchestrator.report.chart import INK, Bars, Chart, Figure, Label, Line, Points
from orchestrator.report.paper import FORMATS, draw, write

X, Y = Axis.of("macs", [1.0, 1000.0]), Axis.of("accuracy", [0.0, 1.0])
LAYERS = (
    Points(xs=(1.0, 9.0), ys=(0.2, 0.5), trials=(0, 1), colors=("#0072B2",), name="$magnitude$ 漢"),
    Points(xs=(1.0,), ys=(0.2,), trials=(0,), colors=(INK,), is_hollow=True, name="on the front"),
    Line(xs=(1.0, 9.0), ys=(0.2, 0.5), is_step=True, is_dashed=True),
    Bars(begins=(1.0,), ends=(5.0,), ys=(0.1,), color="#0072B2", name="bar"),
    Label(x=1.0, y=0.5, text="remark"),
)
FIGURE = Figure(name="a figure/of:mine", caption="A figure", charts=(Chart(x=X, y=Y, layers=LAYERS),))


def test_a_figure_is_written_in_every_format_and_twice_the_same(tmp_path: Path) -> None:
    first, second = (write([FIGURE], tmp_path / folder) for folder in ("one", "two"))
    assert [path.name for path in first] == [f"a-figure-of-mine.{kind}" for kind in FORMATS]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert (tmp_path / "one/a-figure-of-mine.pdf").read_bytes().startswith(b"%PDF")
    assert "$magnitude$" in (tmp_path / "one/a-figure-of-mine.svg").read_text(encoding="utf-8")


def test_several_charts_share_one_key() -> None:
    drawing = draw(Figure(name="f", caption="f", charts=FIGURE.charts * 4))
    assert [axes.get_visible() for axes in drawing.axes] == [True] * 4 + [False] * 2
    (key,) = drawing.legends
    assert len(key.get_texts()) == 3
