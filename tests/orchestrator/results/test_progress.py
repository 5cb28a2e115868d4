"""Where a study stands, while it runs and after its driver has died."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger.budget import Spending
from orchestrator.ledger.cluster import ClusterState, Node
from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.ledger.journal_file import read_holder
from orchestrator.ledger.ledger import Ledger
from orchestrator.results.progress import SHORTEST_FOR_RATE, progress
from orchestrator.spec.history import Change, Extension, write_study
from orchestrator.store import stamp
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Assignment, Sweep
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier, a_study

STORE = Path("espalier-store")
CLUSTER = ClusterState(
    nodes=(Node("10.0.0.1", 4.0, 0.0), Node("10.0.0.2", 8.0, 1.0)), gone=1, cpus_in_use=8.5, gpus_in_use=0.25
)


def status(espalier: Espalier) -> dict[str, Any]:
    code, out, err = espalier("status", "small", "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_running_study_names_its_driver_and_what_runs(espalier: Espalier) -> None:
    spec = a_study(STORE)
    begin = datetime.now(UTC) - timedelta(seconds=1)
    with small.ledger_of(spec, STORE) as ledger:
        trial = ledger.unfinished()[0]
        assert trial.configuration is not None
        sweep = Sweep(ledger, small.Silence())
        again = sweep.next()
        assert again is not None
        sweep.begin(again.number)
        sweep.report(again.number, small.epoch(sweep, again, 2))
        found = status(espalier)
        assert found["driven"]
        assert found["driver"]["pid"] == os.getpid()
        since, last = (datetime.fromisoformat(found["driver"][name]) for name in ("since", "last_sign"))
        assert begin <= since <= last <= datetime.now(UTC)
        (running,) = found["under_way"]
        assert {name: running[name] for name in ("trial", "paradigm", "epoch", "epochs")} == {
            "trial": 5,
            "paradigm": "magnitude",
            "epoch": 2,
            "epochs": 4,
        }
        _, out, _ = espalier("status", "small")
        assert f"driven by process {os.getpid()}" in out
        assert "running: trial 5 magnitude, epoch 2 of 4" in out
        assert "cluster" not in out
    _, out, _ = espalier("status", "small")
    assert f"was driven by process {os.getpid()}" in out
    assert "interrupted: trial 5 magnitude, epoch 2 of 4" in out


def test_a_running_trial_says_what_its_last_epoch_took_and_where(espalier: Espalier) -> None:
    spec = a_study(STORE)
    with small.ledger_of(spec, STORE) as ledger:
        ledger.report(
            5, small.epoch(Sweep(ledger, small.Silence()), Assignment(5, ledger.unfinished()[0].configuration), 2)
        )
        ledger.note_cluster(CLUSTER)
        ledger.place(5, "10.0.0.2")
        found = status(espalier)
        (running,) = found["under_way"]
        assert running["node"] == "10.0.0.2"
        figures = {name: running[name] for name in ("images_per_second", "peak_memory", "device_use")}
        assert figures == {"images_per_second": 12345, "peak_memory": 432e6, "device_use": 0.93}
        assert found["cluster"]["nodes"][1] == {"address": "10.0.0.2", "cpus": 8, "gpus": 1}
        used = {name: found["cluster"][name] for name in ("cpus", "cpus_in_use", "gpus", "gpus_in_use", "gone")}
        assert used == {"cpus": 12, "cpus_in_use": 8.5, "gpus": 1, "gpus_in_use": 0.25, "gone": 1}
        _, out, _ = espalier("status", "small")
        assert "12.3 k samples/s, peak memory 432 MB, CPU 93 % in use, on 10.0.0.2\n" in out
        assert "cluster: 2 nodes alive, 1 gone, 8.5 of 12 CPUs and 0.25 of 1 GPUs in use; so since 20" in out
    _, out, _ = espalier("status", "small")
    assert "interrupted: trial 5" in out
    assert "cluster:" not in out


def test_the_cluster_of_an_earlier_driver_is_not_shown_as_that_of_this_one(tmp_path: Path) -> None:
    spec, place = a_study(tmp_path), Store(tmp_path).study("small")
    with small.ledger_of(spec, tmp_path) as ledger:
        ledger.note_cluster(CLUSTER)
        holder = json.loads(place.driver_lock.read_text())
        later = datetime.now(UTC) + timedelta(seconds=60)
        place.driver_lock.write_text(json.dumps({**holder, "since": later.isoformat()}))
        assert progress(place).cluster is None
    last = progress(place).cluster
    assert last is not None
    assert last.state == CLUSTER


def test_a_cluster_that_is_as_it_was_costs_the_journal_nothing(tmp_path: Path) -> None:
    a_study(tmp_path)
    with small.ledger_of(small.study(), tmp_path) as ledger:
        ledger.note_cluster(CLUSTER)
        ledger.place(5, "10.0.0.2")
        size = ledger.folder.journal.stat().st_size
        ledger.note_cluster(CLUSTER)
        ledger.place(5, "10.0.0.2")
        assert ledger.folder.journal.stat().st_size == size
        ledger.note_cluster(replace(CLUSTER, gone=2))
        assert ledger.folder.journal.stat().st_size > size


def test_failures_are_counted_by_kind_and_reason(espalier: Espalier) -> None:
    spec = small.study(trials=4)
    place = Store(STORE).study("small")
    with Ledger(place, spec) as ledger:
        write_study(place.spec, spec)
        stamp.write(place.stamp, stamp.stamp("0123"))
        sweep = Sweep(ledger, small.Silence())
        for kind, reason in ((Failure.ERROR, "unlucky"), (Failure.ERROR, "unlucky"), (Failure.INFEASIBLE, "too few")):
            trial = sweep.next()
            assert trial is not None
            sweep.fail(trial.number, Breakdown(kind, reason))
    assert status(espalier)["failures"] == [
        {"failure": Failure.ERROR.value, "reason": "unlucky", "trials": [0, 1]},
        {"failure": Failure.INFEASIBLE.value, "reason": "infeasible: too few", "trials": [2]},
    ]
    _, out, _ = espalier("status", "small")
    assert "failed: 2 trials (0, 1): unlucky" in out


def test_what_was_spent_stands_beside_what_is_allowed(espalier: Espalier) -> None:
    spec = a_study(STORE, budget={"hours": 2, "device_hours": 8})
    with small.ledger_of(spec, STORE) as ledger:
        ledger.spent = Spending(seconds=1800.0, device_seconds=7200.0)
    found = status(espalier)
    assert found["spent"]["seconds"] == 1800
    assert found["budget"]["hours"] == 2
    assert found["trials_per_hour"] == pytest.approx(10)
    assert found["seconds_left"] == pytest.approx(360)
    _, out, _ = espalier("status", "small")
    assert "30 min 0 s of running (allowed: 2 h), 2 CPU-hours (allowed: 8 CPU-hours)" in out
    assert "rate: 10 trials an hour, about 6 min 0 s left" in out


def test_the_rate_is_that_of_this_driver_once_it_has_run_for_moments(tmp_path: Path) -> None:
    spec = a_study(tmp_path)
    place = Store(tmp_path).study("small")
    with small.ledger_of(spec, tmp_path) as ledger:
        ledger.spent = Spending(seconds=1e6)
        slow = progress(place).rate
        holder = json.loads(place.driver_lock.read_text())
        holder["since"] = (datetime.now(UTC) - timedelta(seconds=2 * SHORTEST_FOR_RATE)).isoformat()
        place.driver_lock.write_text(json.dumps(holder))
        found = progress(place)
    assert slow is not None
    assert found.rate is not None
    assert found.rate > 1000 * slow


def test_a_study_that_was_extended_says_when_and_how(espalier: Espalier) -> None:
    spec = a_study(STORE)
    extension = Extension("2026-03-01T09:00:00+00:00", (Change("search.trials", 3, 6),))
    write_study(Store(STORE).study("small").spec, spec, [extension])
    assert status(espalier)["extended"][0]["changes"] == [{"key": "search.trials", "before": 3, "after": 6}]
    _, out, _ = espalier("status", "small")
    assert "extended 2026-03-01T09:00:00+00:00: search.trials: 3 -> 6" in out


def test_a_lock_of_an_older_version_has_no_holder_to_name(espalier: Espalier) -> None:
    a_study(STORE)
    lock = Store(STORE).study("small").driver_lock
    lock.write_text('{"pid": 1, "host": "old"}')
    assert read_holder(lock) is None
    lock.unlink()
    assert read_holder(lock) is None
    assert status(espalier)["driver"] is None
    assert espalier("status", "small")[0] == 0
