"""The messages between a driver and its writer."""

from multiprocessing import Pipe
from pathlib import Path
from typing import get_args

from hypothesis import given, settings

from orchestrator.ledger.records import TrialRecord
from orchestrator.tracking.steps import ORDER, Answer, Begin, End, KeepOnly, ShowFront, Step, Tell, TrackedStudy
from tests.orchestrator.drawn import arbitrary_records
from tests.orchestrator.example import OBJECTIVES


@given(arbitrary_records())
@settings(max_examples=25)
def test_every_message_arrives_as_it_was_sent(record: TrialRecord) -> None:
    study = TrackedStudy(uri="sqlite:///a.db", artifacts=Path("a"), name="s", tags={"k": "v"}, objectives=OBJECTIVES)
    steps: list[Step] = [Begin(), Tell(record), KeepOnly(frozenset({1})), ShowFront((record,)), End("KILLED")]
    mine, theirs = Pipe()
    with mine, theirs:
        for message in (study, steps, Answer(done=2, trouble="away", replaced=True)):
            mine.send(message)
            assert theirs.recv() == message


def test_every_kind_of_step_has_its_place_in_the_order() -> None:
    assert set(ORDER) == set(get_args(Step))
    assert ORDER[0] is Begin
    assert ORDER[-1] is End
