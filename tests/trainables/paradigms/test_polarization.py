"""Polarization: one training, or probes that search its strength first."""

import pytest

from trainables.errors import InfeasibleTrial
from trainables.paradigms.polarization import PolarizationPruning
from trainables.recipes.in_training import Polarize
from trainables.recipes.recipe import Remove, Rewind, Train, training_epochs


def test_without_a_budget_there_is_nothing_to_search() -> None:
    main, removal, finetuning = PolarizationPruning(probes=3, strength=0.01).recipe(10)
    assert isinstance(main, Train)
    assert isinstance(finetuning, Train)
    assert isinstance(main.during, Polarize)
    assert (main.during.strength, main.during.bracket) == (0.01, None)
    assert (main.epochs, finetuning.epochs, removal) == (7, 3, Remove())


def test_probes_begin_from_the_same_network_and_are_paid_for() -> None:
    recipe = PolarizationPruning(target_macs=0.5, probes=2, probe=0.1, finetune=0.3).recipe(20)
    assert training_epochs(recipe) == 20
    first, rewind, second, again, main, *_ = recipe
    assert rewind == again == Rewind()
    for probe in (first, second):
        assert isinstance(probe, Train)
        assert isinstance(probe.during, Polarize)
        assert probe.during.probe
        assert probe.epochs == 2
    assert isinstance(main, Train)
    assert isinstance(main.during, Polarize)
    assert main.epochs == 10
    assert main.during.bracket
    assert not main.during.probe


def test_probes_that_leave_no_epoch_are_refused() -> None:
    with pytest.raises(InfeasibleTrial, match=r"probes = 9, probe = 0\.1 and finetune = 0\.3 leave no epoch of 5"):
        PolarizationPruning(target_macs=0.5, probes=9).recipe(5)
