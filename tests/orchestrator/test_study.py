"""Whole studies: what they leave behind, how they are stopped, and that plug-ins cannot break them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from orchestrator import study
from orchestrator.ledger import ledger
from orchestrator.ledger.journal_file import is_driven
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store import stamp
from orchestrator.store.store import Store
from tests.orchestrator import small
from tests.orchestrator.commands import a_study
from trainables.errors import InvalidValue

TOY = "tests.orchestrator.runs:toy"
SLOW = "tests.orchestrator.runs:slow"


def driver(store: Path, spec: StudySpec, run: str, **environment: str) -> subprocess.Popen[str]:
    """Start a driver in a process group of its own, as a shell does."""
    file = store / f"{spec.name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(spec.as_yaml(), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "tests.orchestrator.driver", str(store), str(file), run],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def lines_until(running: subprocess.Popen[str], beginning: str) -> str:
    """Read what a driver prints up to a line that begins so, and return that line; empty if there is none."""
    assert running.stdout is not None
    return next((line for line in running.stdout if line.startswith(beginning)), "")


def told(records: list[TrialRecord]) -> list[int]:
    return [record.trial for record in records if record.state is not State.RUNNING]


def test_a_study_leaves_its_spec_stamp_table_and_checkpoints_and_is_done(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "ein Laden, 100 %").symlink_to(tmp_path / "real")
    store, spec = Store(tmp_path / "ein Laden, 100 %"), small.study(trials=3)
    watched = small.Silence()
    outcome = study.launch(spec, store, observer=watched, run=TOY)
    folder = store.study("small")
    assert outcome.records == tuple(ledger.read(folder))
    assert [record.state for record in outcome.records] == [State.COMPLETE] * 3
    assert not outcome.interrupted
    assert outcome.spent_budget is None
    assert watched.records[-1] == outcome.records[watched.records[-1].trial]
    assert StudySpec.stored(folder.spec) == spec
    assert len(stamp.read(folder.stamp)["data_hash"]) == 64
    assert parquet.read_table(folder.table).num_rows == 3
    assert sum(1 for _ in folder.trials.glob("*/checkpoint_*")) == 3
    assert {path.name.split("_")[0] for path in folder.trials.glob("*/*")} == {"checkpoint"}
    assert not is_driven(folder.driver_lock)

    journal = folder.journal.read_bytes()
    with pytest.raises(InvalidValue, match="espalier resume small"):
        study.launch(spec, store, run=TOY)
    with pytest.raises(InvalidValue, match="differs"):
        study.launch(small.study(trials=4), store, exist_ok=True, run=TOY)
    with pytest.raises(InvalidValue, match="did you mean 'small'"):
        study.resume("smal", store, run=TOY)
    again = study.resume("small", store, run=TOY)
    assert again.records == outcome.records
    assert folder.journal.read_bytes() == journal


@pytest.mark.parametrize(
    ("trials", "resources", "ready"),
    [(4, {}, True), (4, {"parallel": 4}, True), (4, {"parallel": 3}, False), (3, {}, False), (4, {"cpus": 2}, False)],
)
def test_workers_are_ready_only_where_each_processor_runs_a_trial(
    monkeypatch: pytest.MonkeyPatch, trials: int, resources: dict[str, int], ready: bool
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert study._session(small.study(trials=trials, resources=resources), None, None)._ready is ready


def test_a_study_is_not_resumed_on_other_data(tmp_path: Path) -> None:
    a_study(tmp_path)
    folder = Store(tmp_path).study("small")
    stamp.write(folder.stamp, stamp.stamp("0123"))
    before = ledger.read(folder)
    with pytest.raises(InvalidValue, match=r"digits.* has changed since the launch"):
        study.resume("small", Store(tmp_path), run=TOY)
    assert ledger.read(folder) == before


def test_ctrl_c_ends_a_study_cleanly_and_it_can_be_resumed(tmp_path: Path) -> None:
    spec = small.study(trials=4, epochs=10)
    with driver(tmp_path, spec, SLOW) as running:
        assert lines_until(running, "COMPLETE")
        os.killpg(running.pid, signal.SIGINT)
        assert lines_until(running, "interrupted")
    assert running.returncode == 0
    folder = Store(tmp_path).study("small")
    before = ledger.read(folder)
    assert {record.state for record in before} == {State.COMPLETE, State.RUNNING}
    assert not is_driven(folder.driver_lock)
    after = study.resume("small", Store(tmp_path), run=SLOW).records
    assert [record.state for record in after] == [State.COMPLETE] * 4
    assert [after[trial] for trial in told(before)] == [before[trial] for trial in told(before)]
    assert all([point.epoch for point in record.curve] == list(range(1, 11)) for record in after)


def test_a_terminated_driver_ends_as_cleanly(tmp_path: Path) -> None:
    with driver(tmp_path, small.study(epochs=10), SLOW) as running:
        assert lines_until(running, "RUNNING 0 2")
        running.terminate()
        assert lines_until(running, "interrupted")
    assert running.returncode == 0
    assert State.RUNNING in {record.state for record in ledger.read(Store(tmp_path).study("small"))}


def test_plug_ins_that_misbehave_fail_with_their_reason_and_the_study_goes_on(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install_plug_ins(site)
    (tmp_path / "study.yaml").write_text(PLUGGED, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    launched = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.orchestrator.driver",
            str(tmp_path),
            str(tmp_path / "study.yaml"),
            "misbehaving:run",
        ],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert launched.returncode == 0, launched.stderr
    records = {record.paradigm: record for record in ledger.read(Store(tmp_path).study("plugged"))}
    assert launched.stdout.endswith("finished\n")
    assert {name: (record.state, record.reason) for name, record in records.items()} == {
        "raising": (State.FAIL, "RuntimeError: the plug-in gave up"),
        "undefined": (State.FAIL, "accuracy is nan"),
        "forgetful": (State.FAIL, "metric 'macs' missing"),
        "dense": (State.COMPLETE, None),
    }


PLUGGED = """
name: plugged
data: {name: digits, subset: 300}
model: {name: mlp}
paradigms: {raising: {}, undefined: {}, forgetful: {}, dense: {}}
search: {trials: 4}
fidelity: {epochs: 1}
tracking: none
"""

MISBEHAVING = '''
from dataclasses import dataclass, replace
from typing import ClassVar

from orchestrator.execution.worker import run_in_torch
from trainables.paradigms.base import Paradigm
from trainables.recipes import Train


class GivesUp:
    def run(self, trial):
        raise RuntimeError("the plug-in gave up")


class Undefines:
    def run(self, trial):
        trial.measured["accuracy"] = float("nan")


@dataclass(frozen=True, kw_only=True)
class Plugged(Paradigm):
    axes: ClassVar = {}
    source: ClassVar = "test"
    last: ClassVar = ()

    def recipe(self, epochs):
        return (Train(epochs), *self.last)


class Raising(Plugged):
    last = (GivesUp(),)


class Undefined(Plugged):
    last = (Undefines(),)


class Forgetful(Plugged):
    """Its package also brings a run function, for a paradigm by itself cannot forget what every trial measures."""


class Dropping:
    def __init__(self, context):
        self._context = context

    def __getattr__(self, name):
        return getattr(self._context, name)

    def report(self, report, save):
        metrics = {name: value for name, value in report.metrics.items() if name != "macs"}
        self._context.report(replace(report, metrics=metrics), save)


def run(spec, context):
    run_in_torch(spec, Dropping(context) if spec.paradigm == "forgetful" else context)
'''

ENTRY_POINTS = """
[espalier.paradigms]
raising = misbehaving:Raising
undefined = misbehaving:Undefined
forgetful = misbehaving:Forgetful
"""


def install_plug_ins(site: Path) -> None:
    """Lay out a third party's package as an installer does."""
    information = site / "misbehaving-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "misbehaving.py").write_text(MISBEHAVING, encoding="utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n", encoding="utf-8")
    (information / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
