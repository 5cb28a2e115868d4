"""A study's networks start from files: checked against the network, hashed, and taken from earlier trials."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from orchestrator.execution.trial_context import WorkerContext, run
from orchestrator.ledger.ledger import Ledger
from orchestrator.search.expected_costs import ExpectedCosts, unplaced
from orchestrator.search.network_check import NetworkCheck
from orchestrator.search.starting_weights import gather, preview
from orchestrator.spec.history import write_study
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.store import Store
from orchestrator.store.trial_files import trial_files
from orchestrator.sweep.sweep import Sweep
from tests.conftest import MemoryContext
from tests.orchestrator.execution.orders import order_in
from tests.orchestrator.small import Silence, epoch, study
from tests.trainables.smaller import halved
from trainables import checkpoint, data, models
from trainables.errors import InvalidValue
from trainables.models.weight_files import read
from trainables.state import LiveTrial


def digits_cnn(classes: int = 10) -> torch.nn.Module:
    return models.build("digits_cnn", classes=classes, input_shape=(1, 8, 8))


def saved(path: Path, classes: int = 10) -> Path:
    torch.save(digits_cnn(classes).state_dict(), path)
    return path


def starting(weights: str) -> StudySpec:
    return study(model={"name": "digits_cnn", "weights": weights})


def test_a_file_is_used_where_it_lies_with_an_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path / "own.pt")
    monkeypatch.chdir(tmp_path)
    spec = starting("own.pt")
    found = gather(spec, Store(tmp_path / "store"))
    trial = spec.trial("dense", {}, 0)
    assert spec.networks[0].weights == trial.model.weights == str(tmp_path / "own.pt")
    assert found.placed(trial) == trial
    assert {len(digest) for digest in found.hashes.values()} == {64}


def test_of_several_networks_each_starts_from_its_own(tmp_path: Path) -> None:
    own = str(saved(tmp_path / "own.pt"))
    spec = study(model=["mlp", "digits_cnn", {"name": "digits_cnn", "weights": own}])
    found = gather(spec, Store(tmp_path / "store"))
    assert list(found.files) == [("digits_cnn", own)]
    labels = [network.label for network in spec.networks]
    starts = [found.placed(spec.trial("dense", {"model": label}, 0)).model.weights for label in labels]
    assert starts == [None, None, own]


def test_without_weights_nothing_is_gathered(tmp_path: Path) -> None:
    found = gather(study(), Store(tmp_path))
    assert (found.files, found.hashes) == ({}, {})
    assert list(tmp_path.iterdir()) == []


def test_weights_of_another_network_are_refused_under_their_key(tmp_path: Path) -> None:
    spec = starting(str(saved(tmp_path / "own.pt")))
    other = spec.model_copy(update={"model": replace(spec.networks[0], name="mlp")})
    with pytest.raises(InvalidValue, match=r"^model.weights = .*own.pt': does not belong to this network: it lacks "):
        gather(other, Store(tmp_path / "store"))


def test_a_network_that_is_not_there_is_named_under_its_own_key(tmp_path: Path) -> None:
    own = str(saved(tmp_path / "own.pt"))
    spec = study(model={"name": "tests.nets:builds", "weights": own})
    with pytest.raises(InvalidValue, match=r"name = 'tests\.nets:builds': "):
        gather(spec, Store(tmp_path / "store"))


def test_a_head_of_another_size_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        gather(starting(str(saved(tmp_path / "own.pt", classes=3))), Store(tmp_path / "store"))
    assert "has another size in" in caplog.text


def test_weights_that_have_changed_since_the_launch_are_refused(tmp_path: Path) -> None:
    spec, store = starting(str(saved(tmp_path / "own.pt"))), Store(tmp_path / "store")
    before = gather(spec, store)
    before.require_same(before.hashes)
    before.require_same({})  # a study of an earlier version
    saved(tmp_path / "own.pt", classes=5)
    with pytest.raises(InvalidValue, match=r"has changed since the launch .* put the old weights back"):
        gather(spec, store).require_same(before.hashes)


def tell_first(store: Store) -> Store:
    """Add a study `first`: trial 0 has a network, 1 one with fewer filters, 2 no checkpoint, and 3 is running."""
    spec, folder = study(name="first", trials=4, paradigms={"dense": {}}), store.study("first")
    with Ledger(folder, spec) as ledger:
        write_study(folder.spec, spec)
        folder.push(folder.spec)
        sweep = Sweep(ledger, Silence())
        for ends in (True, True, True, False):
            trial = sweep.next()
            assert trial is not None
            sweep.begin(trial.number)
            for number in range(1, 5 if ends else 2):
                sweep.report(trial.number, epoch(sweep, trial, number))
            if trial.number != 2:
                _keep(ledger, trial.number)
            if ends:
                sweep.end(trial.number)
    return store


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tell_first(Store(tmp_path_factory.mktemp("store")))


def _keep(ledger: Ledger, number: int) -> None:
    spec = ledger.spec.trial("dense", {}, seed=number)
    context = MemoryContext(ledger.folder.path)
    trial = LiveTrial(spec, data.load(spec.data), context) if number != 1 else halved(ledger.folder.path, "digits_cnn")
    ref = CheckpointRef(f"{number:05d}-a", "checkpoint_000000")
    ledger.folder.trials.mkdir(exist_ok=True)
    trial_files(ledger.folder).keep(ref, lambda folder: checkpoint.save(trial, folder))
    ledger.keep_checkpoints(number, [ref])


def test_the_network_of_an_earlier_trial_becomes_a_file_of_the_study(earlier: Store) -> None:
    spec = starting("trial:first/0")
    found = gather(spec, earlier)
    (path,) = found.files.values()
    assert path.parent == earlier.study("small").path
    placed = found.placed(spec.trial("dense", {}, 5))
    assert placed.model.weights == str(path)
    assert found.hashes.keys() == {"trial:first/0"}
    torch.manual_seed(0)
    expected = digits_cnn().state_dict()
    written = read(path)
    assert all(torch.equal(written[name], tensor) for name, tensor in expected.items())
    again = path.stat().st_mtime_ns
    assert gather(spec, earlier) == found
    assert path.stat().st_mtime_ns == again


def test_a_network_that_lost_filters_keeps_its_shape(earlier: Store) -> None:
    """The file says what was removed: a trial begins with the smaller network, and so do all checks before it."""
    spec = starting("trial:first/1")
    found = gather(spec, earlier)
    placed = found.placed(spec.trial("dense", {}, 5))
    trial = LiveTrial(placed, data.load(spec.data), MemoryContext(earlier.study("small").path))
    trial.adopt_weights()
    assert trial.starts_smaller
    dense, smaller = (ExpectedCosts(spec, way).unpruned({})["params"].high for way in (unplaced, found.placed))
    assert smaller == sum(parameter.numel() for parameter in trial.model.parameters()) < dense
    assert gather(spec, earlier) == found


def test_a_preview_writes_nothing_into_the_store_and_its_files_do_not_stay(earlier: Store) -> None:
    spec = starting("trial:first/1").model_copy(update={"name": "planned"})
    with preview(spec, earlier) as weights:
        (path,) = weights.files.values()
        assert NetworkCheck(spec, weights.placed).shapes.starts_smaller
    assert not path.exists()
    assert not earlier.study("planned").path.exists()


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ("trial:frist/0", "is no earlier study in .*: there are first; did you mean 'first'"),
        ("trial:small/0", "is no earlier study"),
        ("trial:first/9", "study first has no trial 9; those that can be started from are 0, 1, 2$"),
        ("trial:first/2", "trial 2 of first has no intact checkpoint any more; name another trial"),
        ("trial:first/3", "trial 3 of first is RUNNING, and must be COMPLETE; those"),
    ],
)
def test_an_earlier_trial_that_cannot_be_started_from_is_refused(earlier: Store, weights: str, reason: str) -> None:
    spec = starting(weights)
    with pytest.raises(InvalidValue, match=rf"^model.weights = '{weights}': .*{reason}"):
        gather(spec, earlier)


def test_in_an_object_storage_the_file_is_there_for_workers_on_other_machines(bucket: str) -> None:
    store, spec = tell_first(Store.at(f"s3://{bucket}/shelf")), starting("trial:first/0")
    found = gather(spec, store)
    (path,) = found.files.values()
    content, folder = path.read_bytes(), store.study("small")
    shutil.rmtree(folder.path)
    assert folder.remote is not None
    placed = found.placed(spec.trial("dense", {}, 5))
    trials = folder.remote.below("trials").url
    order = order_in(folder.trials, trial=placed, remote=trials, run="tests.orchestrator.runs:idle")
    run(order, WorkerContext.of(order))
    assert path.read_bytes() == content
    shutil.rmtree(folder.path)
    assert gather(spec, store) == found
