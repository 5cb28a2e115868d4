"""Which layers are worth their MACs, for the terminal and for programs."""

import json

from orchestrator.results.diagnosis import Diagnosis
from orchestrator.terminal.diagnosis_table import diagnosis_object, diagnosis_table
from tests.orchestrator.example import told_trial
from tests.orchestrator.terminal.printing import lines_of
from trainables.group_use import GroupUse

GROUPS = (
    GroupUse(name="conv1", writers=("conv1",), channels=16, macs=0.25, rate=0.05, fur=0.01234, error=0.0005),
    GroupUse(name="a", writers=("a", "b", "c"), channels=8, macs=0.5, rate=0.125, fur=-0.001, error=0.002),
)
DIAGNOSIS = Diagnosis(told_trial(3), 1234, GROUPS)


def test_each_group_is_a_line_in_the_networks_order() -> None:
    lines = lines_of(diagnosis_table(DIAGNOSIS))
    rows = [line.split() for line in lines if "%" in line and line.split()[0] in ("conv1", "a")]
    assert rows == [
        ["conv1", "16", "25.0", "%", "5.0", "%", "12.34", "0.50"],
        ["a", "and", "2", "more", "8", "50.0", "%", "12.5", "%", "-1.00", "2.00"],
    ]


def test_the_title_says_of_which_trial_and_on_how_many_images() -> None:
    title, *_ = lines_of(diagnosis_table(DIAGNOSIS))
    assert title == "trial 3 (magnitude): growth of the loss on 1,234 validation images"


def test_programs_get_nats_and_shares() -> None:
    plain = json.loads(json.dumps(diagnosis_object(DIAGNOSIS)))
    assert (plain["trial"], plain["images"]) == (3, 1234)
    assert plain["groups"][1] == {
        "name": "a",
        "writers": ["a", "b", "c"],
        "channels": 8,
        "macs": 0.5,
        "rate": 0.125,
        "fur": -0.001,
        "error": 0.002,
    }
