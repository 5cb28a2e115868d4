"""Networks compiled for training steps: the same network, compiled where it pays, anew where it has changed."""

import copy
import logging
import tempfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.stages import a_trial
from tests.trainables.training.epochs import EPOCHS, FULL, Dropping, StepsOf, alone, assert_same, doing, run
from tests.trainables.training.traced import Traced
from trainables import parallel
from trainables.data.batches import Batches
from trainables.recipes.gating import Gating
from trainables.spec import Compile
from trainables.training.companion import Companion
from trainables.training.compiling import (
    CACHE,
    COST,
    GAIN,
    MOST,
    CompiledNetwork,
    CompiledSteps,
    cache_folder,
    distance,
    inductor,
    is_wanted,
    structure,
)
from trainables.training.logits import Network
from trainables.training.optimizers import optimizer_for
from trainables.training.step import Rate, Step, Steps, plainly

IMAGES = 16


def a_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(64, 3)
    )


def images(count: int = IMAGES) -> Tensor:
    return torch.randn(count, 1, 4, 4, generator=torch.Generator().manual_seed(1))


def compiling(traced: Traced, steps: Steps = plainly) -> StepsOf:
    return lambda _: CompiledSteps(steps, "always", lambda: 0.0, traced)


@pytest.mark.parametrize(
    ("mode", "device", "left", "wanted"),
    [
        ("never", "cuda", 1e9, False),
        ("always", "cpu", 0.0, True),
        ("auto", "cpu", 1e9, False),
        ("auto", "cuda", 0.0, False),
        ("auto", "cuda", 0.99 * COST / GAIN, False),
        ("auto", "cuda", 1.01 * COST / GAIN, True),
    ],
)
def test_auto_compiles_on_a_gpu_what_earns_the_compilation_back(
    mode: Compile, device: str, left: float, wanted: bool
) -> None:
    assert is_wanted(mode, device, left) is wanted


@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method.*:DeprecationWarning")  # torch's own use of it
def test_inductor_trains_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv(CACHE, f"{tempfile.gettempdir()}/torchinductor_somebody")  # torch's own choice
    network = a_network()
    compiled = CompiledNetwork(network, inductor, IMAGES, torch.float32)
    before = copy.deepcopy(network.state_dict())
    torch.manual_seed(5)
    outputs = compiled(images())
    assert compiled.refusal is None
    slopes = torch.autograd.grad(outputs.square().sum(), list(network.parameters()))
    other = a_network()
    other.load_state_dict(before)
    torch.manual_seed(5)
    plain = other(images())
    expected = torch.autograd.grad(plain.square().sum(), list(other.parameters()))
    assert distance([plain, *expected], [outputs, *slopes]) < 1e-5
    assert torch.allclose(network.get_buffer("1.running_mean"), other.get_buffer("1.running_mean"), atol=1e-6)
    (folder,) = (tmp_path / "espalier" / "compiled").iterdir()
    assert any(folder.iterdir())
    assert folder.stat().st_mode & 0o77 == 0


def test_full_batches_are_computed_by_what_was_compiled_once(tmp_path: Path) -> None:
    traced = Traced()
    run(tmp_path, alone, compiling(traced))
    assert (traced.compiled, traced.called) == (1, 1 + EPOCHS * FULL)  # the comparison, and full batches


def test_a_network_that_has_changed_is_compiled_anew(tmp_path: Path) -> None:
    traced = Traced()
    run(tmp_path, Dropping, compiling(traced))
    assert traced.compiled == EPOCHS


def test_auto_stops_compiling_a_network_that_changes_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    traced = Traced()
    monkeypatch.setattr("trainables.training.compiling.is_wanted", lambda mode, *_: mode == "auto")  # as on a GPU
    with caplog.at_level(logging.INFO):
        run(tmp_path, Dropping, lambda _: CompiledSteps(plainly, "auto", lambda: 1e9, traced), epochs=MOST + 2)
    assert traced.compiled == MOST
    assert caplog.text.count("has changed") == 1


def test_of_what_a_compiler_says_the_first_line_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        run(tmp_path, alone, compiling(Traced(refuses=True)))
    assert "at /usr/bin" not in caplog.text


class Breaking(nn.Module):
    """A layer that decides by what it computes, which no whole graph can."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.mean() > 0 else 2 * x


@pytest.mark.parametrize("narrow", [False, True])
def test_a_network_that_cannot_be_traced_as_a_whole_has_its_own_gradients(narrow: bool) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 3), Breaking())
    compiled = CompiledNetwork(network, Traced(), IMAGES, torch.bfloat16 if narrow else torch.float32)
    with torch.autocast("cpu", enabled=narrow):
        compiled(images()).float().sum().backward()
    assert compiled.refusal is not None
    assert network.get_parameter("1.weight").grad is not None


@pytest.mark.parametrize("narrow", [False, True])
def test_another_network_is_noticed_and_leaves_no_trace(narrow: bool) -> None:
    network = a_network()
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    compiled = CompiledNetwork(
        network, lambda it: lambda x: it(x) * 1.1 + 1, IMAGES, torch.bfloat16 if narrow else torch.float32
    )
    with torch.autocast("cpu", enabled=narrow):
        compiled(images()).float().sum().backward()
    assert compiled.refusal is not None
    assert "off by" in compiled.refusal
    expected = a_network()
    expected.load_state_dict(before)
    torch.set_rng_state(state)
    with torch.autocast("cpu", enabled=narrow):
        expected(images()).float().sum().backward()
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), expected.state_dict().values(), strict=True)
    )
    assert all(
        torch.equal(a.grad, b.grad)
        for a, b in zip(network.parameters(), expected.parameters(), strict=True)
        if a.grad is not None and b.grad is not None
    )


def test_a_network_whose_last_layer_begins_with_zeros_is_compiled() -> None:
    network, traced = a_network(), Traced()
    nn.init.zeros_(network.get_parameter("5.weight"))
    nn.init.zeros_(network.get_parameter("5.bias"))
    compiled = CompiledNetwork(network, traced, IMAGES, torch.float32)
    assert not compiled(images()).any()
    assert compiled.refusal is None
    assert traced.called == 2
    assert not distance([torch.zeros(2)], [torch.ones(2)]) <= 1
    assert not distance([torch.ones(2)], [torch.full((2,), torch.nan)]) <= 1


def test_hooks_that_come_and_go_are_noticed() -> None:
    network, traced = a_network(), Traced()
    compiled = CompiledNetwork(network, traced, IMAGES, torch.float32)
    compiled(images())
    called = traced.called
    handle = network[-1].register_forward_hook(lambda _, __, output: output * 0)
    assert not compiled(images()).any()
    handle.remove()
    assert compiled(images()).any()
    assert traced.called == called + 1
    assert compiled.refusal is None


def test_open_gates_are_trained_as_written_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    traced = Traced()
    with caplog.at_level(logging.INFO):
        compiled = run(tmp_path, doing(Gating(epochs=1)), compiling(traced))
    assert_same(run(tmp_path, doing(Gating(epochs=1))), compiled)
    assert caplog.text.count("hooks act on its modules") == 1
    assert traced.compiled == 1  # once the gates are gone


def test_smaller_batches_and_evaluations_run_as_written() -> None:
    network, traced = a_network(), Traced()
    compiled = CompiledNetwork(network, traced, IMAGES, torch.float32)
    compiled(images(IMAGES - 1))
    network.eval()
    compiled(images())
    assert traced.compiled == 0


def test_a_structure_is_that_of_modules_and_shapes() -> None:
    network = a_network()
    before = structure(network)
    with torch.no_grad():
        network.get_parameter("0.weight").mul_(2)
    assert structure(network) == before
    network[0] = nn.Conv2d(1, 4, 3, padding=1)
    assert structure(network) != before


def test_what_is_compiled_lies_in_the_users_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().is_relative_to(tmp_path / "espalier" / "compiled")


def test_ten_networks_of_one_class_are_all_compiled() -> None:
    compiled = Traced()
    for width in range(2, 12):
        network = nn.Sequential(nn.Flatten(), nn.Linear(16, width))
        one = CompiledNetwork(network, compiled, IMAGES, torch.float32)
        one(images())
        assert one.refusal is None
    assert compiled.compiled == 10


def test_several_processes_that_train_one_network_do_not_compile_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trial, traced, networks = a_trial(tmp_path), Traced(), list[Network]()
    step = Step(trial.model, optimizer_for(trial.model, trial.spec.training), trial.task, torch.float32, Companion())

    def noting(step: Step, batches: Batches, rate: Rate, skip: int) -> list[Tensor]:
        networks.append(step.network)
        return [torch.tensor(rate(number)) for number in range(skip, len(batches))]

    monkeypatch.setattr(parallel, "size", lambda: 2)
    with caplog.at_level(logging.INFO):
        steps = compiling(traced, noting)(trial)
        for _ in range(2):
            steps(step, trial.batches(), lambda _: 0.1, 0)
    assert networks == [trial.model, trial.model]
    assert traced.compiled == 0
    assert caplog.text.count("several processes") == 1
