"""Studies that are looked at again and again."""

from pathlib import Path

from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from orchestrator.ui.watched import WatchedStore
from tests.orchestrator import small
from tests.orchestrator.commands import a_study


def test_a_study_is_read_again_only_when_something_has_changed(tmp_path: Path) -> None:
    watched = WatchedStore(Store(tmp_path))
    with small.launched(small.study(trials=2), tmp_path) as ledger:
        first = watched.study("small")
        assert watched.study("small") is first
        small.run_all(Sweep(ledger, small.Silence()))
        second = watched.study("small")
        assert (len(second.records), second.edition, second.line.state) == (2, first.edition + 1, "running")
        assert len(second.volumes) == 2
    assert watched.study("small").line.state == "done"


def test_only_a_long_ledger_takes_time_to_read(tmp_path: Path) -> None:
    a_study(tmp_path)
    watched, journal = WatchedStore(Store(tmp_path)), Store(tmp_path).study("small").journal
    assert watched.is_quick("small")
    with journal.open("ab") as file:
        file.truncate(3_000_000)  # a hole
    assert not watched.is_quick("small")
