"""Masks hold in data-parallel training: two processes, gradients averaged, as one process with both their images."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import SGD, AdamW, Optimizer

from trainables.masking.masks import Masks, prunable_weights

RANKS, STEPS, BATCH = 2, 5, 8
OPTIMIZERS: Mapping[str, Callable[[Iterable[nn.Parameter]], Optimizer]] = {
    "sgd": partial(SGD, lr=0.1, momentum=0.9, weight_decay=0.1),
    "adamw": partial(AdamW, lr=0.01),
}


def network(norm: bool) -> nn.Module:
    torch.manual_seed(0)
    middle = [nn.BatchNorm2d(6)] if norm else []
    return nn.Sequential(nn.Conv2d(1, 6, 3), *middle, nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 4))


def half_masks(model: nn.Module) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: (torch.rand(w.shape, generator=generator) < 0.5) for name, w in prunable_weights(model).items()}


def train(model: nn.Module, masks: Masks, optimizer: Optimizer, first: int, count: int) -> None:
    generator = torch.Generator().manual_seed(2)
    for _ in range(STEPS):
        images = torch.randn(RANKS * BATCH, 1, 8, 8, generator=generator)[first : first + count]
        labels = torch.randint(0, 4, (RANKS * BATCH,), generator=generator)[first : first + count]
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        masks.apply()
        masks.forget(optimizer)


def trained(optimizer: str, rank: int | None = None, *, norm: bool) -> tuple[Mapping[str, Tensor], list[Tensor]]:
    """Train on one rank's share of the images, or on all; return the weights and what the optimizer remembers."""
    model = network(norm)
    masks = Masks(model, half_masks(model))
    wrapped = model if rank is None else DistributedDataParallel(model)
    remembers = OPTIMIZERS[optimizer](wrapped.parameters())
    share = (0, RANKS * BATCH) if rank is None else (rank * BATCH, BATCH)
    train(wrapped, masks, remembers, *share)
    kept = [v for w in prunable_weights(model).values() for v in remembers.state[w].values() if v.shape == w.shape]
    return {name: value.detach() for name, value in model.named_parameters()}, kept


CASES = (("sgd", False), ("sgd", True), ("adamw", False))
"""Optimizers, each with batch norm or without."""


def run_rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=RANKS)
    try:
        for optimizer, norm in CASES:
            torch.save(trained(optimizer, rank, norm=norm), f"{folder}/{optimizer}-{norm}-{rank}.pt")
    finally:
        dist.destroy_process_group()


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train all cases in one pair of processes."""
    folder = tmp_path_factory.mktemp("together")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLOO_SOCKET_IFNAME", "lo")
        spawn(run_rank, (str(folder),), nprocs=RANKS)
    return folder


@pytest.mark.parametrize(("optimizer", "norm"), CASES)
def test_masks_hold_when_two_processes_train_one_network(together: Path, optimizer: str, norm: bool) -> None:
    files = [together / f"{optimizer}-{norm}-{rank}.pt" for rank in range(RANKS)]
    (weights, kept), (others, _) = (torch.load(file, weights_only=True) for file in files)
    masks = half_masks(network(norm))
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert all(not weights[name][~mask].any() and weights[name][mask].all() for name, mask in masks.items())
    per_weight = len(kept) // len(masks)
    for mask, values in zip(masks.values(), (kept[:per_weight], kept[per_weight:]), strict=True):
        assert all(not value[~mask].any() for value in values)
    if not norm:  # batch norm sees each process's own images
        alone, _ = trained(optimizer, norm=False)
        assert all(torch.allclose(weights[name], alone[name], atol=1e-5) for name in weights)


@pytest.mark.parametrize("kdim", [4, 6])
def test_projections_of_attention_are_prunable(kdim: int) -> None:
    attention = nn.MultiheadAttention(4, 2, kdim=kdim)
    inputs = ["in_proj_weight"] if kdim == 4 else ["q_proj_weight", "k_proj_weight", "v_proj_weight"]
    assert list(prunable_weights(attention)) == [*inputs, "out_proj.weight"]
