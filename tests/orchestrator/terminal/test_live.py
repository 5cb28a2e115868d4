"""What a terminal, or a log file, shows of a running study."""

import io
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.spec.study_spec import Fidelity, Search, StudySpec
from orchestrator.store.store import Store
from orchestrator.sweep.observer import Outcome
from orchestrator.terminal.live import Figures, Lines, LiveTable, ending, shown
from tests.orchestrator.clock import Clock
from tests.orchestrator.epochs import an_epoch
from tests.orchestrator.terminal.printing import lines_of
from trainables.spec import DataSpec, ModelSpec

SPEC = StudySpec(
    name="small",
    data=DataSpec(name="digits"),
    model=ModelSpec(name="mlp"),
    paradigms={"dense": {}, "magnitude": {"granularity": ["weight", "filter"], "scope": "global"}},
    search=Search(trials=4),
    fidelity=Fidelity(epochs=10),
)


def trial(number: int, state: State, *, metrics: Mapping[str, float] | None = None, minutes: float = 1) -> TrialRecord:
    return TrialRecord(
        study="small",
        trial=number,
        paradigm="magnitude",
        state=state,
        seed=0,
        params={"granularity": "filter", "sparsity": 0.81234, "stream": True, "scope": "global"},
        fidelity=1.0 if state is State.COMPLETE else 0.4,
        reason="ValueError: [red] no" if state is State.FAIL else None,
        metrics=metrics or {},
        curve=(an_epoch(4, accuracy=0.765, macs_projected=12_300.0),),
        finished=None if state is State.RUNNING else datetime.now(UTC) + timedelta(minutes=minutes),
    )


def complete(number: int, accuracy: float, macs: float, *, minutes: float = 1) -> TrialRecord:
    metrics = {"accuracy": accuracy, "macs": macs, "macs_dense": 1000.0}
    return trial(number, State.COMPLETE, metrics=metrics, minutes=minutes)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def file() -> Console:
    return Console(file=io.StringIO(), width=200)


@pytest.fixture
def terminal() -> Console:
    return Console(file=io.StringIO(), width=200, height=50, force_terminal=True, color_system=None)


def test_a_file_gets_one_line_per_trial_that_ends(file: Console, store: Store) -> None:
    lines = Lines(file)
    lines.started(SPEC, store.study("small"), 4)
    for record in (
        trial(0, State.RUNNING),
        complete(0, 0.9, 500.0),
        complete(0, 0.9, 500.0),
        trial(1, State.PRUNED),
        trial(2, State.FAIL),
        replace(complete(3, 0.8, 100.0), feasible=False),
    ):
        lines.updated(record)
    _, first, second, third, fourth = text_of(file).splitlines()
    assert first.startswith(
        "[1/4] trial 0 magnitude granularity=filter sparsity=0.812 stream=true: validation accuracy 90.00 %"
    )
    assert second.endswith("stopped early at 40% of its budget")
    assert third.endswith("failed: ValueError: [red] no")
    assert fourth.startswith("[4/4]")
    assert fourth.endswith("missing a constraint")


def test_what_was_known_before_a_resume_is_counted_and_not_told_again(file: Console, store: Store) -> None:
    lines = Lines(file)
    lines.started(SPEC, store.study("small"), 4)
    lines.updated(complete(0, 0.9, 500.0, minutes=-60))
    lines.updated(complete(1, 0.8, 400.0))
    assert [line[:5] for line in text_of(file).splitlines()[1:]] == ["[2/4]"]


def test_a_terminal_shows_the_running_trials_and_the_best_so_far(terminal: Console, store: Store) -> None:
    live = LiveTable(terminal)
    live.started(SPEC, store.study("small"), 4)
    for record in (complete(0, 0.9, 500.0), complete(1, 0.8, 100.0), trial(2, State.RUNNING)):
        live.updated(record)
    live.refresh()
    live.finished(Outcome(store.study("small"), ()))
    text = text_of(terminal)
    assert "2 of 4 trials done: 2 complete, 1 running" in text
    assert "validation accuracy 90.00 % (trial 0), effective MACs 100 (trial 1)" in text
    assert "2 on the front" in text
    assert "left" in text
    row = next(line for line in text.splitlines() if line.lstrip().startswith("2 "))
    assert row.split()[:8] == ["2", "magnitude", "40%", "4", "76.50", "%", "12.3", "k"]


def test_the_live_table_gives_the_terminal_back_when_the_run_breaks(terminal: Console, store: Store) -> None:
    def break_down() -> None:
        with shown(terminal) as observer:
            assert observer is not None
            observer.started(SPEC, store.study("small"), 4)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_down()
    assert text_of(terminal).count("\x1b[?25h") == 1


def test_the_output_decides_what_is_shown(terminal: Console, file: Console) -> None:
    with shown(terminal) as live, shown(file) as lines, shown(terminal, quiet=True) as nothing:
        assert isinstance(live, LiveTable)
        assert isinstance(lines, Lines)
        assert nothing is None


def test_what_the_run_is_doing_is_shown_until_it_is_done(terminal: Console, file: Console, store: Store) -> None:
    live, lines = LiveTable(terminal), Lines(file)
    for listener in (live, lines):
        listener.noticed("starting Ray")
        listener.started(SPEC, store.study("small"), 4)
        listener.noticed("")
    live.refresh()
    live.stop()
    first, *later = text_of(terminal).split("0 of 4 trials done")
    assert "starting Ray" in first
    assert later
    assert "starting Ray" not in later[-1]
    assert text_of(file).splitlines()[0] == "starting Ray"
    assert "" not in text_of(file).splitlines()


def test_the_time_left_follows_from_what_was_done_since_the_run_began(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    figures = Figures(SPEC)
    clock.now = 600.0
    lines = lines_of(figures.picture([complete(0, 0.9, 500.0), trial(1, State.RUNNING)]))
    (bar,) = [line for line in lines if "left" in line]
    assert "10 min 0 s, about 18 min 34 s left" in bar  # 1.4 of 4 trials in ten minutes


def test_trials_from_before_the_run_are_done_but_say_nothing_of_its_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    figures = Figures(SPEC)
    clock.now = 600.0
    before = complete(0, 0.9, 500.0, minutes=-60)
    assert not any("left" in line for line in lines_of(figures.picture([before])))
    lines = lines_of(figures.picture([before, complete(1, 0.8, 400.0)]))
    assert any("about 20 min 0 s left" in line for line in lines)


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (trial(0, State.FAIL), "failed: ValueError: [red] no"),
        (trial(0, State.PRUNED), "stopped early at 40% of its budget"),
        (complete(0, 0.9, 500.0), "validation accuracy 90.00 %, effective MACs 500"),
        (
            replace(complete(0, 0.9, 500.0), feasible=False),
            "validation accuracy 90.00 %, effective MACs 500, missing a constraint",
        ),
    ],
)
def test_an_end_is_told_in_words(record: TrialRecord, words: str) -> None:
    assert ending(SPEC, record) == words
