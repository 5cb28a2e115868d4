"""Whether a network's outputs are those of its equilibrium."""

from pathlib import Path

import pytest

from tests.trainables.stages import a_trial
from trainables.errors import NotSettled
from trainables.evaluation.settling import measure_settling
from trainables.models.deq import EquilibriumNetwork


def test_a_settled_network_has_its_residual_and_iterations_measured(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "deq")
    measure_settling(trial)
    assert trial.measured["residual"] < 1e-3
    assert 1 < trial.measured["iterations_needed"] < trial.measured["iterations"] == 12


def test_a_network_that_has_not_settled_is_refused_with_its_residual(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "deq")
    assert isinstance(trial.model, EquilibriumNetwork)
    trial.model.equilibrium.iterations = 2
    with pytest.raises(NotSettled, match=r"still moves by \d\.\d\de-0\d of its norm after 2 iter.* give deq more"):
        measure_settling(trial)
    assert trial.measured["residual"] > 1e-3


def test_a_state_that_is_no_number_has_not_settled(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "deq")
    next(trial.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(NotSettled, match="nan"):
        measure_settling(trial)


def test_nothing_is_measured_of_other_networks(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    measure_settling(trial)
    assert not trial.measured
