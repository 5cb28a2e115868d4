"""The ledger on a PostgreSQL server: nothing lost and nothing twice, whoever dies, driver, session or server."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator import study
from orchestrator.ledger import ledger
from orchestrator.ledger.journal import LedgerLost, StudyBusy
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import State
from orchestrator.search import extension
from orchestrator.spec.history import write_study
from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier, a_study, espalier_in
from tests.orchestrator.server import Server
from tests.orchestrator.test_study import SLOW, TOY, driver, lines_until, told
from trainables.errors import InvalidValue

STORE = Path("espalier-store")


def written(server: Server, database: str) -> list[dict[str, Any]]:
    """Return all lines of the only study of a database; fails if one is missing or there twice."""
    rows = server.do(database, "SELECT number, line FROM espalier_journal ORDER BY number")
    assert [number for number, _ in rows] == list(range(len(rows)))
    return [json.loads(line) for _, line in rows]


def twice(lines: list[dict[str, Any]]) -> list[object]:
    """Return what the lines say more than once of what happens once: beginnings, reports, ends."""
    said = Counter(json.dumps({key: one[key] for key in one if not key.startswith("datetime")}) for one in lines)
    return [json.loads(line) for line, times in said.items() if times > 1]


def run_one(sweep: Sweep) -> None:
    trial = sweep.next()
    assert trial is not None
    small.run_to_end(sweep, trial)


@pytest.fixture
def opened(tmp_path: Path, database: str) -> Iterator[Ledger]:
    """The ledger of a study of four trials of which the first is told and the second has begun."""
    with small.launched(small.study(ledger=database), tmp_path) as driver:
        sweep = Sweep(driver, small.Silence())
        run_one(sweep)
        begun = sweep.next()
        assert begun is not None
        sweep.begin(begun.number)
        yield driver


def test_a_study_survives_a_crash_of_its_server_and_a_kill_of_its_driver(
    tmp_path: Path, server: Server, database: str
) -> None:
    spec, folder = small.study(trials=6, epochs=5, ledger=database), Store(tmp_path).study("small")
    with driver(tmp_path, spec, SLOW) as running:
        assert lines_until(running, "COMPLETE")
        server.crash()
        server.start()
        assert lines_until(running, "COMPLETE 2")
        running.kill()
    place = journal_location_of(folder)
    place.drive().release()
    before = ledger.read(folder)
    assert 2 in told(before)
    after = study.resume("small", Store(tmp_path), run=SLOW).records
    assert [record.state for record in after] == [State.COMPLETE] * 6
    assert [after[trial] for trial in told(before)] == [before[trial] for trial in told(before)]
    assert all([point.epoch for point in record.curve] == [1, 2, 3, 4, 5] for record in after)
    lines = written(server, database)
    assert Counter(line["trial_id"] for line in lines if line["op_code"] == 6) == Counter(range(6))
    assert "the ledger's server is back" in folder.log.read_text()
    assert not folder.journal.exists()
    assert not place.is_driven()


@pytest.mark.parametrize("lose", ["stop", "crash", "end_sessions"])
def test_a_server_that_comes_back_has_everything_once(opened: Ledger, server: Server, database: str, lose: str) -> None:
    sweep = Sweep(opened, small.Silence())
    trial = sweep.next()
    assert trial is not None
    sweep.begin(trial.number)
    for number in range(1, 5):
        sweep.report(trial.number, small.epoch(sweep, trial, number))
        if lose == "end_sessions":
            server.end_sessions(database)
        elif number == 3:  # the last reports are still nowhere but in the server's memory
            getattr(server, lose)()
            server.start()
    sweep.end(trial.number)
    records = small.run_all(sweep)
    assert [record.state for record in records] == [State.COMPLETE] * 4
    assert ledger.read(opened.folder) == records
    assert twice(written(server, database)) == []


def test_an_append_that_was_carried_out_and_not_confirmed_is_not_repeated(
    opened: Ledger, server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive = opened._drive
    append = drive._append  # type: ignore[attr-defined]  # that of PostgreSQL

    def lose_the_answer(connection: Any, begin: int, lines: list[str]) -> None:
        append(connection, begin, lines)
        monkeypatch.undo()
        server.end_sessions(database)
        connection.execute("SELECT 1")

    before = len(written(server, database))
    monkeypatch.setattr(drive, "_append", lose_the_answer)
    opened.begin(1)
    opened.lose(1)
    assert len(written(server, database)) == before + 2
    assert twice(written(server, database)) == []


def test_a_driver_that_lost_its_session_makes_way_for_one_that_runs(
    opened: Ledger, server: Server, database: str, tmp_path: Path
) -> None:
    server.end_sessions(database)
    other = small.ledger_of(opened.spec, tmp_path)
    with pytest.raises(StudyBusy, match=f"'small'.*process {os.getpid()} on"):
        opened.beat()
    other.close()
    with pytest.raises(StudyBusy):  # even though the other one has gone: it may have written
        opened.begin(1)


def test_a_driver_that_lost_its_session_adds_nothing_to_what_another_one_wrote(
    opened: Ledger, server: Server, database: str, tmp_path: Path
) -> None:
    server.end_sessions(database)
    with small.ledger_of(opened.spec, tmp_path) as other:
        records = small.run_all(Sweep(other, small.Silence()))
    with pytest.raises(StudyBusy, match="another process has driven study 'small'"):
        opened.begin(1)
    opened.close()
    assert ledger.read(opened.folder) == records


def test_a_server_that_stays_away_ends_the_study_with_advice_and_loses_nothing(
    opened: Ledger, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.ledger.journal_postgres.SERVER_PATIENCE", 0.0)
    before = opened.records()
    server.stop()
    try:
        with pytest.raises(LedgerLost, match=r"continue by `espalier resume small --store"):
            opened.begin(1)
        with pytest.raises(InvalidValue, match=r"ledger = .*Connection refused.*check host, port"):
            ledger.read(opened.folder)
    finally:
        server.start()
    with pytest.raises(LedgerLost):  # what follows a lost line would tell another story
        opened.begin(1)
    opened.close()
    assert ledger.read(opened.folder) == before
    with small.ledger_of(opened.spec, tmp_path) as again:
        assert [one.state for one in small.run_all(Sweep(again, small.Silence()))] == [State.COMPLETE] * 4


def test_ctrl_c_ends_the_waiting_for_a_server(opened: Ledger, server: Server) -> None:
    server.stop()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            opened.begin(1)
        with pytest.raises(LedgerLost):
            opened.begin(1)
    finally:
        signal.signal(signal.SIGINT, before)
        server.start()


def test_a_server_that_was_set_back_is_not_written_to(opened: Ledger, server: Server, database: str) -> None:
    server.do(database, "DELETE FROM espalier_journal WHERE number > 2")
    server.end_sessions(database)
    with pytest.raises(LedgerLost, match=r"of the \d+ lines that it had confirmed, it has 3"):
        opened.begin(1)
    assert len(written(server, database)) == 3


HOLD = """
import sys, time
from pathlib import Path
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.store import StudyFolder
drive = journal_location_of(StudyFolder(Path(sys.argv[1])), sys.argv[2]).drive()
print("holds", flush=True)
time.sleep(600)
"""


def test_the_lock_of_a_killed_driver_is_free_at_once(tmp_path: Path, database: str) -> None:
    folder = Store(tmp_path).study("small")
    place = journal_location_of(folder, database)
    assert (place.holder(), place.is_driven(), place.read()) == (None, False, None)
    command = [sys.executable, "-c", HOLD, str(folder.path), database]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert lines_until(other, "holds")
        holder = place.holder()
        assert holder is not None
        assert (holder.pid, place.is_driven()) == (other.pid, True)
        with pytest.raises(StudyBusy, match=f"process {other.pid} on"):
            place.drive()
        other.kill()
        other.wait()
        drive = place.drive()
        assert place.is_driven()
        drive.release()
    found = place.holder()
    assert found is not None
    assert (found.pid, place.is_driven()) == (os.getpid(), False)
    assert holder.since <= holder.last_beat <= found.since <= found.last_beat


def test_studies_of_one_database_are_driven_side_by_side(tmp_path: Path, database: str) -> None:
    with (
        small.launched(small.study(ledger=database, name="one"), tmp_path) as one,
        small.launched(small.study(ledger=database, name="two", seed=5), tmp_path) as two,
    ):
        sweeps = Sweep(one, small.Silence()), Sweep(two, small.Silence())
        for _ in range(4):
            for sweep in sweeps:
                run_one(sweep)
        for driver in (one, two):
            records = ledger.read(driver.folder)
            assert [record.state for record in records] == [State.COMPLETE] * 4
            assert records == driver.records()


def test_every_command_finds_the_ledger_from_anywhere(
    espalier: Espalier, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = a_study(STORE, ledger=database)
    a_study(STORE, name="beside")
    folder, elsewhere = Store(STORE).study(spec.name), tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    store = ("--store", str(folder.path.parent.parent))
    assert not folder.journal.exists()
    _, out, _ = espalier("status", spec.name, "--json", *store)
    found = json.loads(out)
    assert (found["complete"], found["failed"], found["pruned"], found["running"]) == (3, 1, 1, 1)
    assert found["driver"]["pid"] == os.getpid()
    with small.ledger_of(spec, tmp_path / STORE):
        assert "driven by process" in espalier("status", spec.name, *store)[1]
        code, _, err = espalier("sync", spec.name, *store)
        assert (code, err.startswith("espalier: study 'small' is being run by process")) == (2, True)
    assert espalier("sync", spec.name, *store)[0] == 0
    trials = [[one["trial"] for one in json.loads(espalier("front", name, "--json", *store)[1])] for name in known()]
    assert trials[0] == trials[1] != []
    code, out, _ = espalier("compare", *known(), *store)
    assert code == 0
    assert "postgresql" not in out  # where a study is remembered is no difference


def known() -> tuple[str, str]:
    return "small", "beside"


def test_a_study_cannot_be_extended_to_another_ledger(opened: Ledger, database: str) -> None:
    elsewhere = opened.spec.model_copy(update={"ledger": "file"})
    opened.close()
    with Ledger(opened.folder, elsewhere) as again:
        assert again.asked == 2
        with pytest.raises(StudyError, match=r"ledger = 'file': cannot change from 'postgresql://.*leave it unchanged"):
            extension.extend(elsewhere, opened.folder, again.records())
    assert StudySpec.stored(opened.folder.spec).ledger == database
    assert not opened.folder.journal.exists()


def test_a_name_that_another_store_has_taken_there_is_refused(opened: Ledger, tmp_path: Path) -> None:
    opened.close()
    before = ledger.read(opened.folder)
    with pytest.raises(InvalidValue, match="name = 'small': is taken: 2 trials"):
        study.launch(opened.spec, Store(tmp_path / "other"), run=TOY)
    assert ledger.read(opened.folder) == before


def test_a_server_that_cannot_be_reached_is_refused_before_any_trial_starts(tmp_path: Path) -> None:
    url = "postgresql://me@127.0.0.1:1/ledgers"
    (tmp_path / "study.yaml").write_text(small.study(ledger=url).as_yaml(), encoding="utf-8")
    launched = espalier_in(tmp_path, "launch", "study.yaml")
    assert launched.returncode == 2
    assert launched.stdout == ""  # not even Ray was started
    assert launched.stderr.startswith(f"espalier: ledger = '{url}': cannot be used: ")
    assert "Connection refused" in launched.stderr
    assert "PGPASSWORD" in launched.stderr
    assert Store(tmp_path / STORE).names() == []


def test_a_database_that_is_not_there_is_refused(tmp_path: Path, server: Server) -> None:
    with pytest.raises(InvalidValue, match='database "nowhere" does not exist'):
        small.ledger_of(small.study(ledger=server.url("nowhere")), tmp_path)


def test_a_user_who_may_make_no_tables_is_told_who_can(tmp_path: Path, server: Server, database: str) -> None:
    server.do(database, "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE guest LOGIN")
    theirs = database.replace("//admin@", "//guest@")
    with pytest.raises(InvalidValue, match="GRANT CREATE ON SCHEMA public"):
        small.ledger_of(small.study(ledger=theirs), tmp_path)
    small.ledger_of(small.study(ledger=database, name="first"), tmp_path).close()
    with pytest.raises(InvalidValue, match="permission denied for table"):
        small.ledger_of(small.study(ledger=theirs), tmp_path)
    server.do(database, "GRANT SELECT, INSERT, UPDATE ON espalier_journal, espalier_driver TO guest")
    with small.ledger_of(small.study(ledger=theirs), tmp_path) as driver:
        assert [one.state for one in small.run_all(Sweep(driver, small.Silence()))] == [State.COMPLETE] * 4


def test_without_its_package_a_url_is_refused_with_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "orchestrator.ledger.journal_postgres", raising=False)
    with pytest.raises(InvalidValue, match=r"needs psycopg.*pip install 'psycopg\[binary\]'"):
        small.ledger_of(small.study(ledger="postgresql://me@host/ledgers"), tmp_path)


SECRET = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=6)


@given(secret=SECRET)
@example(secret="p@ss:w/rd?&=#")
@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "mysql"])
@pytest.mark.parametrize("user", ["me", ""])
def test_a_password_in_a_url_is_refused_and_not_shown(scheme: str, user: str, secret: str) -> None:
    with pytest.raises(StudyError, match=r"ledger = .*must not hold a password.*PGPASSWORD") as refused:
        small.study(ledger=f"{scheme}://{user}:X{secret}X@host:5432/ledgers")
    assert f"X{secret}X" not in str(refused.value)


@pytest.mark.parametrize("key", ["password", "pass%77ord", "sslpassword"])
def test_a_password_among_a_urls_parameters_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(StudyError, match="must not hold a password") as refused:
        small.study(ledger=f"postgresql://me@host/ledgers?sslmode=require&{key}=hunter2")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["postgresql+psycopg://me@host/ledgers", "sqlite:///x.db", "host/ledgers", "files", ""])
def test_other_places_are_refused(url: str) -> None:
    with pytest.raises(StudyError, match=r"ledger = .*must be file, or postgresql://USER@HOST:PORT/DATABASE"):
        small.study(ledger=url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@host:5432/ledgers",
        "postgresql://host:5432/ledgers?sslmode=require&passfile=/home/me/.pgpass",
        "postgresql://me@[::1]:5432/ledgers",
        "postgres:///ledgers?service=mine",
        "postgresql://me@one:1,two:2/ledgers?target_session_attrs=read-write",
    ],
)
def test_urls_without_a_secret_are_kept_as_they_are(url: str, tmp_path: Path) -> None:
    write_study(tmp_path / "study.yaml", small.study(ledger=url))
    assert StudySpec.stored(tmp_path / "study.yaml").ledger == url
