"""What a structure is worth, measured in training steps on real gates."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.trainables.stages import a_trial, copied
from trainables.gates.gates import Gates
from trainables.gates.rounding import Kept
from trainables.gates.structures import Structures, find_structures
from trainables.gates.worth import Worth
from trainables.recipes.gating import Gating
from trainables.state import LiveTrial


@dataclass(frozen=True)
class Scene:
    """A trial, the structures of its network, gates on them, what measures their worth, and one batch."""

    trial: LiveTrial
    structures: Structures
    gates: Gates
    worth: Worth
    batch: tuple[Tensor, Tensor]

    @property
    def theta(self) -> tuple[Tensor, Tensor]:
        units, branches = self.structures.units, len(self.structures.branches)
        return torch.full((units,), 0.7, dtype=torch.float64), torch.full((branches,), 0.7, dtype=torch.float64)

    @property
    def rounded(self) -> Kept:
        return self.theta[0] > 0.5, self.theta[1] > 0.5

    def step(self) -> Tensor:
        """Sample gates, run the batch forward and backward, and return the logits."""
        self.sample()
        logits: Tensor = self.trial.model(self.batch[0])
        F.cross_entropy(logits, self.batch[1]).backward()
        return logits

    def sample(self) -> None:
        self.worth.sample(self.theta, self.rounded, self.batch[0])
        self.worth.measure(self.trial, self.gates, *self.batch)

    def observe(self) -> bool:
        """Learn from the step that was run; return whether there was anything to learn."""
        self.worth.sum_up(self.gates)
        measured = self.worth.measured()
        if measured is not None:
            self.worth.learn(measured)
        return measured is not None


def a_scene(folder: Path, model: str = "resnet20", **gating: Any) -> Scene:
    trial = a_trial(folder, model, subset=80, precision="float32")
    structures = find_structures(trial.model, trial.groups)
    sizes = structures.units, len(structures.branches)
    worth = Worth(Gating(epochs=1, **gating), sizes, torch.Generator().manual_seed(0))
    batch = next(iter(trial.batches()))
    trial.model.train()
    return Scene(trial, structures, Gates(trial.model, structures), worth, batch)


def test_a_branch_is_worth_what_the_loss_changes_when_it_alone_is_switched(tmp_path: Path) -> None:
    """With sampling at its least and rounded gates all on, the step is the plain network: run it by hand."""
    scene = a_scene(tmp_path, sampling=1e-9)
    scene.step()
    assert scene.observe()
    differences = scene.worth.difference()[1]
    (index,) = differences.isfinite().nonzero().flatten().tolist()
    images, labels = scene.batch
    with torch.no_grad():
        kept = scene.rounded
        whole = F.cross_entropy(scene.trial.model(images), labels)
        off = kept[1].clone()
        off[index] = False
        scene.gates.round((kept[0], off))
        without = F.cross_entropy(scene.trial.model(images), labels)
    assert float(differences[index]) == pytest.approx(float(whole - without), rel=1e-4, abs=1e-6)


def test_a_branch_that_was_never_measured_is_kept_at_any_price(tmp_path: Path) -> None:
    scene = a_scene(tmp_path)
    scene.step()
    scene.observe()
    branches = scene.worth.difference()[1]
    assert (branches == -math.inf).sum() == len(branches) - 1


def test_measuring_moves_no_statistics_and_no_random_state(tmp_path: Path) -> None:
    scene = a_scene(tmp_path)
    before, random = copied(dict(scene.trial.model.named_buffers())), torch.get_rng_state()
    scene.sample()
    after = dict(scene.trial.model.named_buffers())
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(m.track_running_stats for m in scene.trial.model.modules() if isinstance(m, nn.BatchNorm2d))


def test_a_step_without_a_sample_teaches_nothing(tmp_path: Path) -> None:
    scene = a_scene(tmp_path)
    assert not scene.observe()
    scene.step()
    assert scene.observe()
    assert not scene.observe()


def test_gates_are_released_once_the_step_was_observed(tmp_path: Path) -> None:
    scene = a_scene(tmp_path, sampling=1.0)
    sampled = scene.step().detach()
    scene.observe()
    plain = scene.trial.model(scene.batch[0]).detach()
    scene.gates.remove()
    assert not torch.equal(sampled, plain)
    assert torch.equal(plain, scene.trial.model(scene.batch[0]))


@pytest.mark.parametrize("shared", [False, True])
def test_taylor_s_worth_of_a_unit_is_the_slope_of_the_batch_s_loss_in_its_gate(shared: bool, tmp_path: Path) -> None:
    scene = a_scene(tmp_path, "digits_cnn", unit_estimator="taylor", shared=shared, sampling=1e-9)
    scene.step()
    scene.observe()
    gate = torch.ones(1, scene.structures.units, requires_grad=True)
    scene.gates.hold(gate)
    loss = F.cross_entropy(scene.trial.model(scene.batch[0]), scene.batch[1])
    (slope,) = torch.autograd.grad(loss, gate)
    assert torch.allclose(scene.worth.difference()[0].float(), slope[0], rtol=1e-3, atol=1e-6)


def test_what_is_not_kept_is_forgotten_and_the_others_keep_their_worth(tmp_path: Path) -> None:
    scene = a_scene(tmp_path)
    scene.step()
    scene.observe()
    units, branches = scene.worth.difference()
    kept = torch.arange(len(units)) % 3 == 0, torch.arange(len(branches)) % 2 == 0
    scene.worth.keep(kept)
    left = scene.worth.difference()
    assert torch.equal(left[0], units[kept[0]])
    assert torch.equal(left[1], branches[kept[1]])


def test_a_saved_state_gives_the_same_worth(tmp_path: Path) -> None:
    scene, fresh = a_scene(tmp_path), a_scene(tmp_path)
    scene.step()
    scene.observe()
    fresh.worth.load_state_dict(scene.worth.state_dict())
    for mine, other in zip(scene.worth.difference(), fresh.worth.difference(), strict=True):
        assert torch.equal(mine, other)
