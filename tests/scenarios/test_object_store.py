"""Studies in an object storage: which files lie where, what counts as whole, what is refused before the first trial."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator import study
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import State
from orchestrator.spec.history import write_study
from orchestrator.store import remote, stamp, store_check
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import SEAL
from orchestrator.store.remote import Remote, StoreLost
from orchestrator.store.store import Store
from orchestrator.store.trial_files import LocalFiles, files_at, trial_files
from orchestrator.sweep.sweep import Sweep
from tests.contract.test_trial_files import FILES, kept, save
from tests.orchestrator import object_store as storage
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier
from tests.orchestrator.object_store import SECRET, ObjectStore
from trainables.errors import InvalidValue

MLFLOW = "http://127.0.0.1:1"


def test_a_cluster_whose_machines_do_not_see_the_folder_is_told_so(tmp_path: Path) -> None:
    away = tmp_path / "studies" / "small" / "trials"
    with pytest.raises(StoreLost, match="a cluster needs a store that all its machines see"):
        LocalFiles(away).keep(CheckpointRef("00000-x", "checkpoint_000000"), save)


Damage = Callable[[ObjectStore, str], None]


@pytest.mark.parametrize(
    "damage",
    [
        lambda objects, place: objects.write(f"{place}/trial.pt", b"weighty"),
        lambda objects, place: objects.delete(f"{place}/trial.pt"),
        lambda objects, place: objects.delete(f"{place}/{SEAL}"),
        lambda objects, place: [objects.delete(f"{place}/{name}") for name in FILES],
    ],
)
def test_a_trial_goes_on_from_the_checkpoint_before_a_damaged_one(
    objects: ObjectStore, bucket: str, damage: Damage, tmp_path: Path
) -> None:
    folder = Store.at(f"s3://{bucket}/shelf").study("small")
    with Ledger(folder, small.study(trials=1)) as driver:
        sweep = Sweep(driver, small.Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(0)
        checkpoints = [CheckpointRef("00000-x", f"checkpoint_{number:06d}") for number in range(3)]
        for number, checkpoint in enumerate(checkpoints, start=1):
            sweep.report(0, small.epoch(sweep, trial, number))
            kept(trial_files(folder), checkpoint, owner=driver.owner(0))
            sweep.save(0, checkpoint)
    damage(objects, f"{bucket}/shelf/studies/small/trials/00000-x/checkpoint_000002")
    with Ledger(folder, small.study(trials=1)) as again:
        resumed = Sweep(again, small.Silence()).next()
        assert resumed is not None
        assert resumed.checkpoint == checkpoints[1]
        assert again.record(0).damaged_checkpoints == 1
        assert again.record(0).state is State.RUNNING
    assert not list((tmp_path / "cache").rglob("trial.pt"))


def test_another_machine_sees_the_study_as_it_is_now(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = f"s3://{bucket}"
    here = Store.at(place).study("small")
    here.path.mkdir(parents=True)
    stamp.write(here.stamp, {"data_hash": "0"})
    write_study(here.spec, small.study())
    here.push(here.stamp)
    here.push(here.spec)
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path / "elsewhere"))
    there = Store.at(place)
    assert there.names() == ["small"]
    assert there.study("small").spec.read_text() == here.spec.read_text()
    assert there.study("small").path != here.path
    write_study(here.spec, small.study(trials=9))
    here.push(here.spec)
    assert "trials: 9" in there.study("small").spec.read_text()
    assert there.study("other").beside("small").spec.exists()
    assert here.remote is not None
    here.remote.delete_soon("").result()
    assert not there.study("small").spec.exists()
    assert there.names() == []


def test_a_log_that_only_this_machine_has_stays_and_a_longer_one_comes(bucket: str) -> None:
    folder = Store.at(f"s3://{bucket}").study("small")
    folder.path.mkdir(parents=True)
    folder.log.write_text("one\n")
    folder.pull_longer(folder.log)
    assert folder.log.read_text() == "one\n"
    folder.push(folder.log)
    folder.log.write_text("one\ntwo\n")
    folder.pull_longer(folder.log)
    assert folder.log.read_text() == "one\ntwo\n"
    folder.push(folder.log)
    folder.log.unlink()
    folder.pull_longer(folder.log)
    assert folder.log.read_text() == "one\ntwo\n"


def test_a_storage_that_comes_back_in_time_was_never_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0.0)
    left = ["away", "away"]

    def work() -> str:
        if left:
            raise StoreLost(left.pop())
        return "done"

    assert remote.patiently(work) == "done"
    monkeypatch.setattr(remote, "STORE_PATIENCE", 0.0)
    left.append("away for good")
    with pytest.raises(StoreLost, match="for good"):
        remote.patiently(work)


def test_a_checkpoint_that_cannot_be_kept_is_no_fault_of_its_trial(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "STORE_PATIENCE", 0.0)
    away = Remote(f"s3://{bucket}/trials?endpoint_override=127.0.0.1:1&scheme=http&region=us-east-1")
    with pytest.raises(StoreLost, match="NETWORK_CONNECTION"):
        files_at(tmp_path, away).keep(CheckpointRef("00000-x", "checkpoint_000000"), save)
    assert list(tmp_path.rglob("trial.pt")) == []


def test_workers_learn_the_endpoint_but_no_secret(objects: ObjectStore, bucket: str) -> None:
    told = Remote(f"s3://{bucket}/a").explicit.url
    assert objects.endpoint.removeprefix("http://").replace(":", "%3A") in told
    assert "region=us-east-1" in told
    assert SECRET not in told
    assert Remote(told).explicit.url == told
    assert Remote("gs://shelf").explicit.url == "gs://shelf"


def test_a_ledger_or_mlflow_database_in_a_file_is_refused_in_an_object_storage(
    espalier: Espalier, bucket: str, tmp_path: Path
) -> None:
    place = f"s3://{bucket}/shelf"
    for keys, said in (
        ({}, "ledger = 'file': cannot lie in"),
        ({"ledger": "postgresql://me@127.0.0.1:1/x", "tracking": "store"}, "tracking = 'store': cannot lie in"),
    ):
        (tmp_path / "study.yaml").write_text(small.study(**keys).as_yaml())
        status, _, err = espalier("launch", "study.yaml", "--store", place)
        assert (status, said in err, "in the study file" in err) == (2, True, True)
    assert Store.at(place).names() == []


def test_a_bucket_that_is_not_there_is_refused(espalier: Espalier, bucket: str, tmp_path: Path) -> None:
    spec = small.study(ledger="postgresql://me@127.0.0.1:1/x", tracking=MLFLOW)
    (tmp_path / "study.yaml").write_text(spec.as_yaml())
    status, _, err = espalier("launch", "study.yaml", "--store", f"s3://no-{bucket}/shelf")
    assert (status, f"--store = 's3://no-{bucket}/shelf'" in err, "NO_SUCH_BUCKET" in err) == (2, True, True)
    assert "check the bucket, AWS_REGION, AWS_ENDPOINT_URL and the credentials" in err
    status, _, err = espalier("status", "small", "--store", f"s3://{bucket}")
    assert (status, f"is no study in s3://{bucket}: there is none" in err) == (2, True)
    status, _, err = espalier("ui", "--store", f"s3://{bucket}")
    assert (status, "the server that `tracking` names" in err) == (2, True)


def test_credentials_that_do_not_suffice_are_refused_and_not_repeated(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with storage.running(INITIAL_NO_AUTH_ACTION_COUNT="0") as strict:
        monkeypatch.setenv("AWS_ENDPOINT_URL", strict.endpoint)
        with pytest.raises(InvalidValue, match="AWS_SECRET_ACCESS_KEY") as refused:
            store_check.check(small.study(ledger="postgresql:///x", tracking=MLFLOW), Store.at(f"s3://{bucket}"))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("place", ["/proc/espalier", "/dev/null/espalier"])
def test_a_folder_that_cannot_be_written_is_refused_before_anything_runs(place: str) -> None:
    with pytest.raises(InvalidValue, match=f"--store = '{place}': cannot be written: .*; name a folder"):
        study.launch(small.study(), Store.at(place))


class _Interrupted(Exception):
    pass


def _interrupt(*_: object) -> None:
    raise _Interrupted


@pytest.mark.parametrize("delay", [0.002, 0.01, 0.05, 0.2])
def test_an_interrupted_push_leaves_the_object_of_before(
    objects: ObjectStore, bucket: str, tmp_path: Path, delay: float
) -> None:
    table, place = tmp_path / "trials.parquet", Remote(f"s3://{bucket}/studies/small")
    table.write_bytes(b"old")
    place.push(table, table.name)
    table.write_bytes(bytes(12 * 2**20))
    before = signal.signal(signal.SIGALRM, _interrupt)
    interrupted = False
    signal.setitimer(signal.ITIMER_REAL, delay)
    try:
        place.push(table, table.name)
    except _Interrupted:
        interrupted = True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    there = objects.read(f"{bucket}/studies/small/{table.name}")
    assert there == (b"old" if interrupted and there == b"old" else table.read_bytes())
    place.push(table, table.name)
    assert objects.read(f"{bucket}/studies/small/{table.name}") == table.read_bytes()


UNREADABLE = Path("/proc/self/mem")
"""Its first page is nobody's: a file that opens, and cannot be read."""


@pytest.mark.skipif(not UNREADABLE.exists(), reason="no such file on this system")
@pytest.mark.parametrize("file", [UNREADABLE, Path("/nowhere/study.yaml")])
def test_a_file_of_this_machine_that_cannot_be_read_is_not_blamed_on_the_bucket(
    objects: ObjectStore, bucket: str, file: Path
) -> None:
    objects.write(f"{bucket}/small/study.yaml", b"old")
    with pytest.raises(InvalidValue, match=f"'{file}': cannot be used on this machine"):
        Remote(f"s3://{bucket}/small").push(file, "study.yaml")
    assert objects.keys(f"{bucket}/small") == ["study.yaml"]
    assert objects.read(f"{bucket}/small/study.yaml") == b"old"


def test_a_cache_that_cannot_be_made_is_not_blamed_on_the_bucket(
    espalier: Espalier, objects: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.write(f"{bucket}/studies/small/study.yaml", small.study().as_yaml().encode())
    monkeypatch.setenv("ESPALIER_CACHE", "/proc/espalier")
    status, _, err = espalier("status", "small", "--store", f"s3://{bucket}")
    assert (status, "cannot be used on this machine" in err, "ESPALIER_CACHE" in err) == (2, True, True)
    assert "credentials" not in err
