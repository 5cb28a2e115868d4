"""Width search: what narrower networks add to a step, how they are measured, what that costs, and what is left."""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F

from tests.trainables.stages import a_trial, run_epoch
from trainables.data import facts
from trainables.errors import InfeasibleTrial, TrainingDiverged
from trainables.methods import width_search
from trainables.methods.attach import attach
from trainables.methods.rehearsal import rehearse, shapes_of
from trainables.methods.training_alone import train_alone
from trainables.methods.width_proposals import Measured, Proposals
from trainables.methods.widths import held_out, judged
from trainables.paradigms.channel_search import ChannelSearch
from trainables.paradigms.width_search import WidthSearch
from trainables.recipes.widths import ShareWeights
from trainables.state import LiveTrial
from trainables.structure.supernet import Supernet
from trainables.structure.widths import widths_of

RULE = ShareWeights(0, 1, macs=0.5, narrowest=0.25, random=1, networks=10, rounds=1, held_out=0.2)
NARROWEST = {"conv1": 8, "conv2": 8, "conv3": 16}


def searching(folder: Path, rule: ShareWeights = RULE) -> tuple[LiveTrial, width_search.WidthSearch]:
    trial = a_trial(folder)
    companion = attach(rule, trial, 3)
    assert isinstance(companion, width_search.WidthSearch)
    return trial, companion


def test_the_narrower_networks_add_their_losses_to_a_step(tmp_path: Path) -> None:
    trial, companion = searching(tmp_path, replace(RULE, random=0))
    inputs, labels = next(iter(trial.batches()))
    companion.before_forward(inputs, labels)
    alone = Supernet(trial.model, trial.groups).network(NARROWEST)
    expected = F.cross_entropy(alone.train()(inputs), labels)
    trial.model.train()
    assert companion.penalty().item() == pytest.approx(expected.item(), rel=1e-6)


def test_what_the_narrower_networks_take_is_paid_for(tmp_path: Path) -> None:
    trial, companion = searching(tmp_path, replace(RULE, random=0))
    trial.model.train()
    for images, labels in trial.batches(RULE.held_out):
        companion.before_forward(images, labels)
        companion.penalty()
    companion.after_epoch()
    costs = companion._costs
    trained = len(trial.divided(RULE.held_out)[0]) / len(trial.dataset.train)
    assert trial.position.macs == pytest.approx(trained * costs.macs(NARROWEST))
    before, networks = trial.position.macs, [(12, 12, 30), (16, 8, 20)]
    companion.scores(networks)
    macs = sum(costs.macs(companion.budget.named(widths)) for widths in networks)
    assert trial.position.macs - before == pytest.approx(macs / 3)  # all images pass, forward only


def test_a_network_without_batch_norms_passes_only_the_images_on_which_it_is_measured(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "mlp")
    companion = attach(RULE, trial, 3)
    assert isinstance(companion, width_search.WidthSearch)
    companion.scores([tuple(widths_of(trial.groups).values())])
    share = len(held_out(trial, RULE.held_out)) / len(trial.dataset.train)
    assert trial.position.macs == pytest.approx(share * trial.cost().macs / 3)


def test_a_network_is_measured_by_its_own_statistics_on_images_that_were_not_trained_on(tmp_path: Path) -> None:
    trial, companion = searching(tmp_path)
    with torch.no_grad():
        for module in trial.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                module.running_mean.fill_(100.0)
    measured = companion.scores([(12, 12, 30)])[12, 12, 30]
    images = held_out(trial, RULE.held_out)
    assert not {*trial.divided(0.2)[0].tolist()} & {*trial.divided(0.2)[1].tolist()}
    (mean,), (std,) = trial.dataset.mean, trial.dataset.std
    alone = Supernet(trial.model, trial.groups).network(dict(zip(NARROWEST, (12, 12, 30), strict=True)))
    trained = trial.dataset.train.images[trial.divided(RULE.held_out)[0]]
    for module in alone.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = 1.0
    alone.train()((trained / 255 - mean) / std)
    right = alone.eval()((images.images / 255 - mean) / std).argmax(1) == images.labels
    assert measured == pytest.approx(float(right.double().mean()), abs=1e-9)


def test_the_search_ends_in_a_slice_of_the_supernet_within_the_budget(tmp_path: Path) -> None:
    trial, companion = searching(tmp_path)
    dense, before = trial.cost().macs, trial.model.get_parameter("conv2.weight").detach().clone()
    run_epoch(companion, trial)
    companion.finish()
    widths = widths_of(trial.groups)
    assert 0.95 * 0.5 * dense <= trial.cost().macs <= 0.5 * dense
    assert widths == {name: trial.measured[f"width.{name}"] for name in widths}
    after = trial.model.get_parameter("conv2.weight")
    assert torch.equal(after, before[: widths["conv2"], : widths["conv1"]])
    assert trial.measured["networks_measured"] == 10
    assert -1 <= trial.measured["predictor_tau"] <= 1
    assert 0 <= trial.measured["predicted_score"] <= 1.2


def test_widths_are_drawn_within_their_limits_and_on_from_where_they_were(tmp_path: Path) -> None:
    _, one = searching(tmp_path / "one")
    _, other = searching(tmp_path / "other")
    drawn = [one._drawn() for _ in range(200)]
    assert {min(each["conv1"] for each in drawn), max(each["conv1"] for each in drawn)} == {8, 32}
    other.load_state_dict(one.state_dict())
    assert other._drawn() == one._drawn() != drawn[0]


ALSO_TRAINED = replace(RULE, trained=4, trained_epochs=2)


def test_networks_trained_by_themselves_correct_what_is_expected_and_are_paid_for(tmp_path: Path) -> None:
    trial, companion = searching(tmp_path, ALSO_TRAINED)
    before = {name: tensor.clone() for name, tensor in trial.model.state_dict().items()}
    drawn, mine = torch.get_rng_state(), trial.generator.get_state()
    networks = [(12, 12, 30), (16, 8, 20)]
    scores = companion.scores_alone(networks)
    assert all(torch.equal(before[name], tensor) for name, tensor in trial.model.state_dict().items())
    assert torch.equal(drawn, torch.get_rng_state())
    assert torch.equal(mine, trial.generator.get_state())
    assert scores == companion.scores_alone(networks)
    macs = sum(companion._costs.macs(companion.budget.named(widths)) for widths in networks)
    trained = len(trial.divided(RULE.held_out)[0]) / len(trial.dataset.train)
    once = (ALSO_TRAINED.trained_epochs * trained + (1 - trained) / 3) * macs
    assert trial.position.macs == pytest.approx(2 * once)
    companion.finish()
    assert trial.measured["networks_trained"] == 4
    assert -1 <= trial.measured["trained_tau"] <= 1


def test_what_networks_come_to_by_themselves_decides_against_shared_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the shared weights say is the same both times; the first layer pays in one, and costs in the other."""
    found = []
    for sign in (1, -1):
        trial, companion = searching(tmp_path / str(sign), replace(RULE, trained=10))
        monkeypatch.setattr(companion, "scores_alone", lambda networks, sign=sign: {n: sign * n[0] for n in networks})
        companion.finish()
        found.append(widths_of(trial.groups)["conv1"])
    assert found[0] > found[1] + 4


def test_a_network_trained_by_itself_learns_what_is_not_held_out(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, subset=200, lr=0.05)
    network = Supernet(trial.model, trial.groups).network(widths_of(trial.groups))
    expected = F.cross_entropy(network(next(iter(trial.batches()))[0]), next(iter(trial.batches()))[1])
    train_alone(trial, network, 12, RULE.held_out)
    images = held_out(trial, RULE.held_out)
    assert judged(trial, network, images).metrics["accuracy"] > 0.6
    assert expected > 2


def test_without_networks_trained_by_themselves_nothing_is_corrected(tmp_path: Path) -> None:
    trial, companion = searching(tmp_path, replace(RULE, trained=1))
    companion.finish()
    assert "networks_trained" not in trial.measured


def test_networks_that_diverge_by_themselves_end_the_search(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "mlp", lr=1000.0)
    companion = attach(ALSO_TRAINED, trial, 3)
    with pytest.raises(TrainingDiverged, match="networks that are trained by themselves no longer give numbers"):
        companion.finish()


def test_where_only_one_network_meets_the_budget_it_is_chosen_without_a_warning(tmp_path: Path) -> None:
    trial, companion = searching(tmp_path / "other")
    share = companion._costs.macs(NARROWEST) / trial.cost().macs
    trial, companion = searching(tmp_path, replace(RULE, macs=share * (1 + 1e-9)))
    companion.finish()
    assert widths_of(trial.groups) == NARROWEST
    assert trial.measured["networks_measured"] == 1
    assert trial.measured["predictor_tau"] == 0


@pytest.mark.parametrize("macs", [0.01, 1.2])
def test_a_budget_that_no_network_meets_is_refused_before_the_search(macs: float, tmp_path: Path) -> None:
    with pytest.raises(InfeasibleTrial, match=r"target_macs asks for .* MACs: networks between narrowest and widest"):
        searching(tmp_path, replace(RULE, macs=macs))


def test_a_supernet_that_gives_no_numbers_any_more_has_diverged(tmp_path: Path) -> None:
    trial, companion = searching(tmp_path)
    with torch.no_grad():
        trial.model.get_parameter("fc.weight").fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match="no longer give numbers"):
        companion.finish()


def test_the_time_in_which_the_graph_network_learns_counts_as_that_of_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that stands still but for a hundred seconds each time that the graph network learns."""
    trial, companion = searching(tmp_path)
    now, learn = [0.0], Proposals.learn

    def slowly(proposals: Proposals, measured: Measured) -> Tensor:
        now[0] += 100
        return learn(proposals, measured)

    monkeypatch.setattr(Proposals, "learn", slowly)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    companion.finish()
    assert trial.measured["train_seconds"] == 100 * (RULE.rounds + 1)


class Hidden(Function):
    """A linear map in one operation of its own, in which autograd sees no layer."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        return inputs @ weight.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (gradient,), (inputs, weight) = gradients, ctx.saved_tensors
        return gradient @ weight, gradient.T @ inputs


class HiddenLinear(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        outputs: Tensor = Hidden.apply(input, self.weight)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return outputs


def hidden_layers(classes: int, input_shape: tuple[int, int, int]) -> nn.Module:
    inputs = math.prod(input_shape)
    first, last = HiddenLinear(inputs, 32, bias=False), HiddenLinear(32, classes, bias=False)
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), last)


def test_a_network_whose_layers_cannot_be_read_is_refused_before_the_search(tmp_path: Path) -> None:
    trial, why = a_trial(tmp_path, f"{__name__}:hidden_layers"), "autograd sees no layers"
    with pytest.raises(InfeasibleTrial, match=why):
        attach(RULE, trial, 3)
    shapes = shapes_of(trial.spec, facts(trial.spec.data))
    with pytest.raises(InfeasibleTrial, match=why):
        rehearse(WidthSearch().recipe(4), shapes)
    rehearse(ChannelSearch().recipe(9), shapes)
