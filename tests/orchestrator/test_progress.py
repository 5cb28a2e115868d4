"""Where a study stands, while it runs and after its driver has died."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator import stamp
from orchestrator.budget import Spending
from orchestrator.failures import Breakdown, Failure
from orchestrator.history import Change, Extension, write_study
from orchestrator.journal import read_holder
from orchestrator.ledger import Ledger
from orchestrator.progress import MOMENTS, progress
from orchestrator.store import Store
from orchestrator.sweep import Sweep
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier, a_study

STORE = Path("espalier-store")


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
    _, out, _ = espalier("status", "small")
    assert f"was driven by process {os.getpid()}" in out
    assert "interrupted: trial 5 magnitude, epoch 2 of 4" in out


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
        holder["since"] = (datetime.now(UTC) - timedelta(seconds=2 * MOMENTS)).isoformat()
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
