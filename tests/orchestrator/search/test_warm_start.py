"""Earlier studies of the same store teach a new one, if they have measured what it seeks."""

import logging
from pathlib import Path

import pytest

from orchestrator.ledger.records import State
from orchestrator.search import warm_start
from orchestrator.spec.history import write_study
from orchestrator.store.store import Store
from orchestrator.study import launch
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator.small import Silence, launched, run_all, study
from trainables.errors import InvalidValue


def test_an_earlier_study_must_be_there_and_have_the_same_objectives(tmp_path: Path) -> None:
    store = Store(tmp_path)
    other = study(name="other", objectives={"loss": "minimize"})
    store.study("other").path.mkdir(parents=True)
    store.study("other").spec.write_text(other.as_yaml())
    with pytest.raises(InvalidValue, match=r"search.warm_start = 'othr': is no earlier study .* did you mean 'other'"):
        launch(study(search={"warm_start": ["othr"]}), store)
    with pytest.raises(
        InvalidValue, match=r"other objectives \(minimize loss\) than .*maximize accuracy, minimize macs"
    ):
        launch(study(search={"warm_start": ["other"]}), store)
    assert not store.study("small").path.exists()


def told(folder: Path, name: str, trials: int) -> None:
    with launched(study(name=name, trials=trials, epochs=2), folder) as ledger:
        run_all(Sweep(ledger, Silence()))


def test_earlier_studies_teach_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    told(tmp_path, "first", 2)
    told(tmp_path, "second", 1)
    store = Store(tmp_path)
    spec = study(search={"warm_start": ["second", "first"]}, seed=5)
    warm_start.check(spec, store)
    taught = list(warm_start.lessons(spec, store.study("small")))
    assert [lesson.state for lesson in taught] == [State.COMPLETE] * 3
    alone = list(warm_start.lessons(study(search={"warm_start": ["second"]}), store.study("small")))
    assert taught[:1] == alone
    assert list(warm_start.lessons(study(), store.study("small"))) == []


def test_a_study_of_one_network_teaches_a_search_over_several_what_that_network_did(tmp_path: Path) -> None:
    told(tmp_path, "first", 2)
    over = study(search={"warm_start": ["first"]}, model=["digits_cnn", "mlp"])
    taught = list(warm_start.lessons(over, Store(tmp_path).study("small")))
    assert [lesson.params["model"] for lesson in taught] == ["digits_cnn"] * 2


def test_trials_that_have_not_measured_a_bounded_metric_teach_nothing(tmp_path: Path) -> None:
    told(tmp_path, "first", 2)
    folder = Store(tmp_path).study("small")
    warm = {"warm_start": ["first"]}
    assert len(list(warm_start.lessons(study(search=warm), folder))) == 2
    bounded = study(search=warm, constraints={"latency": "<= 1"})
    assert list(warm_start.lessons(bounded, folder)) == []


def test_a_study_that_was_deleted_since_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = study(search={"warm_start": ["gone"]})
    with caplog.at_level(logging.WARNING, logger=warm_start.__name__):
        assert list(warm_start.lessons(spec, Store(tmp_path).study("small"))) == []
    assert "study gone is gone; the sampler continues without it" in caplog.text


def test_a_study_cannot_teach_itself_and_an_empty_store_has_nobody_to_name(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(InvalidValue, match=r"is no earlier study in .*: there is none"):
        warm_start.check(study(search={"warm_start": ["other"]}), store)
    folder = store.study("other")
    folder.path.mkdir(parents=True)
    write_study(folder.spec, study(name="other"))
    with pytest.raises(InvalidValue, match="is no earlier study in"):
        warm_start.check(study(name="other", search={"warm_start": ["other"]}), store)
