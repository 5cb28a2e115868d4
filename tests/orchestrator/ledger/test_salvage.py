"""Which lines of a damaged journal are believed, in which order, and that no trial loses its number."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.ledger.proof import Chain, Position, unproven
from orchestrator.ledger.salvage import (
    CREATE_STUDY,
    CREATE_TRIAL,
    SET_TRIAL_ATTRIBUTE,
    TELL,
    IntactLine,
    Log,
    intact_lines,
    lines_by_trial,
    with_all_trials,
)
from tests.orchestrator.broken import NO_OBJECT

BEGIN: Log = {"op_code": CREATE_STUDY, "study_name": "begun again"}
STUDY: Log = {"op_code": CREATE_STUDY, "study_name": "small"}


def ask() -> Log:
    return {"op_code": CREATE_TRIAL, "study_id": 0}


def tell(trial: Any) -> Log:
    return {"op_code": TELL, "trial_id": trial, "state": 1}


def note(trial: Any, text: str = "") -> Log:
    return {"op_code": SET_TRIAL_ATTRIBUTE, "trial_id": trial, "user_attr": {"note": text}}


def blank(number: int) -> Log:
    return {"op_code": CREATE_TRIAL, "blank": number}


def dumped(log: Log) -> bytes:
    return json.dumps(log, separators=(",", ":")).encode()


def signed(*logs: Log) -> list[bytes]:
    """Return a journal's lines."""
    chain = Chain()
    return [chain.sign(dumped(log)) for log in logs]


def contents(lines: list[bytes]) -> list[Log]:
    return [line.log for line in intact_lines(lines)]


HISTORY = [STUDY, ask(), note(0, "a"), ask(), tell(0), note(1, "b"), tell(1)]
LINES = signed(*HISTORY)


def test_all_lines_of_an_undamaged_journal_are_intact() -> None:
    assert contents(LINES) == HISTORY
    assert [line.asks for line in intact_lines(LINES)] == [log["op_code"] == CREATE_TRIAL for log in HISTORY]
    assert contents([]) == []


@settings(max_examples=60)
@given(st.lists(st.integers(0, len(LINES) - 1), max_size=12), st.randoms(use_true_random=False))
def test_whatever_is_lost_doubled_or_shuffled_what_is_left_is_in_its_order_and_there_once(
    left: list[int], chance: random.Random
) -> None:
    chance.shuffle(left)
    intact = contents([LINES[number] for number in left])
    assert intact == [HISTORY[number] for number in sorted(set(left))]


@settings(max_examples=60)
@given(at=st.integers(0, len(LINES) - 1), place=st.integers(0, 10**6), byte=st.integers(1, 255))
def test_a_line_of_which_a_byte_was_changed_is_not_believed(at: int, place: int, byte: int) -> None:
    line = bytearray(LINES[at])
    line[place % len(line)] ^= byte
    damaged = contents([*LINES[:at], bytes(line), *LINES[at + 1 :]])
    lost = [log for number, log in enumerate(HISTORY) if number != at]
    is_first_and_lost_its_proof = at == 0 and len(damaged) == len(HISTORY)
    assert damaged == lost or (is_first_and_lost_its_proof and damaged[1:] == lost)


def test_of_two_histories_that_part_the_one_that_continues_is_kept() -> None:
    """A journal that was copied, written on, and put back: both copies have a fourth line."""
    kept, other = signed(*HISTORY[:3], tell(0), ask()), signed(*HISTORY[:3], note(0, "other"))
    expected = [*HISTORY[:3], tell(0), ask()]
    assert contents([*kept, other[3]]) == expected
    assert contents([*kept[:3], other[3], *kept[3:]]) == expected
    without_third = [*kept[:2], other[3], *kept[3:]]
    assert contents(without_third) == [*HISTORY[:2], tell(0), ask()]
    longer = signed(*HISTORY[:3], note(0, "other"), note(0, "more"), note(0, "and more"))
    for lines in ([*kept, *longer[3:]], [*longer, *kept[3:]]):
        assert contents(lines) == [*HISTORY[:3], note(0, "other"), note(0, "more"), note(0, "and more")]


def test_a_line_that_follows_another_one_than_was_kept_is_left_out() -> None:
    other = signed(STUDY, ask(), note(0, "other"), ask())
    assert contents([*LINES[:3], other[3]]) == HISTORY[:3]


def test_lines_from_before_there_were_proofs_are_believed_only_before_the_first_proof() -> None:
    early = [dumped(log) for log in HISTORY[:4]]
    position = Position()
    for line in early:
        position = position.after(line)
    later, _ = position.sign(dumped(tell(0)))
    assert contents([*early, later]) == [*HISTORY[:4], tell(0)]
    assert contents([*early, later, dumped(tell(1))]) == [*HISTORY[:4], tell(0)]
    assert contents([unproven(line) for line in LINES]) == HISTORY


@pytest.mark.parametrize(
    "line",
    [
        *NO_OBJECT,
        b"\x00",
        b"\xff\xfe",
        b"{}",
        b'{"op_code":"4"}',
        b'{"op_code":null}',
        b'{"op_code":4',
        b'{"op_code":' * 100_000,
        b'{"op_code":4,"proof":"1 0 000000000000 000000000000"}',
        b'{"op_code":4,"proof":"' + b"9" * 5000 + b' 0 000000000000 000000000000"}',
        b'{"op_code":4,"proof":"-1 0 000000000000 000000000000"}',
        b'{"op_code":4,"proof":"\xff \xff \xff \xff"}',
        b'{"op_code":4,"proof":""}',
    ],
)
def test_what_is_no_line_of_a_journal_is_left_out_wherever_it_stands(line: bytes) -> None:
    for place in range(len(LINES) + 1):
        assert contents([*LINES[:place], line, *LINES[place:]]) == HISTORY
    assert contents([line, *map(dumped, HISTORY)]) == HISTORY


@settings(max_examples=60)
@given(st.sets(st.integers(0, len(LINES) - 1)), st.integers(0, 4))
def test_every_trial_keeps_its_number_whichever_lines_are_lost(lost: set[int], witnessed: int) -> None:
    lines = intact_lines([line for number, line in enumerate(LINES) if number not in lost])
    logs = with_all_trials(lines, BEGIN, blank, witnessed)
    left = [log for number, log in enumerate(HISTORY) if number not in lost]
    assert logs[0] == (BEGIN if 0 in lost else STUDY)
    assert [log for log in logs[1:] if "blank" not in log] == [log for log in left if log != STUDY]
    asked = [log for log in logs if log["op_code"] == CREATE_TRIAL]
    shown = {trial for trial, number in enumerate((1, 3)) if any(number <= at for at in set(range(7)) - lost)}
    assert len(asked) == max([witnessed, *(trial + 1 for trial in shown)])
    for number, log in enumerate(asked):
        assert log.get("blank", number) == number
    for trial, indices in lines_by_trial(logs).items():
        assert logs[indices[0]]["op_code"] == CREATE_TRIAL
        assert all(logs[index]["trial_id"] == trial for index in indices[1:])


def test_a_blank_stands_before_the_first_line_about_its_trial() -> None:
    early = [IntactLine(log) for log in (note(2), ask(), tell(0))]
    assert with_all_trials(early, BEGIN, blank, 0) == [BEGIN, blank(0), blank(1), blank(2), note(2), ask(), tell(0)]


def test_lines_are_found_by_the_trial_that_they_are_about() -> None:
    logs = [STUDY, ask(), ask(), note(1), tell(0), {"op_code": 2, "study_id": 0}, note(0)]
    assert lines_by_trial(logs) == {0: [1, 4, 6], 1: [2, 3]}


@pytest.mark.parametrize("trial", ["0", None, [], {}, 0.5])
def test_a_line_about_no_number_is_about_no_trial(trial: object) -> None:
    lines = [IntactLine(log) for log in (ask(), note(trial), tell(trial))]
    logs = with_all_trials(lines, BEGIN, blank, 1)
    assert logs == [BEGIN, ask(), note(trial), tell(trial)]
    assert lines_by_trial(logs) == {0: [1]}
