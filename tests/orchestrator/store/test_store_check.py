"""A study that a store cannot hold is refused before anything is written."""

from pathlib import Path

import pytest

from orchestrator import study
from orchestrator.store import store_check
from orchestrator.store.store import Store
from tests.orchestrator import object_store as storage
from tests.orchestrator import small
from tests.orchestrator.object_store import SECRET
from trainables.errors import InvalidValue

MLFLOW = "http://127.0.0.1:1"


@pytest.mark.parametrize("place", ["store", "a/b/c"])
def test_a_folder_that_can_be_written_is_neither_made_nor_left_anything_in(tmp_path: Path, place: str) -> None:
    store_check.check(small.study(), Store(tmp_path / place))
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_is_a_file_or_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link", "link/store"):
        with pytest.raises(
            InvalidValue, match=r"cannot be written: .*; name a folder in which you may write"
        ) as refused:
            store_check.check(small.study(), Store(tmp_path / name))
        assert (refused.value.key, refused.value.value) == ("--store", str(tmp_path / name))


def test_a_bucket_holds_neither_ledger_nor_mlflow_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path))
    store = Store.at("s3://shelf/a")
    with pytest.raises(InvalidValue) as refused:
        store_check.check(small.study(), store)
    assert str(refused.value) == (
        "ledger = 'file': cannot lie in s3://shelf/a; "
        "write `ledger: postgresql://USER@HOST:PORT/DATABASE` in the study file"
    )
    with pytest.raises(InvalidValue) as refused:
        store_check.check(small.study(ledger="postgresql:///x", tracking="store"), store)
    assert str(refused.value) == (
        "tracking = 'store': cannot lie in s3://shelf/a; "
        "write `tracking: http://HOST:PORT`, the address of an MLflow server, or `tracking: none` in the study file"
    )
    assert list(tmp_path.iterdir()) == []


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
