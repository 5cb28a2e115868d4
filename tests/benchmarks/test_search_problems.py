"""Tables of recorded trials: they replay exactly, and what an ended run has trained is not trained again."""

import gzip
import json
from pathlib import Path

import pytest

from benchmarks.search_problems import MANY, PROBLEMS, RECORDED, Recorded, record, searched, study
from orchestrator.search.configurations import Configurations
from orchestrator.search.initial_design import at_random


def test_a_recording_that_ended_with_its_last_trial_trains_none_when_it_goes_on(tmp_path: Path) -> None:
    row = {"paradigm": "rigl", "params": {}, "curve": [[0.5, 1.0]]}
    path = tmp_path / "rigl.json.gz"
    path.with_suffix(".part").write_text(json.dumps(row) + "\n", encoding="utf-8")
    record(RECORDED["rigl"], 1, path, processes=1)
    assert json.loads(gzip.decompress(path.read_bytes())) == [row]
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_each_paradigm_of_the_large_table_is_searched_on_both_of_its_networks() -> None:
    configurations = Configurations(study(MANY, **MANY.training))
    assert all("model" in found for found in searched(configurations).values())
    drawn = {paradigm: at_random(configurations, paradigm, 12) for paradigm in MANY.paradigms}
    assert {len({params["model"] for params in chosen}) for chosen in drawn.values()} == {2}


@pytest.mark.parametrize("name", [name for name, problem in PROBLEMS.items() if isinstance(problem, Recorded)])
def test_a_recorded_configuration_replays_its_own_curve(name: str) -> None:
    table = PROBLEMS[name]
    assert isinstance(table, Recorded)
    for paradigm, trials in table.tables.items():
        for params, curve in list(zip(trials.params, trials.curves, strict=True))[:5]:
            replayed = [table.after(paradigm, params, epoch) for epoch in range(1, table.epochs + 1)]
            assert replayed == [tuple(losses) for losses in curve.tolist()]
