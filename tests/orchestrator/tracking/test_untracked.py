"""A study without MLflow: the same calls as a Tracker's, and nothing is started or written."""

import inspect
from pathlib import Path

import pytest

from orchestrator.store import stamp
from orchestrator.store.store import Store
from orchestrator.tracking.publishing import tracker_for
from orchestrator.tracking.tracker import Tracker
from orchestrator.tracking.untracked import Untracked
from tests.orchestrator import small
from tests.orchestrator.example import told_trial

USED = ("tell", "show", "front", "rebuild", "catch_up", "close", "missing")


@pytest.mark.parametrize("name", USED)
def test_it_takes_what_a_tracker_takes(name: str) -> None:
    theirs, ours = (list(inspect.signature(getattr(kind, name)).parameters) for kind in (Tracker, Untracked))
    assert ours == theirs


def test_nothing_is_started_written_or_missing(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    tracker = tracker_for(store, small.study(tracking="none"), stamp.stamp("0123"))
    assert isinstance(tracker, Untracked)
    tracker.rebuild([])
    tracker.show(told_trial(3))
    tracker.front([])
    assert (tracker.catch_up(1.0), tracker.close(), tracker.missing(), tracker.replaced) == (0, 0, None, None)
    assert not store.root.exists()
