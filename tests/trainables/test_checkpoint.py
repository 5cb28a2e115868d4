"""The file from which a trial resumes, and from which its network is had without it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import MemoryContext
from tests.contract.test_paradigms import digits
from tests.trainables.instance_gated import images, with_gates
from tests.trainables.stages import a_trial, copied
from trainables import checkpoint
from trainables.checkpoint import CHECKPOINT, Signature
from trainables.context import Report, Usage
from trainables.models.weight_files import Remainder
from trainables.recipes.recipe import Prune, Remove
from trainables.runner import run_recipe
from trainables.spec import ModelSpec
from trainables.state import LiveTrial, Position
from trainables.structure.instance_gates import gates_of
from trainables.structure.layer_times import LayerTime, LayerTimes
from trainables.structure.start import Start, outlined
from trainables.training.companion import Companion
from trainables.training.optimizers import optimizer_for
from trainables.trial import run_trial

DIGITS = Signature(classes=10, input_shape=(1, 8, 8))


def saved(trial: LiveTrial, folder: Path, *stages: Any) -> Path:
    """Carry out `stages` and write a checkpoint into `folder`."""
    run_recipe(stages, trial)
    checkpoint.save(trial, folder)
    return folder


def edited(folder: Path, **changes: Any) -> Path:
    """Write a checkpoint again with other entries; one that is changed to None is gone."""
    state = torch.load(folder / CHECKPOINT, weights_only=True)
    left = {key: value for key, value in {**state, **changes}.items() if key not in changes or value is not None}
    torch.save(left, folder / CHECKPOINT)
    return folder


def outputs(model: nn.Module, trial: LiveTrial) -> Tensor:
    """Return what a network makes of images like those of a trial, in evaluation mode."""
    images = torch.randn(4, *trial.dataset.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        result: Tensor = model.eval()(images)
    return result


def without_what_runs(trial: LiveTrial) -> dict[str, Any]:
    """Return what a checkpoint says besides tensors, and besides what lives as long as a training stage."""
    state = checkpoint.state_of(trial)
    tensors = ("model", "masks", "snapshot", "optimizer", "companion", "generator", "random", "layer_times")
    return {key: value for key, value in state.items() if key not in tensors}


def test_a_checkpoint_without_a_report_invents_no_training_loss(tmp_path: Path) -> None:
    first = MemoryContext(tmp_path / "first")
    run_trial(digits("dense"), first)
    path = first.checkpoints[-1] / CHECKPOINT
    state = torch.load(path, weights_only=True)
    del state["report"]  # as an earlier version wrote it
    torch.save(state, path)
    second = MemoryContext(tmp_path / "second", resume_from=path.parent)
    run_trial(digits("dense"), second)
    (report,) = second.reports
    assert (report.train_loss, report.learning_rate) == (None, None)
    assert report.metrics == first.reports[-1].metrics


def test_all_that_a_trial_knows_comes_back(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    run_recipe((Prune(0.5, granularity="layer"), Prune(0.5, granularity="filter")), trial)
    trial.position = Position(stage=1, epoch=2, trained=1.5, reports=3, macs=7.0)
    trial.measured = {"sanity": 0.25}
    trial.chosen_precision = torch.bfloat16
    usage = Usage(images_per_second=5.0, peak_memory=None, device_use=0.5)
    trial.last_report = Report(
        epoch=3,
        fidelity=0.75,
        stage="train",
        loss=1.0,
        train_loss=2.0,
        learning_rate=0.1,
        seconds=3.0,
        macs_projected=4.0,
        params_projected=5.0,
        usage=usage,
        qualities={"mae": 6.0},
    )
    trial.layer_times = LayerTimes({"conv1": LayerTime((1,), (8, 16), torch.tensor([[1.0, 2.0]]))}, 4.0)
    trial.take_snapshot()
    checkpoint.save(trial, tmp_path)
    restored = a_trial(tmp_path, "resnet20")
    checkpoint.restore(restored, tmp_path)
    assert without_what_runs(restored) == without_what_runs(trial)
    assert restored.last_report == trial.last_report
    assert restored.plan == trial.plan
    assert restored.snapshot is not None
    assert trial.snapshot is not None
    assert all(torch.equal(value, restored.snapshot[name]) for name, value in trial.snapshot.items())
    assert restored.layer_times is not None
    assert restored.layer_times.total == trial.layer_times.total == 2.0


def test_random_numbers_go_on_where_they_were(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    torch.manual_seed(5)
    torch.rand(3)
    list(trial.batches())
    checkpoint.save(trial, tmp_path)
    expected = torch.rand(4), next(iter(trial.batches()))[0]
    restored = a_trial(tmp_path)
    checkpoint.restore(restored, tmp_path)
    found = torch.rand(4), next(iter(restored.batches()))[0]
    assert all(map(torch.equal, expected, found))


class Counting(Companion):
    def state_dict(self) -> dict[str, Any]:
        return {"counted": 3}


def test_what_lives_as_long_as_a_stage_is_kept_for_when_the_stage_goes_on(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, optimizer="adamw")
    trial.optimizer, trial.companion = optimizer_for(trial.model, trial.spec.training), Counting()
    trial.model(torch.zeros(2, 1, 8, 8)).sum().backward()
    trial.optimizer.step()
    checkpoint.save(trial, tmp_path)
    restored = a_trial(tmp_path, optimizer="adamw")
    checkpoint.restore(restored, tmp_path)
    assert restored.optimizer is None
    assert restored.interrupted is not None
    assert restored.interrupted["companion"] == {"counted": 3}
    expected, found = trial.optimizer.state_dict(), restored.interrupted["optimizer"]
    assert found["param_groups"] == expected["param_groups"]
    for number, state in expected["state"].items():
        assert all(torch.equal(value, found["state"][number][name]) for name, value in state.items())


def test_between_stages_there_is_neither_an_optimizer_nor_a_precision_to_keep(tmp_path: Path) -> None:
    restored = a_trial(tmp_path)
    checkpoint.restore(restored, saved(a_trial(tmp_path), tmp_path, Prune(0.5)))
    assert restored.interrupted == {"optimizer": None, "companion": {}}
    assert (restored.chosen_precision, restored.last_report, restored.layer_times, restored.start) == (None,) * 4


def test_a_state_changes_with_the_trial_and_a_file_does_not(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "mlp")
    state = checkpoint.state_of(trial)
    checkpoint.save(trial, tmp_path)
    written = copied(trial.model.state_dict())
    with torch.no_grad():
        next(trial.model.parameters()).fill_(7.0)
    own, filed = a_trial(tmp_path, "mlp"), a_trial(tmp_path, "mlp")
    checkpoint.load_state(own, state)
    checkpoint.restore(filed, tmp_path)
    assert all(torch.equal(value, own.model.state_dict()[name]) for name, value in trial.model.state_dict().items())
    assert all(torch.equal(value, filed.model.state_dict()[name]) for name, value in written.items())


@pytest.mark.parametrize(
    "stages",
    [
        (),
        (Prune(0.2),),
        (Prune(0.5, granularity="filter", stream=True),),
        (Prune(0.5, granularity="filter"), Remove()),
        (Prune(0.5, granularity="layer"), Remove(), Prune(0.3)),
    ],
)
def test_the_network_is_had_without_its_trial_and_without_data(tmp_path: Path, stages: tuple[Any, ...]) -> None:
    trial = a_trial(tmp_path, "resnet20")
    folder = saved(trial, tmp_path, *stages)
    random = torch.get_rng_state()
    signature = checkpoint.signature(folder)
    assert signature is not None
    network = checkpoint.load_network(folder, ModelSpec(name="resnet20"), signature)
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(module.training for module in network.modules())
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in trial.model.parameters())
    assert torch.allclose(outputs(network, trial), outputs(trial.model, trial), atol=1e-5)


def test_weights_are_had_alone_with_what_removal_has_left(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    folder = saved(trial, tmp_path, Prune(0.5, granularity="layer"), Remove(), Prune(0.1))
    weights, left = checkpoint.weights_of(folder)
    state = trial.model.state_dict()
    assert weights.keys() == state.keys()
    assert all(torch.equal(weights[name], value) for name, value in state.items())
    assert trial.dropped
    assert left == Remainder(trial.dropped, 10)
    assert checkpoint.dropped_blocks(folder) == trial.dropped
    network = checkpoint.rebuilt(trial.spec.model, DIGITS, weights, trial.dropped)
    assert torch.allclose(outputs(network, trial), outputs(trial.model, trial), atol=1e-5)


def test_a_checkpoint_says_what_its_network_takes_and_gives(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    found = checkpoint.signature(saved(trial, tmp_path))
    assert found is not None
    assert (found.classes, found.input_shape) == (10, (1, 8, 8))
    assert (found.mean, found.std) == (tuple(trial.dataset.mean), tuple(trial.dataset.std))


def test_of_an_early_checkpoint_only_what_it_lacks_is_unknown(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    folder = edited(
        saved(trial, tmp_path), signature=None, start=None, gates=None, layer_times=None, precision=None, report=None
    )
    assert checkpoint.signature(folder) is None
    assert checkpoint.start_in(folder) is None
    assert checkpoint.dropped_blocks(folder) == ()
    weights, left = checkpoint.weights_of(folder)
    assert left is None
    assert weights.keys() == trial.model.state_dict().keys()
    checkpoint.restore(a_trial(tmp_path), folder)
    network = checkpoint.load_network(folder, trial.spec.model, DIGITS)
    assert torch.allclose(outputs(network, trial), outputs(trial.model, trial), atol=1e-5)


def test_a_dense_network_is_built_for_what_it_takes_without_a_random_number() -> None:
    random = torch.get_rng_state()
    network = checkpoint.dense_network(
        ModelSpec(name="mlp", options={"widths": [7]}), Signature(classes=3, input_shape=(2, 4, 4))
    )
    assert torch.equal(torch.get_rng_state(), random)
    assert not network.training
    assert [tuple(p.shape) for p in network.parameters() if p.ndim == 2] == [(7, 32), (3, 7)]


def test_gates_that_stay_in_a_network_stay_in_its_checkpoint(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    gated, shape = with_gates("digits_cnn")
    trial.replace_model(gated)
    checkpoint.save(trial, tmp_path)
    restored = a_trial(tmp_path)
    checkpoint.restore(restored, tmp_path)
    random = torch.get_rng_state()
    network = checkpoint.load_network(tmp_path, ModelSpec(name="digits_cnn"), DIGITS)
    assert torch.equal(torch.get_rng_state(), random)
    batch = images(4, shape)
    for other in (network, restored.model):
        found, known = gates_of(other), gates_of(gated)
        assert found is not None
        assert known is not None
        assert found.sites == known.sites
        assert torch.allclose(other.eval()(batch), gated.eval()(batch), atol=1e-5)


def test_a_trial_that_began_smaller_drops_only_the_blocks_that_went_since(tmp_path: Path) -> None:
    first = a_trial(tmp_path, "resnet20")
    run_recipe((Prune(0.7, granularity="layer"), Remove()), first)

    def start(_: ModelSpec) -> Start:
        return outlined(first.model.state_dict(), Remainder(first.dropped, 10), "the first")

    trial = LiveTrial(first.spec, first.dataset, first.context, start)
    assert trial.starts_smaller
    folder = saved(trial, tmp_path, Prune(0.6, granularity="layer"), Remove())
    assert set(trial.dropped) > set(first.dropped)
    kept = checkpoint.start_in(folder)
    assert kept is not None
    resumed = LiveTrial(first.spec, first.dataset, first.context, lambda _: kept)
    checkpoint.restore(resumed, folder)
    assert resumed.dropped == trial.dropped
    assert torch.allclose(outputs(resumed.model, trial), outputs(trial.model, trial), atol=1e-5)
