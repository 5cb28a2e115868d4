"""Checkpoints on a disk: which are intact and whose they are, and which files of trials may go."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.store.checkpoints import ASIDE, SEAL, discard, is_intact, owner_of, seal, set_aside, tidy
from tests.orchestrator.broken import NO_OBJECT
from tests.scenarios.test_damage import DAMAGES, OWNER, checkpoint
from trainables.errors import InvalidValue


@DAMAGES
@pytest.mark.parametrize("name", ["trial.pt", "extra/optimizer.pt", SEAL])
def test_a_checkpoint_of_which_a_file_is_damaged_is_not_whole(
    tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    folder = checkpoint(tmp_path / "checkpoint")
    assert is_intact(folder)
    damage(folder / name)
    assert not is_intact(folder)


def test_what_is_not_there_is_not_whole(tmp_path: Path) -> None:
    assert not is_intact(tmp_path / "absent")
    assert not is_intact(tmp_path)


@pytest.mark.parametrize(
    "other",
    [{"study": "large"}, {"trial": 4}, {"configuration": "4567"}, {"epoch": 3}],
    ids=lambda other: next(iter(other)),
)
def test_a_checkpoint_that_is_another_trial_s_or_from_an_epoch_not_reached_is_damaged(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    folder = checkpoint(tmp_path / "checkpoint", owner=replace(OWNER, **other))
    assert owner_of(folder) == replace(OWNER, **other)
    assert is_intact(folder)
    assert not is_intact(folder, OWNER)
    assert is_intact(folder, replace(OWNER, **other))


def test_a_seal_without_an_owner_is_believed_only_where_those_are_usual(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "checkpoint")
    early = json.loads((folder / SEAL).read_text())["files"]
    for sealed in ({"files": early, "owner": None}, early):
        (folder / SEAL).write_text(json.dumps(sealed))
        assert is_intact(folder, OWNER)
        assert not is_intact(folder, OWNER, unowned=False)


def test_what_belongs_to_no_known_trial_is_set_aside_and_nothing_of_it_deleted(tmp_path: Path) -> None:
    known, unknown = (checkpoint(tmp_path / "trials" / f"{n:05d}-x" / "checkpoint_000000") for n in range(2))
    for _ in range(2):
        checkpoint(unknown, owner=OWNER) if not unknown.exists() else None
        (aside,) = tidy(tmp_path / "trials", {known}, known=1)
        assert is_intact(aside / "checkpoint_000000")
    assert sorted(path.name for path in (tmp_path / "set-aside").iterdir()) == ["00001-x", "00001-x.1"]
    assert is_intact(known)


@settings(max_examples=20)
@given(
    files=st.dictionaries(
        st.sampled_from(["trial.pt", "extra/a", "extra/b", "é.bin"]), st.binary(max_size=20), min_size=1
    ),
    data=st.data(),
)
def test_any_change_of_a_sealed_checkpoint_is_noticed(
    files: dict[str, bytes], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("checkpoint")
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    seal(folder, OWNER)
    assert is_intact(folder, OWNER, unowned=False)
    name = data.draw(st.sampled_from([*files, "new.pt"]))
    changed = data.draw(st.none() | st.binary(max_size=20).filter(lambda content: content != files.get(name)))
    if changed is not None:
        (folder / name).write_bytes(changed)
    elif name in files:
        (folder / name).unlink()
    else:
        (folder / name).touch()
    assert not is_intact(folder, OWNER)


def write_seal(folder: Path, content: bytes) -> Path:
    (folder / SEAL).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    "content",
    [
        *NO_OBJECT,
        b'"files"',
        b"{}",
        b'{"files": {}}',
        b'{"files": 5}',
        b'{"files": [], "owner": null}',
    ],
)
def test_a_seal_that_cannot_be_understood_vouches_for_nothing(tmp_path: Path, content: bytes) -> None:
    folder = write_seal(checkpoint(tmp_path / "checkpoint"), content)
    assert not is_intact(folder)
    assert owner_of(folder) is None


@pytest.mark.parametrize(
    "owner",
    [
        5,
        "me",
        [1],
        {"study": "small"},
        {**vars(OWNER), "epoch": "2"},
        {**vars(OWNER), "epoch": None},
        {**vars(OWNER), "x": 1},
    ],
)
def test_an_owner_that_is_none_makes_a_checkpoint_nobodys(tmp_path: Path, owner: object) -> None:
    folder = checkpoint(tmp_path / "checkpoint")
    files = json.loads((folder / SEAL).read_text())["files"]
    write_seal(folder, json.dumps({"files": files, "owner": owner}).encode())
    assert not is_intact(folder, OWNER)
    assert owner_of(folder) is None


def link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


def link_to_folder(path: Path) -> None:
    path.symlink_to("victim", target_is_directory=True)


@pytest.mark.parametrize("make", [link, dangling_link, os.mkfifo])
@pytest.mark.parametrize("name", [SEAL, "trial.pt", "extra/more", "more"])
def test_a_checkpoint_with_a_link_or_a_pipe_is_not_intact_and_is_not_waited_for(
    tmp_path: Path, make: Callable[[Path], None], name: str
) -> None:
    folder = checkpoint(tmp_path / "checkpoint", owner=OWNER)
    (folder / name).unlink(missing_ok=True)
    make(folder / name)
    assert not is_intact(folder)
    assert not is_intact(folder, OWNER)


def test_a_link_to_a_checkpoint_is_none(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "elsewhere")
    (tmp_path / "checkpoint").symlink_to(folder, target_is_directory=True)
    assert is_intact(folder)
    assert not is_intact(tmp_path / "checkpoint")


@pytest.mark.parametrize(("epoch", "owns"), [(0, True), (1, True), (2, True), (3, False)])
def test_a_trial_owns_what_it_left_at_epochs_that_it_has_reached(epoch: int, owns: bool) -> None:
    assert OWNER.owns(replace(OWNER, epoch=epoch)) == owns


def test_tidying_keeps_needed_checkpoints_and_texts_and_deletes_the_rest(tmp_path: Path) -> None:
    trials = tmp_path / "trials"
    kept = checkpoint(trials / "00000-x" / "checkpoint_000001")
    checkpoint(trials / "00000-x" / "checkpoint_000000")
    checkpoint(trials / "00001-x" / "checkpoint_000000")
    checkpoint(trials / "00002-x" / "checkpoint_000000")
    (trials / "00002-x" / "trial.log").write_text("epoch 1")
    (trials / "00002-x" / "params.json").write_text("{}")
    (trials / "00000-x" / "saving-abc").mkdir()
    (trials / "00000-x" / "error.txt").touch()
    (trials / "experiment_state.json").write_text("{}")
    assert tidy(trials, {kept}) == []
    assert sorted(path.relative_to(trials).as_posix() for path in trials.glob("*/*")) == [
        "00000-x/checkpoint_000001",
        "00000-x/error.txt",
        "00002-x/trial.log",
    ]
    assert sorted(path.name for path in trials.iterdir()) == ["00000-x", "00002-x"]
    assert is_intact(kept)
    assert tidy(trials, ()) == []
    assert sorted(path.name for path in trials.iterdir()) == ["00002-x"]


def test_tidying_a_folder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    assert tidy(tmp_path / "trials", (), known=0) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["trial-x", "-x", "00001", "\u0661-x", "0x1-x"])
def test_only_folders_with_a_trial_s_number_are_set_aside(tmp_path: Path, name: str) -> None:
    checkpoint(tmp_path / "trials" / name / "checkpoint_000000")
    assert tidy(tmp_path / "trials", (), known=0) == []
    assert not (tmp_path / "trials" / name).exists()


@pytest.mark.parametrize("make", [link, dangling_link, link_to_folder])
def test_nothing_is_set_aside_through_a_link(tmp_path: Path, make: Callable[[Path], None]) -> None:
    (tmp_path / "victim").mkdir()
    kept = checkpoint(tmp_path / "trials" / "00001-x" / "checkpoint_000000")
    make(tmp_path / ASIDE)
    with pytest.raises(InvalidValue, match="must be no link: what is set aside would leave the store"):
        tidy(tmp_path / "trials", (), known=1)
    assert is_intact(kept)
    assert list((tmp_path / "victim").iterdir()) == []


def test_what_is_set_aside_replaces_nothing_that_was(tmp_path: Path) -> None:
    (tmp_path / ASIDE).mkdir()
    (tmp_path / ASIDE / "00001-x").symlink_to("nowhere")
    trial = checkpoint(tmp_path / "trials" / "00001-x" / "checkpoint_000000").parent
    assert set_aside(trial) == tmp_path / ASIDE / "00001-x.1"
    assert (tmp_path / ASIDE / "00001-x").is_symlink()


def test_discarding_what_is_not_there_does_nothing(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "checkpoint")
    for _ in range(2):
        discard(folder)
        assert not folder.exists()
