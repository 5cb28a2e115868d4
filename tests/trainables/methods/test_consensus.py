"""Gates that see each image: straight-through slopes, agreement, and one network for all images at the end."""

import math
from pathlib import Path

import pytest
import torch

from tests.trainables.stages import a_trial
from trainables.errors import InfeasibleTrial, ShareTooSmall
from trainables.methods.attach import attach
from trainables.methods.consensus import GAIN, PRICES, Consensus, disagreement, price_after, switched
from trainables.recipes.in_training import Agree
from trainables.recipes.recipe import Remove, Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial
from trainables.structure.blocks import residual_blocks
from trainables.training.optimizers import optimizer_for

NETWORK = "resnet20"


CHANNELS = Agree(channels=True)


def gated(folder: Path, rule: Agree, steps: int = 10, network: str = NETWORK) -> tuple[LiveTrial, Consensus]:
    trial = a_trial(folder, network)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    companion = attach(rule, trial, steps)
    assert isinstance(companion, Consensus)
    return trial, companion


def test_a_switch_is_zero_or_one_and_has_the_slope_of_its_logit() -> None:
    logits = torch.tensor([-2.0, -0.1, 0.1, 3.0], requires_grad=True)
    on = switched(logits)
    assert on.tolist() == [0, 0, 1, 1]
    (slope,) = torch.autograd.grad((on * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum(), logits)
    assert slope.tolist() == [1, 2, 3, 4]


def test_switches_are_exact_whatever_the_logits() -> None:
    logits = torch.randn(10_000, generator=torch.Generator().manual_seed(0)) * 5
    assert torch.equal(switched(logits), (logits > 0).float())


def test_disagreement_is_zero_where_all_images_agree_and_a_quarter_at_most() -> None:
    assert float(disagreement(torch.tensor([0.0, 1.0, 1.0]))) == 0
    assert float(disagreement(torch.tensor([0.5, 0.5]))) == 0.25


@pytest.mark.parametrize(("rule", "network"), [(Agree(), NETWORK), (CHANNELS, NETWORK), (CHANNELS, "digits_cnn")])
def test_gates_begin_switched_on_and_change_nothing(rule: Agree, network: str, tmp_path: Path) -> None:
    plain, (trial, _) = a_trial(tmp_path, network), gated(tmp_path, rule, network=network)
    images, _ = next(iter(plain.batches()))
    for training in (True, False):
        expected, actual = (each.model.train(training)(images) for each in (plain, trial))
        torch.testing.assert_close(actual, expected)


def test_the_penalty_pulls_gates_down_by_use_and_apart_by_disagreement(tmp_path: Path) -> None:
    trial, companion = gated(tmp_path, Agree(polar=2.0, activation=0.5), steps=10)
    images, _ = next(iter(trial.batches()))
    trial.model.train()(images)
    assert companion.penalty().item() == 0, "nothing is wanted of untrained gates"
    companion._step = 10
    assert companion.penalty().item() == pytest.approx(0.5)
    with torch.no_grad():  # half of the images switch every branch off
        for index, on in companion._on.items():
            companion._on[index] = torch.where(torch.arange(len(on))[:, None] % 2 == 0, 0.0, on)
    assert companion.penalty().item() == pytest.approx(2.0 * 0.25 + 0.5 * 0.5)


def test_a_target_is_a_distance(tmp_path: Path) -> None:
    trial, companion = gated(tmp_path, Agree(activation=1.0, target=0.6))
    images, _ = next(iter(trial.batches()))
    trial.model.train()(images)
    companion._step = 10
    assert companion.penalty().item() == pytest.approx(0.4)


def test_what_most_images_do_not_use_is_dropped_and_one_branch_stays(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, NETWORK, lr=0.1)
    run_recipe((Train(4, during=Agree(activation=30.0, polar=0.0)), Remove()), trial)
    assert 1 <= len(residual_blocks(trial.model)) < 9
    assert 0 <= trial.measured["gate_disagreement"] <= 0.25
    assert trial.measured["removal_disagreement"] < 1e-4


def test_what_it_will_cost_follows_the_images(tmp_path: Path) -> None:
    trial, companion = gated(tmp_path, Agree())
    whole = companion.projected().macs
    assert whole == trial.cost().macs
    companion._shares[2] = 0.4
    assert companion.projected().macs < whole


def test_an_image_without_a_channel_computes_what_the_smaller_network_does(tmp_path: Path) -> None:
    trial, companion = gated(tmp_path, CHANNELS, network="digits_cnn")
    images, _ = next(iter(trial.batches()))
    bias = companion._gates.get_parameter("1.2.bias")
    with torch.no_grad():
        bias[:5] = -1.0
        trial.model.train()(images)
        assert companion._batch_shares().split(companion._sizes)[1].tolist() == [0.0] * 5 + [1.0] * 27
        gated_outputs = trial.model(images)
        for parameter in (trial.model.get_parameter("bn2.weight"), trial.model.get_parameter("bn2.bias")):
            parameter[:5] = 0
        bias[:5] = 1.0
        torch.testing.assert_close(trial.model(images), gated_outputs)


def test_every_layer_keeps_the_channel_that_most_images_use(tmp_path: Path) -> None:
    _, companion = gated(tmp_path, CHANNELS, network="digits_cnn")
    companion._shares[:32] = torch.linspace(0.1, 0.3, 32)
    companion._shares[40] = 0.49
    first, second, _ = companion._stays().split(companion._sizes)
    assert first.tolist() == [False] * 31 + [True]
    assert second.tolist() == [number != 8 for number in range(32)]


def test_a_price_rises_where_images_use_too_much_and_falls_where_they_use_less() -> None:
    assert price_after(2.0, 0.7, 0.7, 100) == 2.0
    assert price_after(2.0, 0.8, 0.7, 100) == pytest.approx(2.0 * math.exp(GAIN * 0.001))
    assert price_after(2.0, 0.6, 0.7, 100) == pytest.approx(2.0 / math.exp(GAIN * 0.001))
    assert price_after(0.0, 1.0, 0.5, 100) == PRICES[0]
    assert price_after(PRICES[1], 1.0, 0.5, 1) == PRICES[1]


def test_the_price_is_of_the_macs_that_the_images_use(tmp_path: Path) -> None:
    trial, companion = gated(tmp_path, Agree(polar=0.0, activation=2.0, macs=0.5))
    companion._step = 10
    images, _ = next(iter(trial.batches()))
    trial.model.train()(images)
    assert companion.penalty().item() == pytest.approx(2.0)
    on = torch.zeros_like(companion._on[0])
    companion._on = dict.fromkeys(companion._on, on)
    assert 0 < companion.penalty().item() < 0.1, "the stem and the head are left"


@pytest.mark.parametrize(
    ("rule", "network"), [(Agree(macs=0.5), NETWORK), (Agree(channels=True, macs=0.5), "digits_cnn")]
)
def test_a_budget_is_met_by_what_most_images_use(rule: Agree, network: str, tmp_path: Path) -> None:
    _, companion = gated(tmp_path, rule, network=network)
    companion._shares = torch.linspace(0, 1, companion._count, dtype=torch.float64)
    stays = companion._stays()
    left = float(companion._macs(stays)) / companion._dense
    assert 0.35 < left <= 0.5
    assert companion.projected().macs == pytest.approx(left * companion._dense)
    if not rule.channels:
        assert stays.tolist() == sorted(stays.tolist())


def test_a_budget_without_any_branch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ShareTooSmall, match=r"target_macs = 0\.01: 0\.\d+ of the MACs are left with one residual branch"
    ):
        gated(tmp_path, Agree(macs=0.01))


@pytest.mark.parametrize(
    ("rule", "network"), [(Agree(macs=0.6), NETWORK), (Agree(channels=True, macs=0.4), "digits_cnn")]
)
def test_what_a_budget_removes_is_removed(rule: Agree, network: str, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, network, lr=0.05)
    dense = trial.cost().macs
    run_recipe((Train(2, during=rule), Remove()), trial)
    assert 0.7 * rule.macs < trial.cost().macs / dense <= rule.macs
    assert trial.measured["removal_disagreement"] < 1e-4


def test_a_resumed_stage_remembers_shares_and_price(tmp_path: Path) -> None:
    rule = Agree(macs=0.5)
    (_, first), (_, second) = gated(tmp_path / "1", rule), gated(tmp_path / "2", rule)
    first._shares[1], first._leaning[2], first._price, first._step = 0.2, 0.3, 0.7, 4
    second.load_state_dict(first.state_dict())
    assert torch.equal(second._stays(), first._stays())
    assert (second._price, second._step) == (0.7, 4)
    earlier = {key: value for key, value in first.state_dict().items() if key in ("gates", "shares", "step")}
    gated(tmp_path / "3", Agree())[1].load_state_dict(earlier)


def test_a_plain_network_is_refused(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    with pytest.raises(InfeasibleTrial, match="digits_cnn has no residual branches to switch off"):
        attach(Agree(), trial, 10)
