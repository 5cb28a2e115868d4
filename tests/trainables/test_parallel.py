"""One process and several with the same batches: the same network, its masks to the bit."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.conftest import Interrupted, MemoryContext
from tests.trainables.group import computing_in, run_together
from trainables import data, parallel
from trainables.checkpoint import CHECKPOINT
from trainables.masking.sparse_state import unpack
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.trial import run_trial

SUBSET = DataSpec(name="digits", subset=136)


def digits(
    paradigm: str, *, model: str = "digits_cnn", batch_size: int = 65, epochs: int = 2, **hyperparameters: Any
) -> TrialSpec:
    """Describe a trial whose batches two processes cannot share evenly."""
    return TrialSpec(
        data=SUBSET,
        model=ModelSpec(name=model),
        training=TrainingSpec(lr=0.05, batch_size=batch_size, precision="float32"),
        paradigm=paradigm,
        hyperparameters=hyperparameters,
        epochs=epochs,
    )


SPECS = {
    "dense": digits("dense"),
    "weights by magnitude": digits("magnitude", sparsity=0.8, granularity="weight", schedule="gradual"),
    "filters by magnitude": digits("magnitude", sparsity=0.4, granularity="filter", schedule="one_shot"),
    "snip": digits("snip", sparsity=0.8),
    "rigl": digits("rigl", sparsity=0.8),
    "set": digits("set", sparsity=0.8),
    "edge_popup": digits("edge_popup", sparsity=0.5),
    "dst": digits("dst"),
    "greg": digits("greg", sparsity=0.5, epochs=3),
    "group_envelope": digits("group_envelope", sparsity=0.5),
    "polarization": digits("polarization", target_macs=0.6, strength=0.01),
    "consensus": digits("consensus", model="resnet20", activation=1.0),
    "auto_train_once": digits("auto_train_once", target_macs=0.5, updates=6),
    "manifold_dynamic": digits("manifold_dynamic", target_macs=0.6, epochs=4),
    "manifold_network": digits("manifold_network", width=30, sparsity=0.5, manifold=0.5, epochs=3),
    "width_search": digits("width_search", target_macs=0.5, networks=10, rounds=1, trained=3, trained_epochs=1),
    "weight_unification": digits("weight_unification", block="2x2", rho=0.1, epochs=3),
    "complexity_aware": digits("complexity_aware", nu=20.0),
    "complexity_aware, faded": digits("complexity_aware", path="fade", window=1.0, target_macs=0.5),
    "complexity_aware, faded and hidden": digits(
        "complexity_aware", model="resnet20", path="fade", placement="hidden", window=1.0, target_macs=0.5
    ),
    "complexity_aware with layers": digits("complexity_aware", model="resnet20", nu=3.0),
}
BEGUN_ALONE = ("rigl", "complexity_aware, faded and hidden")
"""Of these trials the first epoch is trained by a single process as well, and two resume them."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run all trials in two processes, in float64; some of them also resume from checkpoints of a single process."""
    folder = tmp_path_factory.mktemp("together")
    begun = {f"{name}, resumed": _begun(SPECS[name], folder / "interrupted" / name) for name in BEGUN_ALONE}
    specs = {**SPECS, **{f"{name}, resumed": SPECS[name] for name in BEGUN_ALONE}}
    run_together(specs, folder / "two", 2, torch.float64, begun)
    return folder / "two"


def _begun(spec: TrialSpec, folder: Path) -> Path:
    """Return the checkpoint of a trial that ends after its first epoch."""
    context = MemoryContext(folder, stop_after=1)
    with computing_in(torch.float64), pytest.raises(Interrupted):
        run_trial(spec, context)
    return context.checkpoints[-1]


@pytest.mark.parametrize("name", SPECS)
def test_two_processes_come_to_the_network_of_one(name: str, two: Path, context: MemoryContext) -> None:
    with computing_in(torch.float64):
        run_trial(SPECS[name], context)
    assert_same_networks(context.checkpoints[-1], newest(two / name), within=1e-9)


@pytest.mark.parametrize("name", BEGUN_ALONE)
def test_what_one_process_began_two_end_as_if_they_had_begun_it(name: str, two: Path) -> None:
    assert_same_networks(newest(two / name), newest(two / f"{name}, resumed"), within=1e-9)


def test_three_processes_agree_in_float32_where_one_has_no_image_of_the_last_batch(tmp_path: Path) -> None:
    images = len(data.load(SUBSET).train)
    batch_size = next(size for size in range(50, images) if images % size == 2)
    specs = {
        "weights": digits("magnitude", sparsity=0.8, granularity="weight", batch_size=batch_size),
        "filters": digits("magnitude", sparsity=0.4, granularity="filter", batch_size=batch_size),
    }
    run_together(specs, tmp_path / "three", 3, torch.float32)
    for name, spec in specs.items():
        alone = MemoryContext(tmp_path / name)
        run_trial(spec, alone)
        assert_same_networks(alone.checkpoints[-1], newest(tmp_path / "three" / name), within=1e-3)


def test_without_a_group_a_process_has_all_rows_and_its_own_network() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    with parallel.together(model) as network:
        assert network is model
    assert (parallel.size(), parallel.rank(), parallel.rows(7)) == (1, 0, slice(0, 7))
    values = torch.rand(3)
    assert torch.equal(parallel.total(values), values)


def newest(folder: Path) -> Path:
    return max(folder.iterdir())


def assert_same_networks(one: Path, other: Path, *, within: float) -> None:
    """Compare the networks in two checkpoints: shapes, which weights are zero, and values."""
    first, second = weights_in(one), weights_in(other)
    assert {name: value.shape for name, value in first.items()} == {name: w.shape for name, w in second.items()}
    for name, value in first.items():
        assert torch.equal(value == 0, second[name] == 0) or value.ndim < 2, name
        assert torch.allclose(value, second[name], atol=within), name


def weights_in(checkpoint: Path) -> dict[str, Tensor]:
    """Return the network's parameters and statistics in a checkpoint, masked weights as zeros."""
    state: dict[str, Tensor] = unpack(torch.load(checkpoint / CHECKPOINT, weights_only=True)["model"])
    return state
