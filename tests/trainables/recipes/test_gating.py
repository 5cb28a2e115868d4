"""How gates are trained, as a plain value."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from trainables.recipes.gating import BRANCH_ESTIMATORS, UNIT_ESTIMATORS, Gating
from trainables.recipes.recipe import InTraining, PrunesWithin, Train, first_pruned_epoch


@given(st.integers(1, 50), st.floats(0.5, 50))
def test_the_network_is_pruned_when_the_gates_are_gone_or_the_stage_ends(gates: int, stage: float) -> None:
    assert Gating(epochs=gates).pruned_after(stage) == min(gates, stage)


def test_gates_are_what_prunes_within_a_stage() -> None:
    gating = Gating(epochs=3)
    assert isinstance(gating, PrunesWithin)
    assert isinstance(gating, InTraining)
    assert first_pruned_epoch((Train(2), Train(8, during=gating))) == 6


def test_an_estimator_of_units_is_one_of_branches_too() -> None:
    assert set(UNIT_ESTIMATORS) < set(BRANCH_ESTIMATORS)
    assert Gating(epochs=1).unit_estimator in UNIT_ESTIMATORS
    assert Gating(epochs=1).branch_estimator in BRANCH_ESTIMATORS


def test_probabilities_begin_between_their_ends_near_open() -> None:
    gating = Gating(epochs=1)
    assert 0 < gating.lowest < 0.5 < gating.initial < gating.highest < 1


def test_it_costs_no_torch() -> None:
    code = (
        "import sys; from trainables.recipes.gating import Gating; Gating(epochs=1); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
