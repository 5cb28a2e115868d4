"""The stamp of a study says what it was launched with, or is refused."""

import json
import subprocess
from pathlib import Path

import pytest

from orchestrator.store import stamp
from trainables.errors import InvalidValue


def test_a_stamp_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = stamp.stamp("0123abcd")
    stamp.write(tmp_path / "stamp.json", made)
    assert stamp.read(tmp_path / "stamp.json") == made
    assert made["data_hash"] == "0123abcd"
    assert made["versions"].keys() == set(stamp.PACKAGES)
    assert all(made["versions"].values())


def test_the_commit_is_that_of_the_current_folder_and_says_if_it_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert stamp.stamp("")["git_commit"] is None
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    (tmp_path / "file").write_text("one")
    for command in (["init", "-q"], ["add", "file"], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", *command], check=True)
    commit = stamp.stamp("")["git_commit"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert commit == head
    (tmp_path / "file").write_text("two")
    assert stamp.stamp("")["git_commit"] == f"{head}-dirty"


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert stamp.stamp("")["git_commit"] is None


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, "[]", '{"git_commit": null}', '{"data_hash": "0"}', '["git_commit", "data_hash"]', "\ud800"],
)
def test_a_stamp_that_is_something_else_is_refused_with_its_path(tmp_path: Path, content: str) -> None:
    path = tmp_path / "small" / "stamp.json"
    path.parent.mkdir()
    path.write_bytes(content.encode(errors="surrogatepass"))
    with pytest.raises(InvalidValue) as refused:
        stamp.read(path)
    assert (refused.value.key, refused.value.value) == ("stamp", str(path))


def test_keys_of_other_versions_are_kept(tmp_path: Path) -> None:
    (tmp_path / "stamp.json").write_text(json.dumps({"git_commit": None, "data_hash": "0", "weather": "fine"}))
    assert stamp.read(tmp_path / "stamp.json")["weather"] == "fine"


@pytest.mark.parametrize("content", [None, "", "5", "{}", "\0"])
def test_a_stamp_that_says_nothing_is_one_sentence_for_readers(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "small" / "stamp.json"
    path.parent.mkdir()
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidValue, match="`espalier resume small` writes it again"):
        stamp.read(path)


def test_the_packages_that_a_study_is_referred_to_are_told_and_a_change_of_them_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "nets_for_a_stamp.py"
    module.write_text("WIDTH = 1\n")
    made = stamp.stamp("", [module.stem])
    assert list(stamp.other_code(made, [module.stem])) == []
    module.write_text("WIDTH = 2\n")
    (changed,) = stamp.other_code(made, [module.stem])
    assert changed.startswith(f"{module.stem} has changed since the study began: it is the code ")
    assert made["code"][module.stem] in changed


def test_a_stamp_of_before_says_nothing_of_packages_and_no_change_is_seen() -> None:
    earlier = {key: value for key, value in stamp.stamp("").items() if key != "code"}
    assert list(stamp.other_code(earlier, ["filelock"])) == []


def test_data_that_changed_since_the_launch_are_named_with_what_to_do() -> None:
    stamp.require_same_data(stamp.stamp("0123"), "photos", "0123")
    with pytest.raises(InvalidValue, match=r"data\.name = 'photos': has changed since .* put the old data back, or"):
        stamp.require_same_data(stamp.stamp("0123"), "photos", "4567")


@pytest.mark.parametrize("unknown", [None, ""])
def test_a_stamp_that_does_not_know_its_data_is_accepted(unknown: str | None) -> None:
    stamp.require_same_data({**stamp.stamp(""), "data_hash": unknown}, "photos", "4567")
