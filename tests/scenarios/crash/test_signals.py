"""Signals to the driver's whole process group, as `timeout` and batch systems send them: the study ends in order."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.ledger import ledger
from orchestrator.ledger.records import State
from orchestrator.store.store import Store
from tests.scenarios.crash.test_kill import ESPALIER

STUDY = """
name: signalled
data: {name: digits, subset: 300}
model: {name: mlp}
paradigms: {dense: {}}
search: {trials: 30, sampler: random}
fidelity: {epochs: 10}
tracking: none
"""


@pytest.fixture
def short_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sig-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_group_ends_the_study_with_table_report_and_hint(
    number: signal.Signals, tmp_path: Path, short_folder: Path
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(STUDY, encoding="utf-8")
    store = Store(tmp_path / "store")
    running = subprocess.Popen(
        [*ESPALIER, "launch", str(file), "--store", str(store.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "RAY_TMPDIR": str(short_folder)},
        start_new_session=True,
    )
    with running:
        assert running.stdout is not None
        assert any(line.startswith("[1/30]") for line in running.stdout)
        os.killpg(running.pid, number)
        os.killpg(running.pid, number)  # `timeout` signals twice: its child, then its group
        said = running.stdout.read()
    assert running.returncode == 1, said
    assert "Traceback" not in said
    assert "Pareto front of signalled" in said
    assert "espalier resume signalled" in said
    folder = store.study("signalled")
    assert folder.report.exists()
    assert folder.table.exists()
    assert {record.state for record in ledger.read(folder)} == {State.COMPLETE, State.RUNNING}
    assert list(short_folder.iterdir()) == []
