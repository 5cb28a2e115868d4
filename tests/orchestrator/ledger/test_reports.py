"""Reports of a trial: which of them count, and that a new one costs what the first did."""

import gc
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import FrameType

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.epoch import Epoch, EpochReport
from orchestrator.ledger.reports import Reports, StampedReport
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator import small
from tests.orchestrator.epochs import an_epoch


def stamped(attempt: int, number: int, elapsed: float = 0.0) -> StampedReport:
    return StampedReport(EpochReport(an_epoch(number, loss=float(attempt))), attempt, elapsed)


def numbers(reports: Reports) -> list[tuple[int, float]]:
    return [(epoch.epoch, epoch.loss) for epoch in reports.curve]


def test_epochs_after_the_last_report_of_a_lost_attempt_count_once_they_are_reached_again() -> None:
    reports = Reports([stamped(1, number) for number in (1, 2, 3)])
    reports.add(stamped(2, 2))
    assert numbers(reports) == [(1, 1.0), (2, 2.0)]
    reports.add(stamped(2, 3))
    assert numbers(reports) == [(1, 1.0), (2, 2.0), (3, 2.0)]


def test_an_attempt_that_continues_from_what_another_one_left_keeps_the_epochs_before() -> None:
    reports = Reports([stamped(1, number) for number in (1, 2, 3)])
    reports.add(stamped(2, 2))
    reports.add(stamped(3, 4))
    assert numbers(reports) == [(1, 1.0), (2, 2.0), (3, 1.0), (4, 3.0)]


def test_reports_for_fewer_epochs_count_as_time_only() -> None:
    reports = Reports([stamped(1, 1, elapsed=5.0), stamped(2, 1, elapsed=6.0)], after=1)
    assert numbers(reports) == [(1, 2.0)]
    assert Reports([stamped(1, 1, elapsed=5.0)], after=1).elapsed == 5.0
    assert Reports([stamped(1, 1, elapsed=5.0)], after=1).last is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6)), max_size=5))
def test_what_was_appended_is_what_is_read_again(attempts: list[tuple[int, int]]) -> None:
    """Each attempt continues from one of the epochs that are there, and reports some more."""
    appended = Reports()
    stored: dict[int, StampedReport] = {}
    for attempt, (start, count) in enumerate(attempts, start=1):
        begin = min(start, appended.last.epoch if appended.last else 0)
        for number in range(begin + 1, begin + count + 1):
            report = stamped(attempt, number, elapsed=float(len(stored)))
            stored[number] = report
            appended.add(report)
    read = Reports(stored.values())
    assert (read.curve, read.metrics) == (appended.curve, appended.metrics)


def test_a_record_keeps_the_epochs_of_the_record_before(tmp_path: Path) -> None:
    with small.ledger_of(small.study(trials=1, epochs=10), tmp_path) as ledger:
        sweep = Sweep(ledger, small.Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(0)
        curves: list[tuple[Epoch, ...]] = []
        for number in range(1, 11):
            sweep.report(0, small.epoch(sweep, trial, number))
            curves.append(ledger.record(0).curve)
    for before, after in pairwise(curves):
        assert len(after) == len(before) + 1
        assert all(old is new for old, new in zip(before, after, strict=False))


def test_a_report_late_in_a_trial_calls_no_more_functions_than_an_early_one(tmp_path: Path) -> None:
    calls: dict[int, Counter[str]] = {}
    with small.ledger_of(small.study(trials=1, epochs=400, rungs=[]), tmp_path) as ledger:
        sweep = Sweep(ledger, small.Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(0)
        for number in range(1, 400):
            report = small.epoch(sweep, trial, number)
            with counting() as counted:
                sweep.report(0, report)
                sweep.judge(0, report.epoch)
            calls[number] = counted
    assert calls[399].total() > 50
    assert calls[399] == calls[50]


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count the calls of functions, by name, those of C among them.

    Garbage is not collected meanwhile: what runs at a collection, at any time, is none of the calls' own, and property
    tests leave something that does (`findings/hypothesis_gc_callback.sh`).
    """
    counted: Counter[str] = Counter()

    def count(frame: FrameType, event: str, called: object) -> None:
        if event in ("call", "c_call"):
            counted[frame.f_code.co_name if event == "call" else getattr(called, "__name__", "")] += 1

    gc.disable()
    sys.setprofile(count)
    try:
        yield counted
    finally:
        sys.setprofile(None)
        gc.enable()
