"""A start that is refused, or that dies before the first trial, leaves no study that takes the name."""

from pathlib import Path

import pytest

from orchestrator import study
from orchestrator.ledger import ledger
from orchestrator.ledger.records import State
from orchestrator.store import stamp
from orchestrator.store.store import Store
from tests.orchestrator import small
from trainables.errors import InvalidValue

TOY = "tests.orchestrator.runs:toy"


def test_what_this_machine_cannot_hold_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(InvalidValue, match="must fit, each worker on one node"):
        study.launch(small.study(trials=1, resources={"cpus": 4096}), store, run=TOY)
    assert not store.root.exists()


def test_a_study_whose_driver_died_before_the_first_trial_is_launched_as_if_it_were_new(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with small.launched(small.study(trials=1), tmp_path) as begun:
        stamp.write(begun.folder.stamp, stamp.stamp("0" * 64))
        begun.folder.trials.mkdir()
    other = small.study(trials=2, objectives={"macs": "minimize", "accuracy": "maximize"})
    study.launch(other, store, run=TOY)
    folder = store.study("small")
    assert [record.state for record in ledger.read(folder)] == [State.COMPLETE] * 2
    with pytest.raises(InvalidValue, match="espalier resume small"):
        study.launch(other, store, run=TOY)
