"""Studies in an object storage: which files lie where, what counts as whole, what is refused before the first trial."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import State
from orchestrator.spec.history import write_study
from orchestrator.store import stamp
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import SEAL
from orchestrator.store.store import Store
from orchestrator.store.trial_files import trial_files
from orchestrator.sweep.sweep import Sweep
from tests.contract.test_trial_files import FILES, kept
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier
from tests.orchestrator.object_store import ObjectStore

MLFLOW = "http://127.0.0.1:1"


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
    for reading in (["ui"], ["list"], ["status", "small"], ["front", "small"]):
        status, _, err = espalier(*reading, "--store", f"s3://no-{bucket}/shelf")
        refused = f"--store = 's3://no-{bucket}/shelf': has no bucket of that name: check the bucket"
        assert (status, refused in err) == (2, True)


def test_a_cache_that_cannot_be_made_is_not_blamed_on_the_bucket(
    espalier: Espalier, objects: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.write(f"{bucket}/studies/small/study.yaml", small.study().as_yaml().encode())
    monkeypatch.setenv("ESPALIER_CACHE", "/proc/espalier")
    status, _, err = espalier("status", "small", "--store", f"s3://{bucket}")
    assert (status, "cannot be used on this machine" in err, "ESPALIER_CACHE" in err) == (2, True, True)
    assert "credentials" not in err
