"""NVIDIA's Multi-Process Service, with a stand-in for its control program that writes down how it was called."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import ray as ray_cluster
import torch

from orchestrator.execution import mps
from orchestrator.execution.cluster import ray_session
from orchestrator.execution.mps import BINARY, PIPES, Keeper, connect
from orchestrator.execution.trial_context import WorkerContext
from orchestrator.execution.worker import run_in_torch
from orchestrator.ledger.records import State
from orchestrator.store.trial_files import LocalFiles
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator.small import Silence, ledger_of, study
from trainables.errors import InvalidValue
from trainables.spec import DataSpec, ModelSpec, TrialSpec

CONTROL = """#!/bin/sh
pipe=${{CUDA_MPS_PIPE_DIRECTORY:-{usual}}}
if [ "$1" = -d ]; then
    echo "start $pipe sees ${{CUDA_VISIBLE_DEVICES:-all}}" >> {calls}
    [ -e {broken} ] && echo "no permission" >&2 && exit 3
    touch "$pipe/control"
    exit 0
fi
[ -e "$pipe/control" ] || exit 1
read -r line
case $line in
    quit*) echo "$line $pipe" >> {calls}; rm "$pipe/control" ;;
esac
"""


@dataclass(frozen=True)
class StandIn:
    """A folder with the stand-in, and what it has noted."""

    folder: Path

    @property
    def calls(self) -> list[str]:
        noted = self.folder / "calls"
        return noted.read_text().splitlines() if noted.exists() else []

    @property
    def own(self) -> Path:
        return self.folder / f"espalier-mps-{os.getuid()}" / "pipe"


def stand_in(folder: Path, patch: pytest.MonkeyPatch) -> StandIn:
    """Put the stand-in on PATH, and everything that is made beside it into `folder`."""
    places = {name: shlex.quote(str(folder / name)) for name in ("usual", "calls", "broken")}
    (folder / "bin").mkdir()
    (folder / "bin" / BINARY).write_text(CONTROL.format(**places))
    (folder / "bin" / BINARY).chmod(0o755)
    patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    patch.setenv("TMPDIR", str(folder))
    patch.setattr("tempfile.tempdir", None)
    patch.delenv(PIPES, raising=False)
    return StandIn(folder)


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # as Ray does for who asked for no GPU
    yield stand_in(tmp_path, monkeypatch)
    monkeypatch.undo()


def test_studies_that_share_a_node_share_one_service_and_the_last_one_ends_it(control: StandIn) -> None:
    first, second = Keeper(), Keeper()
    assert first.start() is second.start() is None
    first.end()
    assert control.calls == [f"start {control.own} sees all"]
    connect()
    assert os.environ[PIPES] == str(control.own)
    second.end()
    assert control.calls[1:] == [f"quit -t {mps.SECONDS_TO_END} {control.own}"]
    assert not control.own.exists()


def test_what_a_killed_driver_left_behind_is_taken_up_and_ended(control: StandIn) -> None:
    killed = Keeper()
    killed.start()
    assert killed._users is not None
    killed._users.close()  # as the kernel does
    heir = Keeper()
    assert heir.start() is None
    heir.end()
    assert [call.split()[0] for call in control.calls] == ["start", "quit"]


def test_a_service_of_somebody_else_is_used_and_left_as_it_is(control: StandIn) -> None:
    (control.folder / "usual").mkdir()
    (control.folder / "usual" / "control").touch()
    keeper = Keeper()
    assert keeper.start() is None
    connect()
    assert PIPES not in os.environ
    keeper.end()
    assert control.calls == []


def test_what_keeps_the_service_from_starting_is_said(control: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    (control.folder / "broken").touch()
    assert Keeper().start() == f"cannot start {BINARY} (status 3): no permission"
    assert not control.own.exists()
    monkeypatch.setenv("PATH", "/nowhere")
    refusal = Keeper().start()
    assert refusal is not None
    assert "nvidia-compute-utils" in refusal


def test_it_runs_while_trials_do_and_a_node_without_it_is_refused_before_the_first_one(tmp_path: Path) -> None:
    from orchestrator.execution.tune_run import run_trials

    spec = study(trials=2, resources={"cpus": 0.5, "gpus": 0.25, "mps": True})
    with TemporaryDirectory(dir="/tmp", prefix="mps-") as short, pytest.MonkeyPatch.context() as patch:
        control = stand_in(Path(short), patch)
        ray_cluster.init(
            address="local",
            _node_ip_address="127.0.0.1",
            _temp_dir=f"{short}/ray",
            num_cpus=1,
            num_gpus=1,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=2**27,
        )
        try:
            with ray_session(tmp_path / "ray.log"), ledger_of(spec, tmp_path) as ledger:
                cache, sweep = tmp_path / "cache", Sweep(ledger, Silence())
                cache.mkdir()
                (control.folder / "bin" / BINARY).rename(control.folder / "away")
                with pytest.raises(InvalidValue, match=r"resources\.mps = True: .*\d has no nvidia-cuda-mps-control"):
                    run_trials(sweep, cache, "tests.orchestrator.runs:sharing")
                assert [record.attempts for record in ledger.records()] == []
                (control.folder / "away").rename(control.folder / "bin" / BINARY)
                assert not run_trials(sweep, cache, "tests.orchestrator.runs:sharing")
                assert [record.state for record in ledger.records()] == [State.COMPLETE] * 2
        finally:
            ray_cluster.shutdown()
        assert (cache / "pipes").read_text().splitlines() == [f"{control.own} 0.25"] * 2
        assert [call.split()[0] for call in control.calls] == ["start", "quit"]


@pytest.mark.parametrize(("gpus", "shares"), [(0, []), (0.25, [0.25]), (1, []), (2, [])])
def test_of_a_share_of_a_gpu_a_process_gets_that_share_of_the_memory(
    gpus: float, shares: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", asked.append)
    nothing = TrialSpec(data=DataSpec(name="digits"), model=ModelSpec(name="mlp"), paradigm="none", epochs=1, seed=0)
    files = LocalFiles(tmp_path)
    context = WorkerContext(files=files, folder=tmp_path, resume_from=None, device="cpu", cache=None, cpus=1, gpus=gpus)
    with pytest.raises(InvalidValue):  # there is no such paradigm; the device is set up before
        run_in_torch(nothing, context)
    assert asked == shares
