"""The penalty on the Jacobian of an equilibrium network's cell."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.trainables.stages import a_trial
from trainables import models
from trainables.methods.contraction import Contraction, part_of_mean
from trainables.models.deq import EquilibriumNetwork
from trainables.recipes.recipe import Train
from trainables.recipes.widths import FollowRanks
from trainables.runner import run_recipe


class Linear(nn.Module):
    """A cell whose Jacobian is a number times the identity."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(0.5))

    def forward(self, state: torch.Tensor, injected: torch.Tensor) -> torch.Tensor:
        return self.factor * state + injected


def deq() -> EquilibriumNetwork:
    torch.manual_seed(0)
    built = models.build("deq", classes=3, input_shape=(1, 8, 8), options={"jacobian": 2.0})
    assert isinstance(built, EquilibriumNetwork)
    return built


def test_it_is_the_mean_square_of_the_jacobian_s_singular_values() -> None:
    network, images = deq(), torch.randn(64, 1, 8, 8)
    cell = Linear()
    network.equilibrium.register_module("cell", cell)
    penalising = Contraction(network)
    penalising.before_forward(images, torch.zeros(64))
    with torch.no_grad():
        for _ in range(network.iterations):
            cell(torch.ones(64, 32, 4, 4), torch.zeros(64, 32, 4, 4))
    penalty = penalising.penalty()
    assert penalty.item() == pytest.approx(2.0 * 0.5**2, rel=0.02)
    penalty.backward()
    assert cell.factor.grad is not None
    assert cell.factor.grad.item() == pytest.approx(2 * penalty.item() / 0.5)


@pytest.mark.parametrize("rows", [(5,), (2, 3), (5, 0), (1, 4, 0)])
def test_processes_with_uneven_rows_come_to_the_mean_of_one(rows: tuple[int, ...]) -> None:
    values = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])
    parts = [part_of_mean(own, 5, len(rows)) for own in values.split(rows)]
    assert torch.stack(parts).mean().item() == pytest.approx(values.mean().item())


def test_a_process_without_rows_adds_nothing_to_the_penalty() -> None:
    network, images = deq(), torch.empty(0, 1, 8, 8)
    network.train()
    penalising = Contraction(network)
    penalising.before_forward(images, torch.zeros(0))
    network(images)
    assert penalising.penalty().item() == 0


def test_each_image_has_a_state_from_the_second_half_of_its_way() -> None:
    network, images = deq(), torch.randn(64, 1, 8, 8)
    cell = Linear()
    network.equilibrium.register_module("cell", cell)
    penalising = Contraction(network)
    penalising.before_forward(images, torch.zeros(64))
    for number in range(network.iterations):
        cell(torch.full((64, 1, 1, 1), float(number)), torch.zeros(64, 1, 1, 1))
    met = penalising._met.flatten()
    assert set(met.tolist()) == set(range(6, 12))
    penalising.finish()
    assert not cell._forward_pre_hooks


def test_any_training_of_such_a_network_has_it_and_leaves_no_hooks(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "deq", subset=80)
    assert isinstance(trial.model, EquilibriumNetwork)
    trial.model.jacobian = 1e6
    run_recipe((Train(1),), trial)
    assert trial.last_report is not None
    assert trial.last_report.train_loss is not None
    assert trial.last_report.train_loss > 1000
    assert not trial.model.equilibrium.cell._forward_pre_hooks


def test_a_search_for_widths_leaves_no_hooks_in_the_network_of_the_next_round(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "deq", subset=80)
    assert isinstance(trial.model, EquilibriumNetwork)
    trial.model.equilibrium.iterations = 2
    first, before = trial.model, trial.cost().macs
    run_recipe((Train(1, during=FollowRanks(0, 1, narrowest=8, widest=64)), Train(1)), trial)
    assert isinstance(trial.model, EquilibriumNetwork)
    assert trial.model is not first
    assert trial.cost().macs > before
    assert not trial.model.equilibrium.cell._forward_pre_hooks
