"""What the sweep decides about a trial."""

from typing import get_args

import pytest

from orchestrator.spec.study_spec import Fidelity
from orchestrator.sweep.verdict import CONTINUE, Decision, Verdict


def test_only_a_verdict_to_continue_continues() -> None:
    assert CONTINUE.continues
    assert [Verdict(decision, "why").continues for decision in Decision] == [True, False, False]


@pytest.mark.parametrize("hopeless", get_args(Fidelity.model_fields["hopeless"].annotation))
def test_whatever_a_study_file_says_of_hopeless_trials_is_a_decision_that_ends_them(hopeless: str) -> None:
    assert not Verdict(Decision(hopeless)).continues
