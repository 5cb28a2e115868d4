"""Where the files of studies lie: in a folder, or in a bucket with a mirror on this machine."""

from pathlib import Path

import pytest

from orchestrator.spec.history import write_study
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.remote import Remote
from orchestrator.store.store import Store, StudyFolder, cache_folder
from tests.orchestrator import small
from trainables.errors import InvalidValue


def test_a_store_is_absolute_wherever_the_process_goes_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(Path("espalier-store"))
    monkeypatch.chdir("/")
    assert store.root == tmp_path / "espalier-store"
    assert Store.at(str(store.root)) == store
    assert store.study("small").path == tmp_path / "espalier-store" / "studies" / "small"


def test_a_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store.at("~/shelf").root == tmp_path / "shelf"


def test_all_files_of_a_study_lie_in_its_folder_under_different_names(tmp_path: Path) -> None:
    folder = Store(tmp_path).study("small")
    files = [folder.spec, folder.stamp, folder.journal, folder.witness, folder.driver_lock, folder.trials, folder.table]
    files += [folder.report, folder.log]
    assert {path.parent for path in files} == {folder.path}
    assert len({path.name for path in files}) == len(files)
    assert folder.checkpoint(CheckpointRef("00000-x", "checkpoint_000000")).parent.parent == folder.trials
    assert not tmp_path.joinpath("studies").exists()


def test_studies_are_those_with_a_study_file_by_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.names() == []
    for name in ("zebra", "ant"):
        store.study(name).path.mkdir(parents=True)
        write_study(store.study(name).spec, small.study(name=name))
    store.study("begun").path.mkdir()
    (tmp_path / "studies" / "README").touch()
    assert store.names() == ["ant", "zebra"]


def test_on_a_disk_nothing_is_copied(tmp_path: Path) -> None:
    folder = Store(tmp_path).study("small")
    folder.path.mkdir(parents=True)
    folder.log.write_text("one")
    for copy in (folder.pull, folder.push, folder.pull_longer):
        copy(folder.log)
    assert folder.log.read_text() == "one"
    assert folder.shown(folder.log) == str(folder.log)
    assert folder.store == str(tmp_path)


def test_the_folder_beside_is_another_study_of_the_same_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.study("small").beside("other") == store.study("other")
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "other").symlink_to(tmp_path)
    with pytest.raises(InvalidValue, match="must be a plain file or folder"):
        store.study("small").beside("other")


@pytest.mark.parametrize("name", ["mlflow.db", "mlflow.db-wal", "mlflow-artifacts", "data", "studies"])
def test_a_link_among_a_store_s_own_files_is_refused_before_mlflow_opens_it(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path / "store")
    assert store.mlflow_uri == f"sqlite:///{tmp_path}/store/mlflow.db"
    store.root.mkdir()
    (store.root / name).symlink_to(tmp_path)
    with pytest.raises(InvalidValue, match=f"{name}.*: must be a plain file or folder of the store, no link"):
        _ = store.mlflow_uri
    with pytest.raises(InvalidValue, match="no link"):
        store.study("small")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"ESPALIER_CACHE": "/fast/cache", "XDG_CACHE_HOME": "/home/me/cache"}, "/fast/cache"),
        ({"XDG_CACHE_HOME": "/home/me/cache"}, "/home/me/cache/espalier"),
        ({"XDG_CACHE_HOME": "", "ESPALIER_CACHE": "", "HOME": "/home/me"}, "/home/me/.cache/espalier"),
    ],
)
def test_mirrors_lie_in_the_user_s_cache_unless_another_folder_is_named(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ESPALIER_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)


def test_mirrors_of_different_stores_do_not_meet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ESPALIER_CACHE", str(tmp_path))
    places = ["s3://shelf", "s3://shelf/a", "s3://shelf/b", "gs://shelf", "s3://shelf?region=eu-west-1"]
    roots = {Store.at(place).root for place in places}
    assert len(roots) == len(places)
    assert {root.parent for root in roots} == {tmp_path}
    assert [Store.at(place).place for place in places] == places


def test_a_file_in_a_bucket_is_shown_by_its_url_without_the_query(tmp_path: Path) -> None:
    remote = Remote("s3://shelf/a/studies/small?region=eu-west-1")
    folder = StudyFolder(tmp_path / "studies" / "small", remote)
    assert folder.shown(folder.report) == "s3://shelf/a/studies/small/report.html"
    assert folder.store == "s3://shelf/a?region=eu-west-1"


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
