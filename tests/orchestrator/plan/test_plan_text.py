"""The plan of a study as it is made for the command line, and as it is printed."""

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from orchestrator.ledger.budget import Spending
from orchestrator.plan.estimate import Allowance, EpochPace, Place, Plan, Span
from orchestrator.plan.plan_text import lines, plan_of, rough
from orchestrator.store.store import Store
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier, a_study
from trainables.errors import InvalidValue

PLAN = Plan(
    study="small",
    trials=10,
    left=7,
    epochs=Span(14.2, 20, 28),
    stopping="no trial is stopped early",
    pace=EpochPace(Span(0.5, 1, 100), 0.0, "made up"),
    place=Place("this machine", 2),
    device="CPU",
    device_hours=Span(0.012, 0.5, 1234),
    wall_hours=Span(0.01, 2, 100),
    allowances=(),
)


def printed(plan: Plan) -> str:
    console = Console(file=io.StringIO(), width=200)
    console.print(lines(plan))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def row(text: str, name: str) -> list[str]:
    """Return the cells of a row of the table."""
    (line,) = [line for line in text.splitlines() if line.strip().startswith(name)]
    return [cell for cell in line.strip().removeprefix(name).split("  ") if cell.strip()]


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.123, "0.12 s"), (44.4, "44 s"), (5000, "83 min"), (9000, "2.5 h"), (1e6, "12 days")]
)
def test_an_estimate_has_two_digits(seconds: float, words: str) -> None:
    assert rough(seconds) == words


def planned(espalier: Espalier, *arguments: str) -> dict[str, Any]:
    status, out, err = espalier("plan", "study.yaml", "--json", *arguments)
    assert (status, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_study_with_a_record_is_planned_from_it_for_what_is_left(espalier: Espalier) -> None:
    spec = a_study(Path("espalier-store"))
    Path("study.yaml").write_text(spec.as_yaml(), encoding="utf-8")
    found = planned(espalier)
    assert (found["trials"], found["left"]) == (6, 1)
    assert "own record" in found["pace"]["source"]
    status, out, _ = espalier("plan", "study.yaml")
    assert status == 0
    assert "1 trial to run, 5 are done" in out
    Path("study.yaml").write_text(spec.as_yaml().replace("digits_cnn", "mlp"), encoding="utf-8")
    status, _, err = espalier("plan", "study.yaml")
    assert (status, "other data, network or training" in err) == (2, True)


def test_a_new_study_is_planned_without_a_trace(espalier: Espalier) -> None:
    study = small.study(data={"name": "digits", "subset": 200}, model={"name": "mlp"}, budget={"hours": 1})
    Path("study.yaml").write_text(study.as_yaml(), encoding="utf-8")
    found = planned(espalier)
    assert found["pace"]["epoch"]["low"] > 0
    assert "dense training steps" in found["pace"]["source"]
    assert found["wall_hours"]["low"] <= found["wall_hours"]["high"]
    assert planned(espalier, "--no-probe")["wall_hours"] is None
    assert os.listdir() == ["study.yaml"]


def test_a_trial_that_fits_nowhere_ends_with_status_one(espalier: Espalier) -> None:
    study = small.study(resources={"cpus": 5000})
    Path("study.yaml").write_text(study.as_yaml(), encoding="utf-8")
    status, out, _ = espalier("plan", "study.yaml", "--no-probe")
    assert status == 1
    assert "No trial can run: resources = '5000 CPUs and 0 GPUs'" in out


def test_a_plan_without_a_probe_starts_neither_ray_nor_mlflow(tmp_path: Path) -> None:
    """It takes torch: the network is asked what can be removed from it."""
    (tmp_path / "study.yaml").write_text(small.study().as_yaml(), encoding="utf-8")
    program = (
        "import sys; from orchestrator.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code, ended.code\n"
        "print(sorted({'ray', 'mlflow'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, "plan", "study.yaml", "--no-probe"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stderr == "[]\n"


@given(st.floats(1e-3, 1e9))
def test_an_estimate_is_read_back_to_two_digits(seconds: float) -> None:
    value, unit = rough(seconds).split(" ")
    length = {"s": 1.0, "min": 60.0, "h": 3600.0, "days": 86400.0}[unit]
    assert float(value.replace(",", "")) * length == pytest.approx(seconds, rel=0.051)


def test_a_plan_shows_ranges_with_two_digits_and_never_as_powers_of_ten() -> None:
    text = printed(PLAN)
    assert text.startswith("small: 7 trials to run, 3 are done\n")
    assert [cell.strip() for cell in row(text, "epochs over all trials")] == ["14", "20", "28"]
    assert [cell.strip() for cell in row(text, "CPU time")] == ["0.012 CPU-hours", "0.5 CPU-hours", "1,200 CPU-hours"]
    assert [cell.strip() for cell in row(text, "wall time")] == ["36 s", "2 h", "4.2 days"]
    assert "Epochs: no trial is stopped early\n" in text
    assert "Times: 0.5 s to 1.7 min per epoch, made up\n" in text
    assert "This machine runs 2 trials at once" in text


def test_a_single_pace_is_no_range() -> None:
    text = printed(replace(PLAN, pace=EpochPace(Span(3, 3, 3), 0.0, "made up")))
    assert "Times: 3 s per epoch, made up" in text


def test_without_a_pace_the_times_are_unknown_and_left_out_of_the_table() -> None:
    text = printed(replace(PLAN, pace=None, device_hours=None, wall_hours=None))
    assert "Times: unknown, as this study has no record and no probe was run" in text
    assert "CPU time" not in text
    assert "wall time" not in text


def test_a_study_that_is_done_has_no_table() -> None:
    text = printed(replace(PLAN, left=0))
    assert "0 trials to run, 10 are done" in text
    assert "What it takes" not in text


def test_what_stands_in_the_way_is_named() -> None:
    problem = replace(PLAN, place=Place("this machine", 0, "too small"), impossible=("magnitude: no filters",))
    text = printed(replace(problem, removable_macs=0.4567))
    assert "No trial can run: too small" in text
    assert "Network: magnitude: no filters" in text
    assert "Filters: removing them can save at most 45.7% of the network's MACs" in text


@pytest.mark.parametrize(
    ("allowance", "words"),
    [
        (Allowance("budget.hours", 0.5, None), "budget.hours: no new trial begins once 0.5 more are spent"),
        (Allowance("budget.hours", 2.0, 2.0), "once 2 more are spent, which is expected to suffice"),
        (Allowance("budget.money", 5000.0, 1.0), "once 5,000 more are spent, which is expected to suffice"),
        (Allowance("budget.money", 1.0, 1.1), "once 1 more are spent, which is expected to leave trials out"),
    ],
)
def test_a_budget_says_whether_it_is_expected_to_suffice(allowance: Allowance, words: str) -> None:
    assert printed(replace(PLAN, allowances=(allowance,))).rstrip().endswith(words)


def test_one_trial_is_no_plural() -> None:
    text = printed(replace(PLAN, left=1, trials=1, place=Place("the cluster at here:1", 1)))
    assert text.startswith("small: 1 trial to run\n")
    assert "The cluster at here:1 runs 1 trial at once" in text


def test_what_a_study_has_spent_is_no_longer_left_of_its_budget(tmp_path: Path) -> None:
    spec = a_study(tmp_path, budget={"hours": 2, "device_hours": 8})
    with small.ledger_of(spec, tmp_path) as ledger:
        ledger.spent = Spending(seconds=1800.0, device_seconds=7200.0)
    plan = plan_of(spec, Store(tmp_path), probe=False)
    assert {allowance.key: allowance.left for allowance in plan.allowances} == {
        "budget.hours": pytest.approx(1.5),
        "budget.device_hours": pytest.approx(6),
    }


def test_the_name_of_a_study_of_other_work_is_refused(tmp_path: Path) -> None:
    spec, folder = a_study(tmp_path), Store(tmp_path).study("small")
    other = spec.model_copy(update={"training": replace(spec.training, lr=0.5)})
    with pytest.raises(InvalidValue) as refused:
        plan_of(other, Store(tmp_path), probe=False)
    assert str(refused.value) == (
        f"name = 'small': is taken by a study with other data, network or training: {folder.spec}; rename this one"
    )


def test_where_the_data_lie_does_not_make_it_other_work(tmp_path: Path) -> None:
    spec = a_study(tmp_path)
    elsewhere = spec.model_copy(update={"data": replace(spec.data, root=str(tmp_path), download=True)})
    assert plan_of(elsewhere, Store(tmp_path), probe=False).left == 1


def test_data_that_are_still_to_be_downloaded_leave_the_times_open(tmp_path: Path) -> None:
    images = {"name": "cifar10", "root": str(tmp_path / "images"), "download": True}
    spec = small.study(data=images, model={"name": "mlp"})
    plan = plan_of(spec, Store(tmp_path))
    assert (plan.pace, plan.device_hours, plan.left) == (None, None, 4)
    assert not any(tmp_path.iterdir())
