"""Evaluating finished trials: what is measured, what is kept, and what a second call does."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.evaluation.evaluating import Evaluated, evaluate
from orchestrator.evaluation.wanted import Wanted
from orchestrator.ledger import ledger
from orchestrator.results.evaluated import with_evaluations
from orchestrator.results.front import trials_on_front
from orchestrator.results.standings import standings
from orchestrator.store.evaluations import Evaluations
from orchestrator.store.store import Store, StudyFolder
from tests.orchestrator.trained import DENSE, FILTERS, WEIGHTS, a_repeated_study
from trainables.errors import InvalidValue

FOG = Wanted(kinds=("fog", "contrast"), severities=(5,))


def measure(study: StudyFolder, wanted: Wanted = FOG, **options: Any) -> Evaluated:
    return evaluate(study, study.path / "cache", wanted, lambda *_: None, device="cpu", **options)


def test_clean_images_are_those_of_the_test_split_and_the_reference_is_like_itself(study: StudyFolder) -> None:
    done = measure(study)
    assert (done.trials, done.measured, done.known, done.left_out) == ((0, 1, 2), 9, 0, {})
    for record in with_evaluations(study, ledger.read(study)):
        metrics = record.metrics
        assert metrics["accuracy@clean"] == pytest.approx(metrics["test_accuracy"])
        assert metrics["nll@clean"] == pytest.approx(metrics["test_nll"], rel=1e-4)
        assert {"brier@fog_5", "ece@contrast_5", "agreement@fog_5", "accuracy@class_9"} <= metrics.keys()
        assert (metrics["distance@fog_5"] == 0) == (record.trial == DENSE)
        assert metrics["accuracy@corrupted_worst_5"] <= metrics["accuracy@corrupted_5"]


def test_a_second_call_measures_only_what_is_missing(study: StudyFolder) -> None:
    assert measure(study, trials=(FILTERS,)).measured == 3
    again = measure(study)
    assert (again.measured, again.known) == (6, 3)
    assert measure(study).measured == 0
    assert measure(study, Wanted(kinds=("fog",), severities=(5, 4))).measured == 3
    assert measure(study, seed=1).measured == 9


def test_a_call_that_is_killed_loses_no_finished_row(study: StudyFolder) -> None:
    whole = measure(study, trials=(WEIGHTS,)) and Evaluations(study).rows(WEIGHTS)
    rows: list[int] = []

    def kill(done: int, total: int) -> None:
        rows.append(total)
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(study, study.path / "cache", FOG, kill, device="cpu", seed=7)
    assert rows == [9] * 4
    assert measure(study, seed=7).measured == 5
    assert measure(study).measured == 9
    assert Evaluations(study).rows(WEIGHTS) == whole


def test_fewer_images_are_corrupted_as_in_the_whole(study: StudyFolder) -> None:
    measure(study, images=40)
    few = Evaluations(study).columns()[DENSE]
    assert 40 * few["accuracy@fog_5"] == pytest.approx(round(40 * few["accuracy@fog_5"]))
    assert measure(study, images=40).measured == 0


def test_only_the_front_is_evaluated_with_its_reference(study: StudyFolder) -> None:
    assert DENSE in measure(study, front=True).trials


def test_the_front_is_that_of_the_means_where_a_study_asks_for_seeds(tmp_path: Path) -> None:
    spec = a_repeated_study(tmp_path)
    repeated = Store(tmp_path).study(spec.name)
    records = ledger.read(repeated)
    on_front = standings(records, spec.objectives, spec.means_within).members
    assert set(measure(repeated, front=True).trials) == on_front | {DENSE}
    assert on_front != trials_on_front(records, spec.objectives)


def test_without_kinds_all_that_fit_are_taken_and_the_others_named(study: StudyFolder) -> None:
    done = measure(study, Wanted(), trials=(DENSE,))
    assert done.measured == 1 + 19 - len(done.left_out)
    assert set(done.left_out) == {"motion_blur", "zoom_blur", "snow", "saturate"}


def test_a_study_without_checkpoints_is_refused(study: StudyFolder) -> None:
    for seal in study.trials.rglob("seal.json"):
        seal.unlink()
    with pytest.raises(InvalidValue, match=r"NAME = '\w+': has no finished trial with a checkpoint in the store"):
        measure(study)


def test_a_named_trial_without_a_checkpoint_is_refused_rather_than_left_out(study: StudyFolder) -> None:
    for seal in study.trials.glob(f"{FILTERS:05d}-*/*/seal.json"):
        seal.unlink()
    with pytest.raises(InvalidValue, match=f"--trial = {FILTERS}: has no checkpoint in the store"):
        measure(study, trials=(DENSE, FILTERS))
    with pytest.raises(InvalidValue, match=f"--trial = {FILTERS}: has no checkpoint in the store"):
        measure(study, trials=(FILTERS,))
    assert measure(study).trials == (DENSE, WEIGHTS)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"kinds": ("snow",)}, "kind = 'snow': needs images of at least 16 pixels a side, and these have 8"),
        ({"files": Path("nowhere")}, "--files = 'nowhere': must be a folder"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_is(
    study: StudyFolder, wanted: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidValue, match=message):
        measure(study, Wanted(**wanted))
    assert Evaluations(study).trials() == []


def test_a_trial_that_has_not_finished_is_refused(study: StudyFolder) -> None:
    with pytest.raises(InvalidValue, match="TRIAL = 9: is not a trial of this study"):
        measure(study, trials=(9,))
