"""A store that version 0.1.0 wrote, with a trial that was interrupted, is read, and its study is continued."""

import json
import shutil
from pathlib import Path

import pytest

from orchestrator.ledger.ledger import read
from orchestrator.ledger.records import State
from orchestrator.ledger.trials_table import read_table
from orchestrator.store.store import Store
from orchestrator.study import resume
from tests.orchestrator.commands import Espalier

ASSET = Path(__file__).parent.parent / "assets" / "store-0.1.0"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    shutil.copytree(ASSET, tmp_path / "espalier-store")
    return Store(tmp_path / "espalier-store")


def test_its_table_holds_the_records_of_its_ledger(store: Store) -> None:
    folder = store.study("old")
    told = [record for record in read(folder) if record.state is State.COMPLETE]
    assert [(record.trial, len(record.curve)) for record in told] == [(0, 12)]
    assert [record for record in read_table(folder.table) if record.state is State.COMPLETE] == told


def test_status_and_front_read_it(store: Store, espalier: Espalier) -> None:
    status, out, _ = espalier("status", "old", "--json", "--store", str(store.root))
    found = json.loads(out)
    assert (status, found["complete"], [trial["epoch"] for trial in found["under_way"]]) == (0, 1, [7])
    status, out, _ = espalier("front", "old", "--json", "--store", str(store.root))
    assert (status, [trial["trial"] for trial in json.loads(out)]) == (0, [0])


def test_resume_keeps_what_was_told_and_continues_the_interrupted_trial_from_its_checkpoint(store: Store) -> None:
    told, interrupted = read(store.study("old"))
    outcome = resume("old", store)
    assert [record.state for record in outcome.records] == [State.COMPLETE] * 3
    assert outcome.records[0] == told
    continued = outcome.records[1]
    assert continued.curve[:7] == interrupted.curve
    assert [epoch.epoch for epoch in continued.curve] == list(range(1, 13))
    assert (continued.attempts, continued.damaged_checkpoints) == (2, 0)
