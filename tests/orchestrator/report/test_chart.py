"""Charts as values."""

from orchestrator.report.axes import Axis
from orchestrator.report.chart import Bars, Chart, Figure, Label, Line, Points

X, Y = Axis.of("macs", [1.0, 2.0]), Axis.of("accuracy", [0.0, 1.0])
NOTHING = Points(xs=(), ys=(), trials=(), colors=("#0072B2",), name="nothing")
SOMETHING = Line(xs=(1.0, 2.0), ys=(0.0, 1.0), name="something")


def test_the_key_names_only_what_is_drawn() -> None:
    unnamed = Bars(begins=(0.0,), ends=(1.0,), ys=(0.0,), color="#0072B2")
    chart = Chart(x=X, y=Y, layers=(NOTHING, SOMETHING, unnamed, Label(x=1.0, y=0.5, text="here")))
    assert [layer.name for layer in chart.named()] == ["something"]


def test_a_figure_with_labels_alone_is_empty() -> None:
    def is_empty(*layers: Points | Line | Label) -> bool:
        return Figure(name="f", caption="f", charts=(Chart(x=X, y=Y, layers=layers),)).is_empty

    assert is_empty(NOTHING, Label(x=1.0, y=0.5, text="here"))
    assert not is_empty(NOTHING, SOMETHING)


def test_points_share_a_colour_or_have_their_own() -> None:
    assert NOTHING.color(3) == "#0072B2"
    assert Points(xs=(), ys=(), trials=(), colors=("a", "b")).color(1) == "b"
