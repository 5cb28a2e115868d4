"""In-place distillation of the rounded network."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.trainables.stages import a_trial
from trainables import tasks
from trainables.errors import InvalidValue
from trainables.gates.distillation import Distillation, divergence
from trainables.gates.gated_network import GatedNetwork
from trainables.recipes.gating import Gating


def test_the_divergence_is_nothing_between_equals_and_of_positions_the_mean() -> None:
    logits = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    wanted = torch.zeros(2, 2)
    assert float(divergence(wanted, wanted + 3)) == pytest.approx(0)
    by_hand = 0.5 * (0.5 / logits.softmax(1)).log().sum()
    assert float(divergence(logits, wanted)) == pytest.approx(float(by_hand))
    of_positions = [values[:, :, None].expand(-1, -1, 4) for values in (logits, wanted)]
    assert float(divergence(*of_positions)) == pytest.approx(float(by_hand))


def test_only_a_step_under_other_gates_differs_from_the_rounded_network(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, precision="float32")
    network = GatedNetwork(Gating(epochs=1), trial)
    images, _ = next(iter(trial.batches()))
    trial.model.train()
    before = {name: value.clone() for name, value in trial.model.state_dict().items()}
    distillation = Distillation(2.0, trial)
    terms = []
    assert distillation.penalty() is None
    for masks in (None, torch.ones(1, network.sizes[0]).index_fill(1, torch.arange(9), 0.0)):
        distillation.aim(images)
        assert all(value.equal(before[name]) for name, value in trial.model.state_dict().items())
        network.gates.hold(masks)
        distillation.listen()
        trial.model(images)
        trial.model.load_state_dict(before)
        term = distillation.penalty()
        network.gates.hold(None)
        assert term is not None
        assert term.requires_grad
        terms.append(float(term.detach()))
    assert terms[0] == pytest.approx(0, abs=1e-6)
    assert terms[1] > 1e-4
    assert distillation.penalty() is None


def test_a_task_without_logits_is_refused(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trial.task, trial.spec = tasks.find("regression"), replace(trial.spec, task="regression")
    with pytest.raises(InvalidValue, match=r"distill = 1\.0: must be 0 for regression"):
        Distillation(1.0, trial)
