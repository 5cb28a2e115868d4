"""The type in which networks multiply: as asked, or what the hardware and this very network allow."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function

from tests.trainables.stages import a_trial
from trainables import checkpoint
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe
from trainables.spec import TrainingSpec
from trainables.training.precision import distrust, precision_for


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_a_precision_that_is_asked_for_is_taken(name: str) -> None:
    assert precision_for(TrainingSpec(precision=name), "cpu") == getattr(torch, name)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx2": True, "avx512_f": True, "amx_bf16": False}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"neon": True, "bf16": True}, torch.bfloat16),
    ],
)
def test_auto_takes_bfloat16_where_the_processor_multiplies_it(
    capabilities: dict[str, bool], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert precision_for(TrainingSpec(), "cpu") == expected


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16)])
def test_auto_takes_bfloat16_from_ampere_on(
    capability: tuple[int, int], expected: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    assert precision_for(TrainingSpec(), "cuda") == expected


def batch(count: int = 64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, 1, 8, 8, generator=generator), torch.randint(0, 10, (count,), generator=generator)


class Faulty(Function):
    """The identity, whose slope in bfloat16 is what a faulty kernel could make of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, fault: str) -> Tensor:
        ctx.fault = fault
        return x.clone()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
        if slope.dtype != torch.bfloat16:
            return slope, None
        Network.calls += 1
        return {"infinite": slope / 0, "unrepeatable": slope * (1 + Network.calls / 64), "far": -slope}[ctx.fault], None


class Network(nn.Module):
    calls = 0

    def __init__(self, fault: str | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.drop, self.last, self.fault = nn.Linear(64, 32), nn.Dropout(0.1), nn.Linear(32, 10), fault

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x.flatten(1))
        if self.fault is not None:
            hidden = Faulty.apply(hidden, self.fault)  # type: ignore[no-untyped-call]  # torch leaves apply untyped
        logits: Tensor = self.last(self.drop(hidden.relu()))
        return logits


def test_gradients_that_only_rounding_changes_are_trusted() -> None:
    assert distrust(Network(), *batch(), torch.bfloat16) is None


@pytest.mark.parametrize(
    ("fault", "reason"), [("infinite", "finite"), ("unrepeatable", "the same twice"), ("far", "differ from those")]
)
def test_faulty_gradients_are_not_trusted(fault: str, reason: str) -> None:
    wrong = distrust(Network(fault), *batch(), torch.bfloat16)
    assert wrong is not None
    assert reason in wrong


def test_asking_changes_neither_the_network_nor_the_random_state() -> None:
    network = Network().eval()
    network(batch()[0]).sum().backward()
    before = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    state = torch.get_rng_state()
    distrust(network, *batch(), torch.bfloat16)
    assert torch.equal(torch.get_rng_state(), state)
    assert not network.training
    assert all(torch.equal(p.grad, g) for p, g in zip(network.parameters(), before, strict=True) if p.grad is not None)


@pytest.mark.parametrize(("fault", "taken"), [(None, torch.bfloat16), ("far", torch.float32)])
def test_auto_falls_back_to_float32_and_says_why(
    fault: str | None,
    taken: torch.dtype,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    trial = a_trial(tmp_path)
    trial.model = trial.place(Network(fault))
    state = trial.generator.get_state()
    with caplog.at_level(logging.WARNING):
        assert trial.precision == taken
    assert torch.equal(trial.generator.get_state(), state)
    assert ("trains in float32" in caplog.text) is (taken == torch.float32)


def test_a_resumed_trial_keeps_the_precision_that_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Train(1),), trial)
    assert trial.precision == torch.float32
    checkpoint.save(trial, tmp_path)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    resumed = a_trial(tmp_path)
    checkpoint.restore(resumed, tmp_path)
    assert resumed.precision == torch.float32
