"""Somebody else can write to the store: they run no code, and reach no file outside the study."""

import json
import logging
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestrator import study
from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.proof import Position, Witness
from orchestrator.ledger.trials_table import write_table
from orchestrator.spec.history import write_study
from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store import stamp
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.checkpoints import is_intact, seal, tidy
from orchestrator.store.logs import logging_study
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from tests.conftest import Interrupted, MemoryContext
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier
from trainables import models
from trainables.checkpoint import CHECKPOINT
from trainables.errors import InvalidValue
from trainables.spec import DataSpec, ModelSpec, TrialSpec
from trainables.trial import run_trial

OUTSIDE = [
    "../../../victim",
    "trials/../../../victim",
    "/victim",
    "trials/..",
    "trials/00000-x",
    "trials/00000-x/../..",
]
TRIAL = TrialSpec(
    data=DataSpec(name="digits", subset=100),
    model=ModelSpec(name="mlp"),
    paradigm="dense",
    epochs=2,
    objectives=("macs",),
)


class Malice:
    """What runs a command when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.trace),)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder that is none of espalier's business."""
    folder = tmp_path / "victim" / "letters"
    folder.mkdir(parents=True)
    (folder / "letter").write_text("dear ...")
    return folder.parent


def asked(folder: Path) -> Ledger:
    """Return the open ledger of a study of one trial that was handed out."""
    ledger = small.launched(small.study(trials=1), folder / "store")
    stamp.write(ledger.folder.stamp, stamp.stamp("0123"))
    assert Sweep(ledger, small.Silence()).next() is not None
    return ledger


@pytest.mark.parametrize("wrap", [lambda malice: malice, lambda malice: {"position": {}, "model": malice}])
def test_a_checkpoint_that_would_run_something_is_refused(context: MemoryContext, tmp_path: Path, wrap: Any) -> None:
    context.stop_after = 1
    with pytest.raises(Interrupted):
        run_trial(TRIAL, context)
    (checkpoint,) = context.checkpoints
    trace = tmp_path / "trace"
    torch.save(wrap(Malice(trace)), checkpoint / CHECKPOINT)
    seal(checkpoint)
    assert is_intact(checkpoint)
    resumed = MemoryContext(tmp_path / "again", resume_from=checkpoint)
    with pytest.raises(pickle.UnpicklingError):
        run_trial(TRIAL, resumed)
    assert not trace.exists()
    assert resumed.reports == []
    torch.load(checkpoint / CHECKPOINT, weights_only=False)
    assert trace.exists()  # so it would have


@pytest.mark.parametrize("within", OUTSIDE)
def test_a_ledger_that_names_a_checkpoint_elsewhere_is_not_believed(tmp_path: Path, within: str) -> None:
    with asked(tmp_path) as ledger:
        ledger.storage.set_trial_user_attr(ledger._ids[0], "checkpoints", [within])
        with pytest.raises(InvalidValue, match="another program has written to its ledger"):
            ledger.checkpoints(0)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\n", "\u00e4", "~"])
def test_a_reference_that_would_lead_elsewhere_cannot_be_made(name: str) -> None:
    for attempt, checkpoint in ((name, "checkpoint_000000"), ("00000-x", name)):
        with pytest.raises(InvalidValue, match="is not a checkpoint of this study"):
            CheckpointRef(attempt, checkpoint)


def test_a_study_whose_ledger_names_a_checkpoint_elsewhere_deletes_nothing(tmp_path: Path, victim: Path) -> None:
    with asked(tmp_path) as ledger:
        (ledger.folder.trials / "00000-x" / "checkpoint_000000").mkdir(parents=True)
        ledger.storage.set_trial_user_attr(ledger._ids[0], "checkpoints", ["trials/../../../../victim/letters"])
    assert (ledger.folder.trials / "../../../../victim/letters").samefile(victim / "letters")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(InvalidValue, match="another program has written to its ledger"):
        study.resume("small", Store(tmp_path / "store"))
    assert before - set(tmp_path.rglob("*")) == set()


def test_a_reason_does_nothing_to_a_terminal(tmp_path: Path) -> None:
    with asked(tmp_path) as ledger:
        ledger.begin(0)
        ledger.fail(0, Breakdown(Failure.ERROR, "ValueError: \x1b]0;mine\x07\x1b[2J"))
        assert ledger.record(0).reason == "ValueError: ?]0;mine??[2J"


def test_links_among_trials_are_deleted_and_not_followed(tmp_path: Path, victim: Path) -> None:
    trials = tmp_path / "trials"
    kept, lost = trials / "00000-a" / "checkpoint_000001", trials / "00000-a" / "checkpoint_000000"
    kept.mkdir(parents=True)
    lost.mkdir()
    (trials / "00000-a" / "link").symlink_to(victim)
    (lost / "link").symlink_to(victim)
    (trials / "00001-b").symlink_to(victim)
    (trials / "00002-c").symlink_to(victim / "letters" / "letter")
    (victim / "error.txt").touch()
    tidy(trials, {kept, trials / "00001-b" / "letters"})
    assert sorted(path.relative_to(trials).as_posix() for path in trials.rglob("*")) == [
        "00000-a",
        "00000-a/checkpoint_000001",
    ]
    assert (victim / "letters" / "letter").read_text() == "dear ..."


def test_a_folder_of_trials_that_is_a_link_is_refused(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "trials").symlink_to(victim)
    with pytest.raises(InvalidValue, match="must be no link"):
        tidy(tmp_path / "trials", set())
    assert (victim / "letters" / "letter").exists()


def written_by_a_study(store: Path) -> list[str]:
    """Return what espalier itself writes in a store, by a real study and its commands; trials are checked apart."""
    with small.launched(small.study(trials=1, epochs=2), store) as ledger:
        stamp.write(ledger.folder.stamp, stamp.stamp("0123"))
        small.run_all(Sweep(ledger, small.Silence()))
    write_table(ledger.records(), ledger.folder.table)
    ledger.folder.trials.mkdir()
    with logging_study(ledger.folder):
        logging.getLogger("orchestrator").warning("a word")
    for name in ("mlflow-artifacts", "data"):
        (store / name).mkdir()
    for name in ("mlflow.db", "mlflow.db-wal", "studies/small/report.html"):
        (store / name).touch()
    return sorted(path.relative_to(store).as_posix() for path in store.rglob("*"))


@pytest.mark.parametrize("kind", ["file", "folder", "nothing", "pipe"])
def test_no_file_of_a_store_is_opened_through_a_link(espalier: Espalier, tmp_path: Path, kind: str) -> None:
    store, letter = tmp_path / "store", tmp_path / "victim" / "letter"
    names = written_by_a_study(store)
    assert {
        "driver.lock",
        "driver.log",
        "journal.log",
        "stamp.json",
        "study.yaml",
        "trials.parquet",
        "witness.json",
    } <= {Path(name).name for name in names}
    letter.parent.mkdir()
    letter.write_text("dear ...")
    target = {"file": letter, "folder": letter.parent, "nothing": letter.with_name("absent"), "pipe": letter}[kind]
    for name in names:
        path, aside = store / name, tmp_path / "aside"
        path.rename(aside)
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(target)
        for command in (["resume", "small"], ["status", "small"]):
            status, _, err = espalier(*command, "--store", str(store))
            assert (status, "must be a plain file" in err, str(path) in err) == (2, True, True), (name, err)
        assert letter.read_text() == "dear ..."
        assert sorted(letter.parent.iterdir()) == [letter]
        path.unlink()
        aside.rename(path)


def test_a_store_may_be_a_link_itself(espalier: Espalier, tmp_path: Path) -> None:
    written_by_a_study(tmp_path / "store")
    (tmp_path / "link").symlink_to(tmp_path / "store")
    assert espalier("status", "small", "--store", str(tmp_path / "link"))[0] == 0


def test_what_is_not_whole_yet_is_not_written_through_a_link_either(tmp_path: Path, victim: Path) -> None:
    letter = victim / "letters" / "letter"
    for name in ("study.yaml", "stamp.json", "witness.json"):
        (tmp_path / f".{name}.new").symlink_to(letter)
    (tmp_path / f".trials.parquet.{os.getpid()}").symlink_to(letter)
    write_study(tmp_path / "study.yaml", small.study())
    stamp.write(tmp_path / "stamp.json", stamp.stamp("0123"))
    Witness(tmp_path / "witness.json").write(Position(1, 1, "0"))
    write_table([], tmp_path / "trials.parquet")
    assert letter.read_text() == "dear ..."
    assert sorted(path.name for path in tmp_path.iterdir() if not path.is_dir()) == [
        "stamp.json",
        "study.yaml",
        "trials.parquet",
        "witness.json",
    ]


@pytest.mark.parametrize("name", ["driver.lock", "journal.log", "witness.json"])
def test_a_link_that_comes_after_the_check_is_not_followed(tmp_path: Path, victim: Path, name: str) -> None:
    folder = Store(tmp_path).study("small")
    folder.path.mkdir(parents=True)
    (folder.path / name).symlink_to(victim / "letters" / "letter")
    with pytest.raises(InvalidValue, match="must be a plain file"):
        Ledger(folder, small.study())
    assert (victim / "letters" / "letter").read_text() == "dear ..."


@pytest.mark.parametrize("name", ["../up", "/etc", "a/b", "..", ".", "", "a\0b", "a\nb", "-x"])
def test_no_name_of_a_study_leaves_the_store(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidValue, match="must consist of letters"):
        Store(tmp_path).study(name)
    plain = small.study().model_dump(mode="json")
    for changes in ({"name": name}, {"search": {**plain["search"], "warm_start": [name]}}):
        for context in (None, "stored"):
            with pytest.raises(StudyError, match="must consist of letters"):
                StudySpec.model_validate_json(json.dumps({**plain, **changes}), context=context)


@pytest.mark.parametrize("name", ["../mlp", "torchvision/../resnet18", "torchvision/os.system", "zoo", ""])
def test_no_name_of_a_model_reaches_anything_but_a_model(name: str) -> None:
    with pytest.raises(InvalidValue, match="must be one of"):
        models.build(name, classes=10, input_shape=(1, 8, 8))


def test_a_command_is_written_down_without_its_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["espalier", "launch", "--store", "s3://KEY:canary@bucket/espalier"])
    assert "canary" not in json.dumps(stamp.stamp("0123"))
    assert "bucket/espalier" in json.dumps(stamp.stamp("0123"))
