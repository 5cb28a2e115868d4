"""A study's journal lies where it was launched, whatever is asked for later."""

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger.journal_file import FileJournalLocation
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.journal_postgres import PostgresJournalLocation
from orchestrator.spec.history import write_study
from orchestrator.spec.ledger_url import FILE
from orchestrator.store.store import Store, StudyFolder
from tests.orchestrator import small
from trainables.errors import InvalidValue

SERVER = "postgresql://espalier@db.example:5433/ledgers"
OTHER = "postgresql://espalier@other.example/ledgers"


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return Store(tmp_path).study("small")


def launch_at(folder: StudyFolder, ledger: str) -> None:
    folder.path.mkdir(parents=True)
    write_study(folder.spec, small.study(ledger=ledger))


def test_a_new_study_has_its_journal_in_a_file_unless_it_names_a_server(folder: StudyFolder) -> None:
    assert journal_location_of(folder) == journal_location_of(folder, FILE) == FileJournalLocation(folder)
    assert journal_location_of(folder, SERVER) == PostgresJournalLocation(SERVER, folder)
    assert not folder.path.exists()


@pytest.mark.parametrize("asked", [FILE, SERVER, OTHER])
def test_a_launched_study_keeps_its_journal_where_it_is(folder: StudyFolder, asked: str) -> None:
    launch_at(folder, SERVER)
    assert journal_location_of(folder, asked) == PostgresJournalLocation(SERVER, folder)


def test_a_study_launched_with_a_file_does_not_move_to_a_server(folder: StudyFolder) -> None:
    launch_at(folder, FILE)
    assert journal_location_of(folder, SERVER) == FileJournalLocation(folder)


def test_locations_say_where_they_are_and_how_to_repair_what_lies_there(folder: StudyFolder) -> None:
    in_file, on_server = FileJournalLocation(folder).origin, PostgresJournalLocation(SERVER, folder).origin
    assert in_file.where == str(folder.journal)
    assert on_server.where == f"the ledger of study 'small' at {SERVER}"
    store = folder.path.parent.parent
    for origin in (in_file, on_server):
        assert origin.damaged("is empty").command == f"espalier repair small --store {store}"


def test_a_server_without_its_driver_is_refused_with_the_command_that_installs_it(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = builtins.__import__

    def without_psycopg(name: str, *rest: Any, **named: Any) -> Any:
        if name.split(".")[0] == "psycopg":
            raise ImportError("no pq wrapper available")
        return imported(name, *rest, **named)

    for module in [name for name in sys.modules if name.split(".")[0] == "psycopg" or name.endswith("_postgres")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", without_psycopg)
    with pytest.raises(InvalidValue) as refused:
        journal_location_of(folder, SERVER)
    assert (refused.value.key, refused.value.value) == ("ledger", SERVER)
    assert "no pq wrapper available" in refused.value.allowed
    assert "pip install 'psycopg[binary]'" in refused.value.allowed
    assert journal_location_of(folder, FILE) == FileJournalLocation(folder)
