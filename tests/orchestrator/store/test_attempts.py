"""What a trial said, while the study runs and afterwards: `espalier logs`."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.execution.cluster import ray_session
from orchestrator.ledger.cluster import Noted
from orchestrator.ledger.ledger import read_all
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import Attempt, CheckpointRef, attempts, checkpoints_of
from orchestrator.store.checkpoints import tidy
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator.commands import Espalier, a_study
from tests.orchestrator.small import FIXED, Silence, launched, study

STORE = Path("espalier-store")


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with ray_session(tmp_path_factory.mktemp("ray") / "ray.log"):
        yield


class Listener(Silence):
    """Reads, at every piece of news, what an outsider can read."""

    def __init__(self, spec: StudySpec, store: Path) -> None:
        super().__init__()
        self.folder = Store(store).study(spec.name)
        self.heard: list[tuple[TrialRecord, list[Attempt]]] = []
        self.noted: list[Noted] = []

    def updated(self, record: TrialRecord) -> None:
        self.heard.append((record, attempts(self.folder.trials, record.trial)))
        noted = read_all(self.folder).cluster
        self.noted += [noted] if noted is not None else []


def swept(spec: StudySpec, store: Path, run: str) -> Listener:
    """Run a sweep in Ray with somebody listening."""
    from orchestrator.execution.tune_run import run_trials

    (store / "cache").mkdir(parents=True)
    listener = Listener(spec, store)
    with launched(spec, store) as ledger:
        assert not run_trials(Sweep(ledger, listener), store / "cache", f"tests.orchestrator.runs:{run}")
    return listener


@pytest.mark.usefixtures("ray")
def test_what_trials_say_is_heard_while_they_run_and_after_they_ended(espalier: Espalier) -> None:
    sparsities = [0.1, 0.2, 0.3, 0.6]
    spec = study(paradigms={"magnitude": {**FIXED, "sparsity": sparsities}}, trials=5, seed=1, failures={"retries": 1})
    listener = swept(spec, STORE, "talking")
    ends = {
        float(record.params["sparsity"]): record for record, _ in listener.heard if record.state is not State.RUNNING
    }
    assert ends.keys() == set(sparsities)
    reported = [(one, said) for one, said in listener.heard if one.state is State.RUNNING and one.curve]
    while_running = [said for one, said in reported if one.params["sparsity"] == 0.6]
    assert while_running
    assert all("epoch 1 begins" in said[-1].log for said in while_running)

    tidy(listener.folder.trials, keep=())
    told = {sparsity: espalier("logs", "small", str(record.trial)) for sparsity, record in ends.items()}
    assert all((code, err) == (0, "") for code, _, err in told.values())
    out = {sparsity: printed for sparsity, (_, printed, _) in told.items()}

    assert "FAIL (error) at 25% of its budget, 1 attempt\n" in out[0.1]
    assert "\nValueError: unlucky\n" in out[0.1]
    assert out[0.1].count("Traceback (most recent call last)") == 1  # and not Ray's account of it as well
    assert "in _give_up\n" in out[0.1]

    assert "FAIL (lost worker) at 25% of its budget, 2 attempts\n" in out[0.2]
    assert out[0.2].count("\n--- ") == 2
    assert out[0.2].count("Fatal Python error: Aborted") == 2
    assert out[0.2].count("worker process has died") == 2  # what only Ray can say

    assert "COMPLETE at 100% of its budget, 1 attempt\n" in out[0.6]
    assert "WARNING tests.orchestrator.runs: epoch 4 begins\n" in out[0.6]
    assert "It has printed and logged nothing." in out[0.3]
    assert not list(listener.folder.trials.glob(f"{ends[0.3].trial:05d}-*"))

    code, printed, _ = espalier("logs", "small", str(ends[0.2].trial), "--json")
    found = json.loads(printed)
    assert (code, found["state"], found["attempts"]) == (0, "FAIL", 2)
    assert [set(one) for one in found["said"]] == [{"folder", "last_word", "log", "error"}] * 2


@pytest.mark.usefixtures("ray")
def test_the_ledger_learns_how_the_cluster_is_and_on_which_node_trials_run(tmp_path: Path) -> None:
    import ray as ray_cluster

    cpus, address = ray_cluster.cluster_resources()["CPU"], ray_cluster.util.get_node_ip_address()
    listener = swept(study(trials=1, epochs=25, resources={"cpus": 1}), tmp_path, "slow")
    noted = next(noted for noted in listener.noted if noted.places)
    assert noted.places == {0: address}
    assert [(node.address, node.cpus, node.gpus) for node in noted.state.nodes] == [(address, cpus, 0)]
    assert (noted.state.cpus_in_use, noted.state.gone) == (1, 0)
    assert read_all(listener.folder).cluster == noted.__class__(noted.state, noted.since, {})  # it has ended


def test_a_trial_that_is_not_there_is_refused_with_those_that_are(espalier: Espalier) -> None:
    a_study(STORE)
    code, _, err = espalier("logs", "small", "17")
    assert code == 2
    assert "TRIAL = 17: is not a trial of this study: there are 0 to 5" in err


def test_what_ray_says_is_left_out_where_the_trial_has_said_it(tmp_path: Path) -> None:
    texts = {
        "00003-raised": {"trial.log": b"KeyError: 'x'\n", "error.txt": b"Ray: KeyError: 'x'\n"},
        "00003-lost": {
            "trial.log": b"epoch 1 \xff\n",
            "obituary.txt": b"\x1b[36mIt died.\x1b[39m\n",
            "error.txt": b"again",
        },
        "00003-early": {"error.txt": b"from before trials had logs\n"},
        "00003-silent": {},
        "00030-other": {"trial.log": b"another trial"},
    }
    for folder, files in texts.items():
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_bytes(text)
    os.utime(tmp_path / "00003-lost" / "obituary.txt", (2e9, 2e9))
    os.utime(tmp_path / "00003-raised" / "error.txt", (3e9, 3e9))
    said = attempts(tmp_path, 3)
    assert {one.folder.name: (one.log, one.error) for one in said} == {
        "00003-raised": ("KeyError: 'x'\n", ""),
        "00003-lost": ("epoch 1 \ufffd\n", "It died.\n"),
        "00003-early": ("", "from before trials had logs\n"),
    }
    assert said[-1].folder.name == "00003-lost"


def test_a_checkpoint_is_written_as_it_is_parsed_and_lies_where_that_says(tmp_path: Path) -> None:
    checkpoint = CheckpointRef.parse("trials/00003-a1_b2/checkpoint_000001")
    assert (checkpoint.attempt, checkpoint.name) == ("00003-a1_b2", "checkpoint_000001")
    assert str(checkpoint) == "trials/00003-a1_b2/checkpoint_000001"
    folder = Store(tmp_path).study("small")
    assert folder.checkpoint(checkpoint) == folder.path / str(checkpoint)


def test_a_trial_s_checkpoints_are_found_without_links_and_copies_by_hand(tmp_path: Path) -> None:
    names = ("00003-x/checkpoint_000000", "00003-y/checkpoint_000001")
    others = ("00003-x/checkpoint_000000 (copy)", "00003-x/saving-z", "00030-x/checkpoint_000000")
    for name in (*names, *others):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "00003-link").symlink_to(tmp_path / "00003-x")
    assert sorted(found.within_trials for found in checkpoints_of(tmp_path, 3)) == list(names)
