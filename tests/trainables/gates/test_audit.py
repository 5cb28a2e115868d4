"""Exact measurements of what a network loses without structures, against networks from which they were removed."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.trainables.stages import a_trial, copied
from trainables.gates.audit import (
    CHUNK,
    Batch,
    Queue,
    affordable,
    exact_losses,
    findings,
    last_batches,
    last_chunks,
    measure_left,
)
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.rounding import Kept
from trainables.modes import statistics_kept
from trainables.recipes.gating import Gating
from trainables.structure.removal import plan_removal, remove


def a_network(folder: Path, model: str = "digits_cnn", *, round_to: int = 1) -> tuple[GatedNetwork, list[Batch]]:
    trial = a_trial(folder, model, subset=80, precision="float32")
    return GatedNetwork(Gating(epochs=1, round_to=round_to), trial), list(trial.batches())


def loss_after_removal(network: GatedNetwork, kept: Kept, batches: list[Batch]) -> float:
    """Remove what is not kept from a copy, and measure it as it trains, each batch by its own statistics."""
    structures, smaller = network.structures, copy.deepcopy(network.trial.model)
    for module in smaller.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    units = {group.name: kept[0][part] for group, part in zip(structures.groups, structures.slices(), strict=True)}
    dropped = [branch.block for branch, stays in zip(structures.branches, kept[1].tolist(), strict=True) if not stays]
    remove(smaller, plan_removal(network.trial.groups, {k: v for k, v in units.items() if v.any()}, dropped))
    smaller.train()
    with torch.no_grad(), statistics_kept(smaller):
        sums = [F.cross_entropy(smaller(images), labels, reduction="sum") for images, labels in batches]
    return float(torch.stack(sums).sum()) / sum(len(labels) for _, labels in batches)


@pytest.mark.parametrize("model", ["digits_cnn", "resnet20"])
def test_structures_measured_together_cost_what_their_deletion_costs(model: str, tmp_path: Path) -> None:
    network, batches = a_network(tmp_path, model)
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(sum(network.sizes), generator=generator)
    kept = Queue(network, order).after(len(order) // 3)
    assert not kept[0].all()
    with exact_losses(network, batches) as loss:
        assert loss(kept) == pytest.approx(loss_after_removal(network, kept, batches), rel=1e-4)
        whole = network.everything()
        assert loss(whole) == pytest.approx(loss_after_removal(network, whole, batches), rel=1e-5)


def test_measuring_moves_nothing_and_leaves_the_gates_open(tmp_path: Path) -> None:
    network, batches = a_network(tmp_path, "resnet20")
    model = network.trial.model.train()
    buffers, random = copied(dict(model.named_buffers())), torch.get_rng_state()
    model.eval()
    before = model(batches[0][0])
    model.train()
    with exact_losses(network, batches) as loss:
        loss(Queue(network, torch.arange(30)).after(20))
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training for module in model.modules())
    assert all(m.track_running_stats for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    model.eval()
    assert torch.equal(model(batches[0][0]), before)


@pytest.mark.parametrize("round_to", [1, 8])
def test_networks_after_more_of_a_queue_cost_less_and_are_valid(round_to: int, tmp_path: Path) -> None:
    network, _ = a_network(tmp_path, round_to=round_to)
    queue = Queue(network, torch.randperm(network.sizes[0], generator=torch.Generator().manual_seed(0)))
    costs = [network.cost(queue.after(count)) for count in range(len(queue) + 1)]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] == network.whole
    kept = queue.after(len(queue) // 2)[0]
    assert {int(kept[part].sum()) % round_to for part in network.structures.slices()} == {0}


def test_chunks_make_up_the_queue_and_their_share_each(tmp_path: Path) -> None:
    network, _ = a_network(tmp_path)
    queue = Queue(network, torch.randperm(network.sizes[0], generator=torch.Generator().manual_seed(0)))
    chunks = list(queue.chunks(network.taxed))
    assert [begin for begin, _ in chunks] == [0, *(end for _, end in chunks[:-1])]
    assert chunks[-1][1] == len(queue)
    for begin, end in chunks[:-1]:
        freed = network.taxed(queue.after(begin)) - network.taxed(queue.after(end))
        one_less = network.taxed(queue.after(begin)) - network.taxed(queue.after(end - 1))
        assert freed >= CHUNK > one_less


def test_exchanging_moves_the_next_ones_before_the_last(tmp_path: Path) -> None:
    network, _ = a_network(tmp_path)
    assert Queue(network, torch.arange(8)).exchanged(2, 4, 7).order.tolist() == [0, 1, 4, 5, 6, 2, 3, 7]


def test_what_is_kept_out_of_a_queue_goes_last(tmp_path: Path) -> None:
    network, _ = a_network(tmp_path)
    merit = torch.full((sum(network.sizes),), torch.inf)
    merit[3], merit[1], merit[7] = 0.1, 0.2, -1.0
    queue = Queue.by(network, merit)
    assert queue.order.tolist() == [7, 3, 1]
    assert int(queue.rank[0].argmin()) == 7
    assert (queue.after(3)[0] == 0).nonzero().flatten().tolist() == [1, 3, 7]


def test_the_first_chunk_that_costs_more_than_its_price_ends_the_queue(tmp_path: Path) -> None:
    """With a loss that is known, so is what the price allows: each unit costs one nat from the ninth on."""
    network, _ = a_network(tmp_path)
    queue, asked = Queue(network, torch.arange(network.sizes[0])), []

    def loss(kept: Kept) -> float:
        asked.append(kept)
        return float(max(0, int((~kept[0]).sum()) - 8))

    ends = [end for _, end in queue.chunks(network.taxed)]
    last_free = max((end for end in ends if end <= 8), default=0)
    count, measured = affordable(queue, loss, network.taxed, price=1.0)
    assert count == last_free
    assert [one.costs_less(1.0) for one in measured] == [True] * (len(measured) - 1) + [False]
    assert len(asked) == len(measured) + 1
    assert affordable(queue, loss, network.taxed, price=1e9)[0] == len(queue)


def test_rises_and_shares_of_chunks_add_up(tmp_path: Path) -> None:
    network, batches = a_network(tmp_path)
    queue = Queue(network, torch.arange(12))
    with exact_losses(network, batches) as loss:
        measured = [finding for _, finding in findings(queue, loss, network.taxed)]
        together = loss(queue.after(12)) - loss(queue.after(0))
    assert sum(finding.rise for finding in measured) == pytest.approx(together, abs=1e-9)
    assert sum(finding.freed for finding in measured) == pytest.approx(1 - network.taxed(queue.after(12)))


def test_the_next_chunk_is_measured_in_the_place_of_the_last_one(tmp_path: Path) -> None:
    """With a loss that only the units from the 41st on raise, what goes last matters."""
    network, _ = a_network(tmp_path)
    queue = Queue(network, torch.arange(network.sizes[0]))
    (first, taken), (second, other) = last_chunks(queue, 40, lambda kept: float((~kept[0][40:]).sum()), network.share)
    assert taken.rise == 0
    assert other.rise > 0
    assert taken.price < other.price
    assert torch.equal(first.order, queue.order)
    assert torch.equal(taken.before[0], other.before[0])
    gone = other.before[0] & ~other.after[0]
    assert int(gone.nonzero().min()) >= 40
    assert second.order.sort().values.tolist() == queue.order.tolist()
    assert len(list(last_chunks(queue, len(queue), lambda _: 0.0, network.share))) == 1


def test_all_that_is_left_is_below_an_endless_price_and_nothing_below_a_negative_one(tmp_path: Path) -> None:
    network, batches = a_network(tmp_path)
    merit = torch.rand(network.sizes[0], generator=torch.Generator().manual_seed(0))
    for price, share in ((1e9, 1.0), (-1e9, 0.0)):
        measure_left(network, batches, merit, price, network.taxed)
        assert network.trial.measured["worth_kept_below_price"] == share


def test_as_many_batches_are_kept_as_give_enough_images() -> None:
    assert last_batches(100).maxlen == 6
    assert last_batches(4096).maxlen == 1
