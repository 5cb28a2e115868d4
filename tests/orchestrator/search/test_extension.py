"""A study continues with an edited file: what may change, what it knows, and that no result is lost."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from orchestrator import study
from orchestrator.ledger import ledger
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import pareto_front
from orchestrator.search import extension, replication
from orchestrator.search.configurations import Configurations
from orchestrator.search.rungs import Rungs
from orchestrator.spec.history import read_history, write_study
from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store import stamp
from orchestrator.store.attempts import CheckpointRef
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier, a_study
from tests.orchestrator.epochs import an_epoch
from trainables.errors import InvalidValue

TICKETS: Mapping[str, Any] = {"magnitude": small.FIXED, "lottery_ticket": {"rounds": 1}}


def begun(folder: Path, **changes: Any) -> StudySpec:
    """Leave a study that has come to its end."""
    spec, place = small.study(**changes), Store(folder).study("small")
    with Ledger(place, spec) as open_ledger:
        stamp.write(place.stamp, stamp.stamp(data_hash=""))
        write_study(place.spec, spec)
        small.run_all(Sweep(open_ledger, small.Silence()))
    return spec


def extended(folder: Path, spec: StudySpec) -> list[TrialRecord]:
    """Extend a study, and run it to its end."""
    place = Store(folder).study("small")
    with Ledger(place, spec) as open_ledger:
        extension.extend(spec, place, open_ledger.records())
        open_ledger.restart_unfinished()
        return small.run_all(Sweep(open_ledger, small.Silence()))


def read(folder: Path) -> list[TrialRecord]:
    return ledger.read(Store(folder).study("small"))


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_more_trials_ranges_and_paradigms_change_nothing_that_was_told(tmp_path: Path, sampler: str) -> None:
    begun(tmp_path, trials=6, sampler=sampler)
    before = read(tmp_path)
    other = {"magnitude": {**small.FIXED, "granularity": ["weight", "filter"]}, "lottery_ticket": {"rounds": [1, 2]}}
    after = extended(tmp_path, small.study(trials=16, sampler=sampler, paradigms=other))
    assert after == read(tmp_path)
    assert after[:6] == before
    assert [record.state for record in after] == [State.COMPLETE] * 16
    assert {record.paradigm for record in after[6:]} == set(other)
    third = extended(tmp_path, small.study(trials=18, sampler=sampler))
    assert third[:16] == after
    assert {record.paradigm for record in third[16:]} == {"magnitude"}


def test_the_sampler_goes_on_with_what_it_knows_when_a_paradigm_is_added(tmp_path: Path) -> None:
    goal = {"objectives": {"macs": "minimize"}, "sampler": "tpe"}
    begun(tmp_path, trials=40, **goal)
    records = extended(tmp_path, small.study(trials=60, paradigms=TICKETS, **goal))
    first = [float(record.params["sparsity"]) for record in records[:10]]
    new = [float(record.params["sparsity"]) for record in records[41:] if record.paradigm == "magnitude"]
    assert new
    assert fmean(new) > max(0.85, fmean(first))


def test_more_epochs_empty_the_front_and_try_its_members_again_first(tmp_path: Path) -> None:
    spec = begun(tmp_path, trials=6, paradigms={"dense": {}, "magnitude": small.FIXED})
    before = read(tmp_path)
    members = pareto_front(before, spec.objectives)
    longer = small.study(trials=20, epochs=8, paradigms=spec.model_dump()["paradigms"])
    with pytest.raises(StudyError, match=f"must be at least {6 + len(members)}: 6 trials exist already"):
        extended(tmp_path, small.study(trials=6, epochs=8, paradigms=spec.model_dump()["paradigms"]))
    assert read(tmp_path) == before

    after = extended(tmp_path, longer)
    assert after == read(tmp_path)
    assert after[:6] == [replace(record, share=0.5, fidelity=0.5) for record in before]
    again = after[6 : 6 + len(members)]
    tried = [(record.paradigm, record.params, record.seed) for record in members]
    assert [(record.paradigm, record.params, record.seed) for record in again] == tried
    assert all(len(record.curve) == 8 for record in after[6:])
    assert all(record.trial >= 6 for record in pareto_front(after, spec.objectives))
    assert len(after) == 20


def test_a_member_is_not_tried_twice_and_not_outside_the_edited_ranges(tmp_path: Path) -> None:
    begun(tmp_path, trials=6)
    members = pareto_front(read(tmp_path), small.study().objectives)
    inside = [member for member in members if 0.6 <= float(member.params["sparsity"]) <= 0.95]
    assert 0 < len(inside) < len(members)
    narrow = {"magnitude": {**small.FIXED, "sparsity": {"low": 0.6, "high": 0.95}}}
    longer = small.study(trials=30, epochs=8, paradigms=narrow)
    with Ledger(Store(tmp_path).study("small"), longer) as open_ledger:
        records = open_ledger.records()
        assert [one.trial for one in extension.to_try_again(Configurations(longer), records)] == [
            one.trial for one in inside
        ]
        extension.extend(longer, open_ledger.folder, records)
        sweep = Sweep(open_ledger, small.Silence())
        first = sweep.next()
        assert first is not None
        assert first.configuration.params == inside[0].params
        left = extension.to_try_again(Configurations(longer), open_ledger.records())
    assert [one.trial for one in left] == [one.trial for one in inside[1:]]


def test_a_study_comes_to_search_its_training_and_tries_its_front_again_as_it_was_trained(tmp_path: Path) -> None:
    spec = begun(tmp_path, trials=6)
    members = pareto_front(read(tmp_path), spec.objectives)
    tuned = {"lr": {"low": 0.01, "high": 1.0, "log": True}}
    longer = small.study(trials=20, epochs=8, sampler="tpe", search={"training": tuned})
    after = extended(tmp_path, longer)
    again, new = after[6 : 6 + len(members)], after[6 + len(members) :]
    assert [record.params for record in again] == [record.params for record in members]
    assert {longer.trial(one.paradigm, one.params, one.seed).training.lr for one in again} == {longer.training.lr}
    assert len({record.params["training.lr"] for record in new}) == len(new) > 5

    wider = {"lr": {"low": 0.001, "high": 2.0, "log": True}, "nesterov": [True, False]}
    widest = small.study(trials=22, epochs=8, sampler="tpe", search={"training": wider})
    assert {"training.lr", "training.nesterov"} <= extended(tmp_path, widest)[-1].params.keys()


def test_trials_of_fewer_epochs_teach_neither_the_sampler_nor_the_rungs(tmp_path: Path) -> None:
    begun(tmp_path, trials=5, epochs=4, rungs=[2])
    longer = small.study(trials=12, epochs=8, rungs=[2])
    with Ledger(Store(tmp_path).study("small"), longer) as open_ledger:
        extension.extend(longer, open_ledger.folder, open_ledger.records())
        rungs = Rungs(longer, open_ledger.records())
        hopeless = an_epoch(2, fidelity=0.25, accuracy=0.0, macs_projected=1e9)
        newcomer = TrialRecord(study="small", trial=99, paradigm="random", state=State.RUNNING, seed=0)
        assert rungs.verdict(newcomer, hopeless) is None


def test_an_interrupted_trial_restarts_with_the_new_epochs(tmp_path: Path) -> None:
    spec = begun(tmp_path, trials=2)
    place = Store(tmp_path).study("small")
    with Ledger(place, small.study(trials=3)) as open_ledger:
        sweep = Sweep(open_ledger, small.Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(trial.number)
        for epoch in (1, 2, 3):
            sweep.report(trial.number, small.epoch(sweep, trial, epoch))
        checkpoint = CheckpointRef("00002-x", "checkpoint_000002")
        place.checkpoint(checkpoint).mkdir(parents=True)
        sweep.save(trial.number, checkpoint)
    longer = small.study(trials=8, epochs=8)
    with Ledger(place, longer) as open_ledger:
        extension.extend(longer, place, open_ledger.records())
        open_ledger.restart_unfinished()
        sweep = Sweep(open_ledger, small.Silence())
        again = sweep.next()
        assert again is not None
        assert (again.number, again.checkpoint) == (trial.number, None)
        assert open_ledger.record(2).curve == ()
        record = small.run_to_end(sweep, again)
    assert spec.fidelity.epochs == 4
    assert [point.epoch for point in record.curve] == list(range(1, 9))
    assert (record.state, record.fidelity, record.attempts) == (State.COMPLETE, 1.0, 2)
    assert record.seconds == pytest.approx(3 * 0.5 + 8 * 0.5)


def test_new_bounds_decide_which_trials_are_feasible(tmp_path: Path) -> None:
    spec = begun(tmp_path, trials=5, constraints={"accuracy": ">= 0.99"})
    assert pareto_front(read(tmp_path), spec.objectives) == []
    extended(tmp_path, small.study(trials=5, constraints={"accuracy": ">= 0.1"}))
    assert pareto_front(read(tmp_path), spec.objectives)


def test_networks_can_be_added_to_a_list_of_them_and_none_taken_away(tmp_path: Path) -> None:
    two, three = ["digits_cnn", "mlp"], ["digits_cnn", "mlp", "lenet"]
    begun(tmp_path, trials=3, model=two, sampler="tpe")
    before = read(tmp_path)
    after = extended(tmp_path, small.study(trials=12, model=three, sampler="tpe"))
    assert after[:3] == before
    assert {record.params["model"] for record in after} <= set(three)
    with pytest.raises(StudyError, match="earlier trials trained another network"):
        study.extend(small.study(trials=14, model=two), Store(tmp_path), run="nowhere:nothing")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "seed = 1: cannot change from 0"),
        ({"model": {"name": "mlp"}}, "model.name = 'mlp': cannot change from 'digits_cnn'"),
        ({"data": {"name": "digits", "subset": 200}}, "data.subset = 200: cannot change from nothing"),
        ({"training": {"lr": 0.2}}, "training.lr = 0.2: cannot change from 0.1"),
        ({"objectives": {"accuracy": "maximize"}}, "objectives.macs"),
        ({"constraints": {"macs": "<= 5"}}, "constraints.macs = '<= 5': cannot change"),
        ({"epochs": 3}, "fidelity.epochs = 3: cannot fall below 4"),
        ({"trials": 3}, "search.trials = 3: must be at least 4: 4 trials exist already"),
        ({"paradigms": TICKETS}, "each paradigm is tried (lottery_ticket)"),
    ],
)
def test_what_cannot_change_is_refused_with_the_reason(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    begun(tmp_path)
    place = Store(tmp_path).study("small")
    stored, journal = place.spec.read_bytes(), place.journal.read_bytes()
    with pytest.raises(StudyError) as refused:
        study.extend(small.study(**changes), Store(tmp_path), run="nowhere:nothing")
    assert words in str(refused.value)
    assert (place.spec.read_bytes(), place.journal.read_bytes()) == (stored, journal)


def test_all_refusals_are_told_at_once(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(StudyError) as refused:
        study.extend(small.study(seed=1, epochs=2, model={"name": "mlp"}), Store(tmp_path), run="nowhere:nothing")
    assert [problem.key for problem in refused.value.problems] == ["seed", "model.name", "fidelity.epochs"]


DYING = """
import os, sys
from pathlib import Path
from orchestrator import study
from orchestrator.spec import history
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store

spec, moment = StudySpec.load(sys.argv[1]), sys.argv[2]
if moment == "before":
    history.write_whole = lambda *_: os._exit(9)
study.extend(spec, Store(Path(sys.argv[3])), said=lambda _: os._exit(9), run="tests.orchestrator.runs:toy")
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_driver_that_dies_while_it_extends_leaves_the_old_study_or_the_new_one(tmp_path: Path, moment: str) -> None:
    old, new = begun(tmp_path, trials=3), small.study(trials=8, epochs=8, paradigms=TICKETS)
    before = read(tmp_path)
    (tmp_path / "new.yaml").write_text(new.as_yaml(), encoding="utf-8")
    arguments = [str(tmp_path / "new.yaml"), moment, str(tmp_path)]
    assert subprocess.run([sys.executable, "-c", DYING, *arguments], check=False).returncode == 9
    place = Store(tmp_path).study("small")
    stored = StudySpec.stored(place.spec)
    if moment == "before":
        assert stored == old
        assert read(tmp_path) == before
    else:
        assert stored == new
        assert [record.fidelity for record in read(tmp_path)] == [0.5] * 3
        assert len(read_history(place.spec)) == 1
    records = extended(tmp_path, new)
    assert len(records) == 8
    assert len(read_history(place.spec)) == 1


def test_a_study_is_extended_as_it_is_typed(
    espalier: Espalier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For real: toy trials in Ray, and what is written down of the extension."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))  # the toy, for workers outside of this folder
    store = Store(tmp_path / "espalier-store")
    paradigms = {"magnitude": {**small.FIXED, "sparsity": 0.5}}
    spec = small.study(trials=1, epochs=2, data={"name": "digits", "subset": 200}, model={"name": "mlp"})
    study.launch(spec, store, run="tests.orchestrator.runs:toy")
    more = small.study(
        trials=2, epochs=2, data={"name": "digits", "subset": 200}, model={"name": "mlp"}, paradigms=paradigms
    )
    (tmp_path / "study.yaml").write_text(more.as_yaml(), encoding="utf-8")
    status, out, err = espalier("extend", "study.yaml")
    assert status == 0, err
    assert "extended: search.trials: 1 -> 2" in out
    assert "2 of 2 trials done: 2 complete" in out
    (only,) = read_history(store.study("small").spec)
    assert [change.key for change in only.changes] == ["paradigms.magnitude", "search.trials"]
    assert "search.trials: 1 -&gt; 2" in store.study("small").report.read_text(encoding="utf-8")

    status, out, _ = espalier("extend", "study.yaml", "--quiet")
    assert (status, "the file is the same as the study" in out) == (0, True)
    status, _, err = espalier("extend", str(store.study("small").spec))
    assert (status, "edit a copy of it" in err) == (2, True)
    (tmp_path / "copy.yaml").write_bytes(store.study("small").spec.read_bytes())
    assert StudySpec.load(tmp_path / "copy.yaml") == more


def test_only_a_study_that_is_there_and_not_driven_is_extended(espalier: Espalier, tmp_path: Path) -> None:
    spec = a_study(tmp_path / "espalier-store")
    (tmp_path / "study.yaml").write_text(spec.as_yaml().replace("trials: 6", "trials: 9"), encoding="utf-8")
    with small.ledger_of(spec, tmp_path / "espalier-store"):
        status, _, err = espalier("extend", "study.yaml")
        assert (status, "is being run by process" in err) == (2, True)
    status, _, err = espalier("extend", "study.yaml", "--store", "elsewhere")
    assert (status, "launch one first" in err) == (2, True)
    with pytest.raises(InvalidValue, match="is no study in"):
        study.extend(spec, Store(tmp_path / "elsewhere"))
    assert json.loads(espalier("status", "small", "--json")[1])["trials"] == 6


def test_more_seeds_repeat_the_front_of_a_finished_study(tmp_path: Path) -> None:
    begun(tmp_path, trials=3)
    with pytest.raises(StudyError, match="must be 9: 3 trials exist already, and 3 configurations lack 6 seeds"):
        extended(tmp_path, small.study(trials=3, search={"seeds": 3}))
    records = extended(tmp_path, small.study(trials=9, search={"seeds": 3}))
    assert [record.seed for record in records] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_number_of_seeds_brings_the_trials_that_it_takes(tmp_path: Path) -> None:
    spec = begun(tmp_path, trials=3)
    records = extended(tmp_path, replication.with_seeds(spec, read(tmp_path), 3))
    assert [record.seed for record in records] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    again = replication.with_seeds(StudySpec.stored(Store(tmp_path).study("small").spec), records, 3)
    assert again.search == StudySpec.stored(Store(tmp_path).study("small").spec).search


def test_seeds_are_asked_for_by_the_name_of_a_study(espalier: Espalier, tmp_path: Path) -> None:
    spec = begun(tmp_path / "espalier-store", trials=3)
    status, _, err = espalier("extend", "smal", "--seeds", "3")
    assert (status, "did you mean 'small'" in err) == (2, True)
    with small.ledger_of(spec, tmp_path / "espalier-store"):
        status, _, err = espalier("extend", "small", "--seeds", "3")
        assert (status, "is being run by process" in err) == (2, True)
