"""Manifold-regularised dynamic pruning: its losses, its thresholds, its budget."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from tests.trainables.stages import a_trial
from trainables.errors import InfeasibleTrial
from trainables.evaluation.instance_macs import measure_instances
from trainables.methods.attach import attach
from trainables.methods.manifold import (
    ManifoldDynamic,
    ease,
    gram,
    gram_distance,
    keep_rate,
    threshold_for,
)
from trainables.recipes.in_training import GateByImage
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial
from trainables.structure.complexity import measure
from trainables.structure.instance_gates import gates_of
from trainables.training.optimizers import optimizer_for


def gated(
    folder: Path, rule: GateByImage, model: str = "digits_cnn", steps: int = 6
) -> tuple[LiveTrial, ManifoldDynamic]:
    trial = a_trial(folder, model, weight_decay=1e-3)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    companion = attach(rule, trial, steps)
    assert isinstance(companion, ManifoldDynamic)
    return trial, companion


def test_images_are_easy_below_a_share_of_the_mean_loss() -> None:
    losses = torch.tensor([0.0, 0.25, 0.5, 0.9, 4.0])
    assert ease(losses, torch.tensor(1.0), 0.5, 1.0).tolist() == [1, 0.5, 0, 0, 0]
    assert ease(losses, torch.tensor(2.0), 0.5, 2.0).tolist() == pytest.approx([1, 0.5625, 0.25, 0.01, 0])


def test_equal_images_with_equal_gates_are_no_distance_apart() -> None:
    features, gates = torch.rand(1, 5).expand(4, 5), torch.rand(1, 3).expand(4, 3)
    assert float(gram_distance(gates, features)) == pytest.approx(0, abs=1e-12)


def test_gates_that_are_like_the_features_are_no_distance_from_them() -> None:
    features = torch.randn(6, 5)
    assert float(gram_distance(3 * features, features)) == pytest.approx(0, abs=1e-12)
    assert float(gram_distance(features.flip(0), features)) > 0.01


def test_the_distance_is_the_mean_square_of_the_differences_of_cosines() -> None:
    gates, features = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [2.0, 2.0]])
    assert gram(gates).tolist() == [[1, 0], [0, 1]]
    assert float(gram_distance(gates, features)) == pytest.approx(2 / 4)


def test_the_keep_rate_falls_from_one_to_its_end() -> None:
    rates = [keep_rate(progress / 10, 0.6) for progress in range(11)]
    assert rates[0] == 1
    assert rates[5] == pytest.approx(0.8)
    assert rates[10] == pytest.approx(0.6)
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.6, 0.999, 1.0])
def test_a_threshold_keeps_exactly_the_asked_share(rate: float) -> None:
    for size in (1, 10, 16, 37):
        means = torch.randn(size).abs()
        kept = int((means >= threshold_for(means, rate)).sum())
        assert kept == max(1, math.ceil(round(rate * size, 6)))


def test_the_penalty_is_what_the_losses_say(tmp_path: Path) -> None:
    trial, companion = gated(tmp_path, GateByImage(complexity=0.3, similarity=2.0, easy=1.5, ramp=0.5), steps=8)
    gates = gates_of(trial.model)
    assert gates is not None
    images, labels = next(iter(trial.batches()))
    for taken in range(6):
        companion.before_forward(images, labels)
        losses = F.cross_entropy(trial.model.train()(images), labels, reduction="none").detach()
        seen = [record[0] for gate in gates.each if (record := gate.record)]
        penalty = companion.penalty()
        weights = ((1.5 * losses.mean() - losses) / (1.5 * losses.mean())).clamp_min(0)
        few = sum((weights * one.gates.mean(1)).mean().item() for one in seen)
        alike = sum(gram_distance(one.gates, one.features).item() for one in seen)
        grown = min(1.0, taken / 4)  # while the keep rate falls: half of eight steps
        assert penalty.item() == pytest.approx(0.3 * few + 2.0 * grown * alike, rel=1e-5)
        companion.after_step()
    penalty.backward()
    assert all(parameter.grad is not None for parameter in gates.parameters())
    assert all(gate.record is None for gate in gates.each)


def test_thresholds_keep_the_asked_share_of_the_epoch_s_mean_gates(tmp_path: Path) -> None:
    trial, companion = gated(tmp_path, GateByImage(keep=0.5), steps=3)
    gates = gates_of(trial.model)
    assert gates is not None
    for gate in gates.each:
        torch.nn.init.normal_(gate.fc2.weight)
    seen = []
    for images, labels in trial.batches():
        companion.before_forward(images, labels)
        trial.model.train()(images)
        seen.append([record[0].gates.detach() for gate in gates.each if (record := gate.record)])
        companion.penalty()
        companion.after_step()
    companion.after_epoch()
    for index, gate in enumerate(gates.each):
        means = torch.cat([of_batch[index] for of_batch in seen]).double().mean(0)
        assert int((means >= gate.threshold - 1e-6).sum()) == gate.site.size // 2


@pytest.mark.parametrize(("ramp", "moved"), [(1.0, [True, True]), (0.5, [True, False])])
def test_the_network_is_trained_with_its_last_thresholds_where_the_rate_falls_sooner(
    ramp: float, moved: list[bool], tmp_path: Path
) -> None:
    trial, companion = gated(tmp_path, GateByImage(keep=0.5, ramp=ramp), steps=6)
    gates = gates_of(trial.model)
    assert gates is not None
    seen = [0.0]
    for _ in range(2):
        for images, labels in trial.batches():
            companion.before_forward(images, labels)
            trial.model.train()(images)
            companion.penalty()
            companion.after_step()
            torch.nn.init.normal_(next(gates.each).fc2.weight)
        companion.after_epoch()
        seen.append(next(gates.each).threshold.item())
    assert [before != after for before, after in pairwise(seen)] == moved
    assert companion._rate == pytest.approx(0.5)


def test_gates_are_trained_without_weight_decay_and_everything_once(tmp_path: Path) -> None:
    trial, _ = gated(tmp_path, GateByImage())
    assert trial.optimizer is not None
    network, own = trial.optimizer.param_groups
    assert (network["weight_decay"], own["weight_decay"]) == (1e-3, 0)
    names = {parameter: name for name, parameter in trial.model.named_parameters()}
    trained = [names[parameter] for group in (network, own) for parameter in group["params"]]
    assert trained == list(names.values())
    assert all(names[parameter].startswith("instance_gates") for parameter in own["params"])


def test_images_cost_the_asked_share_of_the_dense_network(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, lr=0.1)
    dense = measure(trial.model, trial.dataset.input_shape).macs
    run_recipe((Train(4), Train(10, during=GateByImage(target_macs=0.5))), trial)
    measured = measure_instances(trial)
    assert measured["macs"] / dense == pytest.approx(0.5, abs=0.08)
    assert measured["macs_spread"] > 0


def test_a_budget_that_no_keep_rate_meets_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        InfeasibleTrial, match=r"target_macs = 0.01: 0.\d+ of the MACs are left where each gate lets one"
    ):
        gated(tmp_path, GateByImage(target_macs=0.01), "resnet20")
