"""Adversarial training of equilibrium networks: one stage, on a network of its own."""

from trainables.paradigms.equilibrium import Equilibrium
from trainables.recipes.in_training import Attack
from trainables.recipes.recipe import Train
from trainables.spec import ModelSpec


def test_the_whole_budget_is_trained_under_attack() -> None:
    paradigm = Equilibrium(attack="pgd", radius=0.05, ramp=0.5, iterations=7, alpha=0.3, memory=4, steps=3)
    assert paradigm.recipe(9) == (Train(9, during=Attack("pgd", 0.05, 0.5, 7, 0.3, 4, 3)),)


def test_it_brings_its_own_network() -> None:
    paradigm = Equilibrium(channels=8, evaluations=6, jacobian=0.5)
    brought = ModelSpec(name="deq", options={"channels": 8, "iterations": 6, "jacobian": 0.5})
    assert paradigm.network(ModelSpec(name="resnet20", weights="imagenet")) == brought


def test_its_networks_have_their_size_from_the_beginning() -> None:
    assert Equilibrium().judged_from(10) == 1 / 10
