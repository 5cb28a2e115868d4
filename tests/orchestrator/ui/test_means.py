"""The front by the mean over seeds, as pages tell of it."""

from pathlib import Path

import pytest

from orchestrator.results.replicates import front_by_mean
from orchestrator.results.standings import standings
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from orchestrator.ui.means import stands
from orchestrator.ui.watched import WatchedStore
from tests.orchestrator import small
from tests.orchestrator.ui.conftest import client


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A store with a study of toy trials that asks for three seeds, and one that does not."""
    for name, seeds in (("repeated", 3), ("once", 1)):
        spec = small.study(name=name, trials=9, search={"seeds": seeds})
        with small.launched(spec, tmp_path) as ledger:
            small.run_all(Sweep(ledger, small.Silence()))
    return tmp_path


def test_a_trial_s_page_says_on_which_front_it_is(place: Path) -> None:
    studies = WatchedStore(Store(place))
    repeated, once = studies.study("repeated"), studies.study("once")
    known = standings(repeated.records, repeated.spec.objectives, repeated.spec.means_within)
    assert known.by_mean is not None
    for record in repeated.records:
        words = stands(repeated, record)
        assert ("by its mean" in words) == (known.by_mean.first.get(record.trial) in known.members)
        assert ("single trials" in words) == (record.trial in known.by_mean.single)
    assert {stands(once, record) for record in once.records} <= {"on the front", ""}
    assert [r.trial for r in once.records if stands(once, r)] == sorted(once.trials.members)


def test_a_study_s_page_counts_the_members_of_both_fronts(place: Path) -> None:
    study = WatchedStore(Store(place)).study("repeated")
    members = front_by_mean(study.records, study.spec.objectives, study.spec.bounds)
    page = client(place).get("/studies/repeated").text
    assert f"{len(members)} configurations on the front by the mean" in page
    assert f"{len(study.trials.members)} on that of single trials" in page
    assert "on the front by the mean" not in client(place).get("/studies/once").text
