"""Which trials a page shows."""

import pytest
from starlette.datastructures import QueryParams

from orchestrator.ui.filters import Filter
from orchestrator.ui.watched import Snapshot


def shown(study: Snapshot, query: str) -> set[int]:
    filtered = Filter.of(QueryParams(query)).apply(study)
    assert filtered.trouble is None
    return set(filtered.trials)


def test_nothing_chosen_shows_everything(study: Snapshot) -> None:
    assert shown(study, "") == shown(study, "where=++&text=+") == {record.trial for record in study.records}


def test_several_paradigms_are_those_of_any(study: Snapshot) -> None:
    names = sorted({record.paradigm for record in study.records})
    each = [shown(study, f"paradigm={name}") for name in names]
    assert each == [{record.trial for record in study.records if record.paradigm == name} for name in names]
    assert shown(study, "&".join(f"paradigm={name}" for name in names)) == set.union(*each)
    assert shown(study, "paradigm=unheard_of") == set()


def test_every_word_must_be_said_of_a_trial_in_any_case(study: Snapshot) -> None:
    failed = {record.trial for record in study.records if record.reason and "quoted" in record.reason}
    assert failed
    assert shown(study, "text=QUOTED+alert") == failed
    assert shown(study, "text=fail+quoted") == failed
    assert shown(study, "text=quoted+unheard") == set()
    one = study.records[0]
    assert one.trial in shown(study, f"text={one.paradigm}+seed+{one.seed}")


def test_a_condition_is_that_of_the_front_and_holds_beside_the_others(study: Snapshot) -> None:
    half = sorted(record.metrics["accuracy"] for record in study.records if record.metrics)
    bound = half[len(half) // 2]
    better = {record.trial for record in study.records if record.metrics and record.metrics["accuracy"] >= bound}
    assert shown(study, f"where=accuracy+>=+{bound!r}") == better
    (paradigm, *_) = {record.paradigm for record in study.records if record.trial in better}
    both = shown(study, f"where=accuracy+>=+{bound!r}&paradigm={paradigm}")
    assert both == better & shown(study, f"paradigm={paradigm}")


@pytest.mark.parametrize("where", ["accuracy >>", "unheard_of > 3", "accuracy"])
def test_a_condition_that_is_not_understood_is_left_out_with_a_sentence(study: Snapshot, where: str) -> None:
    name = study.records[0].paradigm
    filtered = Filter(paradigms=frozenset({name}), where=where).apply(study)
    assert filtered.trials == {record.trial for record in study.records if record.paradigm == name}
    assert filtered.trouble is not None
    assert filtered.trouble.startswith(("'", '"'))


@pytest.mark.parametrize(
    ("typed", "view"),
    [("", 0), ("7", 7), ("99", 99), ("100", 0), ("-1", 0), ("1.5", 0), ("two", 0), ("٣", 0), ("²", 0)],
)
def test_only_a_small_number_is_a_view(typed: str, view: int) -> None:
    assert Filter.of(QueryParams({"view": typed})).view == view
