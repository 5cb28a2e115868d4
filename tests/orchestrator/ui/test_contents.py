"""What pages show, as values."""

import json

import pytest

from orchestrator.ledger.records import State
from orchestrator.results import quantities
from orchestrator.ui.contents import (
    MOST_COMPARED,
    comparison_page,
    configuration,
    study_card,
    study_page,
    trial_page,
    view_captions,
)
from orchestrator.ui.filters import Filter
from orchestrator.ui.watched import Snapshot
from trainables.errors import InvalidValue
from trainables.metrics import AT


def test_a_card_has_the_small_front_of_its_study(study: Snapshot) -> None:
    card = study_card(study)
    assert card.line == study.line
    assert card.picture is not None
    assert 'viewBox="0 0 320 240"' in card.picture
    assert card.hypervolume == study.volumes[-1]
    assert card.left is None  # nobody drives it


def test_a_page_lists_members_of_the_front_and_the_newest_trials_first(study: Snapshot) -> None:
    page = study_page(study, Filter())
    members = [record.trial for record in study.trials.front]
    reference = study.trials.reference
    expected = members if reference is None else [reference.trial, *(n for n in members if n != reference.trial)]
    assert [row.trial for row in page.members] == expected
    assert page.on_front == len(members)
    assert [row.trial for row in page.newest] == [record.trial for record in reversed(study.records)]
    assert page.shown == len(study.records)
    assert all(len(row.cells) in (len(page.columns), 0) for row in page.members)
    assert page.trouble is None
    assert page.means is None


def test_a_row_says_what_was_measured_chosen_and_why_it_ended(study: Snapshot) -> None:
    rows = {row.trial: row for row in study_page(study, Filter()).newest}
    for record in study.records:
        row = rows[record.trial]
        assert (row.paradigm, row.state) == (record.paradigm, record.state.value)
        assert all(name in row.settings for name in record.params)
        if record.state is State.COMPLETE:
            assert row.cells[0].startswith(quantities.show("accuracy", record.metrics["accuracy"]))
        if record.reason is not None:
            assert row.remark == record.reason


def test_a_filter_leaves_out_rows_and_marks_and_counts_what_is_left(study: Snapshot) -> None:
    wanted = study.trials.front[0]
    page = study_page(study, Filter(where=f"trial = {wanted.trial}"))
    assert [row.trial for row in page.newest] == [wanted.trial]
    assert (page.shown, page.on_front) == (1, 1)
    assert page.front is not None
    assert f'data-t="{wanted.trial}"' in page.front.html
    others = [record.trial for record in study.trials.front if record.trial != wanted.trial]
    assert not any(f'data-t="{trial}"' in page.front.html for trial in others if trial != _reference(study))


def _reference(study: Snapshot) -> int | None:
    return study.trials.reference.trial if study.trials.reference is not None else None


def test_a_view_that_there_is_not_is_the_last_one(study: Snapshot) -> None:
    captions = view_captions(study.spec)
    pages = [study_page(study, Filter(view=view)) for view in (0, len(captions) - 1, 99)]
    assert all(page.front is not None for page in pages)
    first, last, beyond = (page.front for page in pages)
    assert first != last
    assert last == beyond


def test_a_trial_s_page_has_its_figures_settings_and_curves(study: Snapshot) -> None:
    record = study.trials.front[0]
    page = trial_page(study, record.trial)
    assert page.record == record
    assert set(page.figures) == {quantities.name(name) for name in record.metrics if AT not in name}
    assert set(page.settings) == set(record.params)
    assert page.stands == "on the front"
    assert page.formats
    assert all(curve.name.startswith("curve") for curve in page.curves)
    assert json.loads(page.texts).keys() == {str(record.trial)}
    assert not page.loads_foreign_code


def test_a_network_that_was_not_finished_cannot_be_exported(study: Snapshot) -> None:
    failed = next(record for record in study.records if record.state is State.FAIL)
    page = trial_page(study, failed.trial)
    assert (page.formats, page.stands) == ([], "")


def test_trials_beside_each_other_have_a_column_each_and_a_dash_for_what_they_lack(study: Snapshot) -> None:
    numbers = [record.trial for record in study.records]
    page = comparison_page(study, [numbers[1], numbers[0], numbers[1]])
    assert [record.trial for record in page.records] == [numbers[1], numbers[0]]
    for cells in (*page.figures.values(), *page.settings.values()):
        assert len(cells) == 2
    for name, cells in page.settings.items():
        assert [cell == "-" for cell in cells] == [name not in record.params for record in page.records]
    assert len(comparison_page(study, [numbers[0]] * 2 * MOST_COMPARED).records) == 1


def test_no_more_trials_are_compared_than_a_page_can_hold(study: Snapshot) -> None:
    numbers = [record.trial for record in study.records]
    assert len(comparison_page(study, numbers).records) == min(len(numbers), MOST_COMPARED)


def test_a_configuration_is_named_by_its_first_finished_trial(study: Snapshot) -> None:
    group = study.trials.configurations[0]
    assert configuration(study, group.first.trial) == group
    failed = next(record for record in study.records if record.state is State.FAIL)
    with pytest.raises(InvalidValue, match="is not the first finished trial of a configuration"):
        configuration(study, failed.trial)
    with pytest.raises(InvalidValue, match="is not a trial of this study: there are 0 to"):
        trial_page(study, 10_000)
