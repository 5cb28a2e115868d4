from dataclasses import replace
from io import StringIO

from hypothesis import given
from rich.console import Console

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.report import render
from orchestrator.results.front import is_eligible, pareto_front
from orchestrator.results.shares_of_front import holdings
from orchestrator.terminal.front_table import front_table
from tests.orchestrator.drawn import studies
from tests.orchestrator.example import OBJECTIVES, told_trial
from tests.orchestrator.report.test_report import study_spec


@given(studies())
def test_every_member_of_the_front_is_held_once_by_its_own_paradigm(records: list[TrialRecord]) -> None:
    held = holdings(records, OBJECTIVES)
    members = [record for holding in held for record in holding.members]
    assert sorted(r.trial for r in members) == sorted(r.trial for r in pareto_front(records, OBJECTIVES))
    assert all(record.paradigm == holding.paradigm for holding in held for record in holding.members)
    assert sum(holding.eligible for holding in held) == sum(is_eligible(record, OBJECTIVES) for record in records)
    assert {holding.paradigm for holding in held} == {record.paradigm for record in records}


def test_a_paradigm_whose_trials_were_all_stopped_holds_nothing_and_comes_last() -> None:
    stopped = replace(told_trial(4), paradigm="aardvark")
    last = holdings([stopped, told_trial(0), told_trial(1)], OBJECTIVES)[-1]
    assert (last.paradigm, last.members, last.eligible, last.extent("macs")) == ("aardvark", (), 0, "-")


def test_the_order_is_that_of_the_front() -> None:
    sparse, dense = told_trial(3), told_trial(0)
    assert [holding.paradigm for holding in holdings([sparse, dense], OBJECTIVES)] == ["dense", "magnitude"]


def test_an_extent_names_both_ends_or_the_only_one() -> None:
    several, one = told_trial(1), told_trial(3)
    both, single = holdings([several, one], OBJECTIVES)[0], holdings([several], OBJECTIVES)[0]
    assert both.eligible == len(both.members) == 2
    assert both.extent("macs") == "897 k to 1.11 M"
    assert single.extent("macs") == "1.11 M"


def test_the_same_records_are_held_alike_in_any_order() -> None:
    records = [told_trial(number) for number in range(8) if told_trial(number).state is State.COMPLETE]
    assert holdings(records, OBJECTIVES) == holdings(records[::-1], OBJECTIVES)


def test_report_and_terminal_say_who_holds_what_once_there_are_several_paradigms() -> None:
    spec = study_spec()
    for records, shown in (([told_trial(0)], False), ([told_trial(0), told_trial(1)], True)):
        console = Console(width=200, record=True, file=StringIO())
        console.print(front_table(spec, records))
        for text in (render(spec, records, {}), console.export_text()):
            assert ("Which paradigm holds which part of the front" in text) is shown
