"""Attacks on equilibrium networks that do not trust the gradient at the equilibrium."""

import torch
from torch import nn

from trainables import models
from trainables.data.dataset import Split
from trainables.evaluation.adversarial import Target, accuracies_under_attack
from trainables.evaluation.distributions import Sample
from trainables.evaluation.equilibrium_attacks import surrogates

SHAPE = (1, 4, 4)


def deq() -> nn.Module:
    torch.manual_seed(0)
    return models.build("deq", classes=3, input_shape=SHAPE, options={"channels": 4, "iterations": 2}).eval()


def test_an_unrolled_network_computes_what_the_network_does() -> None:
    model, images = deq(), torch.randn(3, *SHAPE)
    assert torch.allclose(surrogates(model)["unrolled"](images), model(images))


def test_intermediate_states_give_probabilities_that_differ_from_those_of_the_last() -> None:
    model, images = deq(), torch.randn(3, *SHAPE)
    intermediate = surrogates(model)["intermediate"](images)
    assert intermediate.shape == (3, 3)
    assert not torch.allclose(intermediate.softmax(1), model(images).softmax(1), atol=1e-4)


def test_only_networks_with_an_equilibrium_are_attacked_so() -> None:
    sample = Sample(Split(torch.zeros(4, *SHAPE, dtype=torch.uint8), torch.zeros(4).long()), torch.arange(4), 0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    names = set(accuracies_under_attack(Target(plain, (0.0,), (1.0,)), None, sample, 0.1))
    assert names == {"fgsm", "pgd20", "pgd100"}
    assert set(accuracies_under_attack(Target(deq(), (0.0,), (1.0,)), None, sample, 0.1)) - names == {
        "unrolled",
        "intermediate",
    }
