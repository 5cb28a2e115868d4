"""A folder in a bucket: what is written there is what is read, and nothing that lies there leads elsewhere."""

import logging
import signal
from pathlib import Path
from typing import Any

import pytest
import requests

from orchestrator.store import remote
from orchestrator.store.remote import DRAFTS, Remote, StoreLost
from tests.orchestrator.object_store import SECRET, ObjectStore
from trainables.errors import InvalidValue


@pytest.mark.parametrize("query", ["", "?region=eu-west-1&scheme=https"])
@pytest.mark.parametrize("path", ["", "/", "/a", "/a/"])
def test_the_folder_above_the_one_below_is_the_same_again(path: str, query: str) -> None:
    place = Remote(f"s3://shelf{path}{query}")
    below = place.below("studies")
    assert below.url == f"s3://shelf{path.rstrip('/')}/studies{query}"
    assert below.parent.below("studies") == below
    assert below.below("small").parent.parent.below("studies") == below


def test_what_was_pushed_is_pulled_byte_for_byte_and_no_draft_is_left(
    objects: ObjectStore, bucket: str, tmp_path: Path
) -> None:
    place = Remote(f"s3://{bucket}/studies/small")
    for content in (b"", b"one", bytes(range(256)) * 1000):
        (tmp_path / "table").write_bytes(content)
        place.push(tmp_path / "table", "trials.parquet")
        assert place.pull("trials.parquet", tmp_path / "mirror" / "trials.parquet")
        assert (tmp_path / "mirror" / "trials.parquet").read_bytes() == content
    assert objects.keys(bucket) == ["studies/small/trials.parquet"]
    assert [path.name for path in (tmp_path / "mirror").iterdir()] == ["trials.parquet"]
    assert place.sizes(["trials.parquet", "absent", DRAFTS]) == [256_000, None, None]


def test_pulling_what_is_not_there_says_so_and_leaves_what_is_here(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "stamp.json").write_text("here")
    assert not Remote(f"s3://{bucket}/small").pull("stamp.json", tmp_path / "stamp.json")
    assert (tmp_path / "stamp.json").read_text() == "here"


def test_a_folder_is_pulled_listed_moved_and_deleted_with_all_below_it(
    objects: ObjectStore, bucket: str, tmp_path: Path
) -> None:
    place = Remote(f"s3://{bucket}/small/trials")
    for name in ("00000-x/c/trial.pt", "00000-x/c/extra/optimizer.pt", "00000-xy/c/trial.pt"):
        objects.write(f"{bucket}/small/trials/{name}", name.encode())
    place.pull_folder("00000-x/c", tmp_path)
    assert {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.pt")} == {
        "trial.pt": "00000-x/c/trial.pt",
        "extra/optimizer.pt": "00000-x/c/extra/optimizer.pt",
    }
    place.pull_folder("absent", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    assert place.names() == ["00000-x", "00000-xy"]
    assert "00000-x/c/extra/optimizer.pt" in place.names(deep=True)
    assert place.below("absent").names() == []
    place.move_beside("00000-x", "set-aside")
    assert objects.keys(f"{bucket}/small/set-aside") == ["00000-x/c/extra/optimizer.pt", "00000-x/c/trial.pt"]
    place.delete_soon("00000-xy").result()
    place.delete_soon("absent").result()
    assert [name for name in place.names(deep=True) if name.endswith(".pt")] == []


ODD_NAMES = {
    "../escaped": "00000-x/escaped",
    "extra/../../escaped": "00000-x/escaped",
    "/escaped": None,
    "extra//momenta.pt": None,
}
"""Names of objects below a folder, and the object that a request for such a name fetches, if any."""


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_object_whose_name_is_no_plain_path_is_not_pulled(
    objects: ObjectStore, bucket: str, name: str, tmp_path: Path
) -> None:
    for key in (f"trials/00000-x/c/{name}", f"trials/{ODD_NAMES[name] or 'other'}"):
        put_as_named(objects, bucket, key)
    objects.write(f"{bucket}/trials/00000-x/c/trial.pt", b"weights")
    (tmp_path / "copy").mkdir()
    place = Remote(f"s3://{bucket}/trials")
    assert f"00000-x/c/{name}" in place.names(deep=True)
    place.pull_folder("00000-x/c", tmp_path / "copy")
    assert {
        path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    } == {"copy/trial.pt": b"weights"}


def put_as_named(objects: ObjectStore, bucket: str, key: str) -> None:
    """Put an object by a form, because clients shorten a path such as ``a/../b`` in a URL."""
    credential = "Credential=tester/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"
    answer = requests.post(
        f"{objects.endpoint}/{bucket}",
        data={"key": key},
        files={"file": b"malice"},
        headers={"Authorization": f"AWS4-HMAC-SHA256 {credential}"},
        timeout=30,
    )
    assert answer.ok


def test_a_bucket_that_can_be_used_is_left_as_it_was(objects: ObjectStore, bucket: str) -> None:
    objects.write(f"{bucket}/shelf/studies/small/study.yaml", b"name: small")
    Remote(f"s3://{bucket}/shelf").check()
    assert objects.keys(bucket) == ["shelf/studies/small/study.yaml"]


@pytest.mark.parametrize("query", ["region=", "endpoint_override=:::", "scheme=ftp"])
def test_a_url_that_pyarrow_does_not_take_is_refused_as_the_user_s(bucket: str, query: str, tmp_path: Path) -> None:
    place = Remote(f"s3://{bucket}/shelf?{query}&retry_limit_seconds=1")
    with pytest.raises((InvalidValue, StoreLost)) as refused:
        place.pull("study.yaml", tmp_path / "study.yaml")
    assert bucket in str(refused.value)


def test_a_retry_is_announced_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(remote, "PAUSE", 0.0)
    left = ["away"] * 5

    def work() -> str:
        if left:
            raise StoreLost(left.pop())
        return "done"

    with caplog.at_level(logging.WARNING, logger=remote.__name__):
        assert remote.patiently(work) == "done"
    assert [record.getMessage() for record in caplog.records] == ["trying again for 120 s: away"]


def test_other_errors_are_not_retried() -> None:
    calls: list[None] = []

    def work() -> None:
        calls.append(None)
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        remote.patiently(work)
    assert len(calls) == 1


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


def test_workers_learn_the_endpoint_but_no_secret(objects: ObjectStore, bucket: str) -> None:
    told = Remote(f"s3://{bucket}/a").explicit.url
    assert objects.endpoint.removeprefix("http://").replace(":", "%3A") in told
    assert "region=us-east-1" in told
    assert SECRET not in told
    assert Remote(told).explicit.url == told
    assert Remote("gs://shelf").explicit.url == "gs://shelf"


class _Interrupted(Exception):
    pass


def _interrupt(*_: object) -> None:
    raise _Interrupted


@pytest.mark.parametrize("delay", [0.002, 0.01, 0.05, 0.2])
def test_an_interrupted_push_leaves_the_object_of_before(
    objects: ObjectStore, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delay: float
) -> None:
    """The time runs from the first block that is read: between a file's opening and its block no code can close it."""
    read = remote._read_here

    def read_and_begin(*given: Any) -> bytes:
        monkeypatch.setattr(remote, "_read_here", read)
        signal.setitimer(signal.ITIMER_REAL, delay)
        return read(*given)

    table, place = tmp_path / "trials.parquet", Remote(f"s3://{bucket}/studies/small")
    table.write_bytes(b"old")
    place.push(table, table.name)
    table.write_bytes(bytes(12 * 2**20))
    before = signal.signal(signal.SIGALRM, _interrupt)
    interrupted = False
    monkeypatch.setattr(remote, "_read_here", read_and_begin)
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
