"""Evaluations by replays find what plain ones do."""

import logging
from collections.abc import Callable
from functools import partial
from itertools import count

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.training.tape import Tape
from trainables.data.dataset import Split
from trainables.training.capture import PATIENCE, WARM_UPS
from trainables.training.captured_judging import CapturedJudging
from trainables.training.training import Evaluation, evaluate

BATCHES = 6


class Network(nn.Module):
    """A linear layer on pixels; what a test wants to happen happens with its outputs."""

    def __init__(self, twist: Callable[[Tensor], Tensor] = lambda outputs: outputs) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.norm, self.twist = nn.Linear(4, 3), nn.BatchNorm1d(3), twist

    def forward(self, images: Tensor) -> Tensor:
        return self.twist(self.norm(self.layer(images.flatten(1))))


def some_images() -> Split:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (10 * BATCHES - 3, 1, 2, 2), generator=generator, dtype=torch.uint8)
    return Split(pixels, torch.randint(0, 3, (len(pixels),), generator=generator))


def evaluated(model: nn.Module) -> Callable[..., Evaluation]:
    return partial(evaluate, model, some_images(), [0.5], [0.25], batch_size=10, keep_logits=True)


def assert_same(one: Evaluation, other: Evaluation) -> None:
    assert (one.loss, one.metrics) == (other.loss, other.metrics)
    assert one.logits is not None
    assert other.logits is not None
    assert torch.equal(one.logits, other.logits)


def test_replays_find_what_plain_evaluations_do_while_weights_move() -> None:
    model, tape = Network(), Tape()
    judging = CapturedJudging(tape, lambda: None)
    for _ in range(3):
        assert_same(evaluated(model)(judging=judging), evaluated(model)())
        with torch.no_grad():
            model.layer.weight.mul_(-2)
            model.norm.bias.add_(1)
    assert (tape.warmed, tape.recorded, tape.replayed) == (WARM_UPS, 1, 3 * (BATCHES - 1) - WARM_UPS)


def test_another_network_is_captured_again() -> None:
    model, tape = Network(), Tape()
    judging = CapturedJudging(tape, lambda: None)
    layers = [model.layer, nn.Linear(4, 3)]
    for layer in layers:
        model.layer = layer
        assert_same(evaluated(model)(judging=judging), evaluated(model)())
    assert tape.recorded == 2


def test_a_network_that_waits_for_the_device_is_evaluated_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    model, tape = Network(lambda outputs: outputs * outputs.max().item()), Tape()
    judging = CapturedJudging(tape, lambda: None)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert_same(evaluated(model)(judging=judging), evaluated(model)())
    assert tape.replayed == 0
    assert caplog.text.count("waits for the device") == 1


def test_captures_that_are_void_at_once_are_given_up_and_the_log_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    model, tape, patterns = Network(), Tape(), count()
    judging = CapturedJudging(tape, lambda: next(patterns))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert_same(evaluated(model)(judging=judging), evaluated(model)())
    assert tape.recorded == PATIENCE
    assert caplog.text.count("evaluations run one operation at a time") == 1
    assert "void before" in caplog.text
