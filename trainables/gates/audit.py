"""Exact measurements of what a network loses without some of its structures, all of them together."""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from trainables import parallel
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.pairs import Pair
from trainables.gates.rounding import Kept
from trainables.modes import judged_by_batch
from trainables.training.logits import logits_of

Batch = tuple[Tensor, Tensor]
"""Images [B, C, H, W] and labels [B]; with several processes, the own ones of a batch."""

Loss = Callable[[Kept], float]
"""The mean cross-entropy of the network if only these structures are kept, in nats."""

Cost = Callable[[Kept], float]
"""What the network costs if only these structures are kept, as a share of the dense one."""

ROWS = 512
"""How many images an exact loss is measured on, at least: fewer do not tell structures apart."""

CHUNK = 1 / 40
"""The share of the dense network that is measured together: single units are below the noise of so many rows."""


def last_batches(batch_size: int) -> deque[Batch]:
    """Return an empty queue that keeps as many of the last batches as are needed for an exact loss."""
    return deque(maxlen=math.ceil(ROWS / batch_size))


@contextmanager
def exact_losses(network: GatedNetwork, batches: Collection[Batch]) -> Iterator[Loss]:
    """Give a function that measures the loss on `batches` without what is not kept, by the statistics of each batch.

    Nothing is drawn and no statistic moves; at the end all gates are open. Several processes measure together.
    """
    trial = network.trial
    sizes = [torch.tensor(len(images), device=images.device) for images, _ in batches]
    rows = int(parallel.total(torch.stack(sizes).sum()))
    with parallel.together(trial.model) as model, judged_by_batch(trial.model), torch.no_grad():

        def loss(kept: Kept) -> float:
            network.gates.round(kept)
            sums = [
                trial.task.reduced(logits_of(model, images, trial.precision), labels, "sum").double()
                for images, labels in batches
            ]
            return float(parallel.total(torch.stack(sums).sum())) / rows

        try:
            yield loss
        finally:
            network.gates.round(network.everything())


@dataclass(frozen=True, eq=False)
class Queue:
    """Structures of a network in the order in which they go; units are numbered first, then branches.

    What a layer's rounding or its branch demands comes back, or goes too: `after` returns valid networks.
    """

    network: GatedNetwork
    order: Tensor

    @classmethod
    def by(cls, network: GatedNetwork, merit: Tensor) -> "Queue":
        """Return the structures in the order of their finite `merit` [U + B], the first of equal ones first."""
        candidates = merit.isfinite().nonzero().flatten()
        return cls(network, candidates[merit[candidates].argsort(stable=True)])

    def __len__(self) -> int:
        return len(self.order)

    def head(self, count: int) -> "Queue":
        """Return the queue of the first `count`."""
        return Queue(self.network, self.order[:count])

    @property
    def rank(self) -> Pair:
        """How late each structure goes: what is not in the queue comes after all that is."""
        units, branches = self.network.sizes
        late = torch.full((units + branches,), float(len(self)), dtype=torch.float64)
        late[self.order] = torch.arange(len(self), dtype=torch.float64)
        return late[:units], late[units:]

    def after(self, count: int) -> Kept:
        """Return the network without the first `count` structures."""
        units, branches = self.network.sizes
        stays = torch.ones(units + branches, dtype=torch.bool)
        stays[self.order[:count]] = False
        return self.network.rounding.consistent(self.rank[0], (stays[:units], stays[units:]))

    def first(self, reaches: Callable[[Kept], bool], start: int = 0) -> int:
        """Return the least count above `start` whose network `reaches` what is wanted, or the whole length."""
        low, high = start, len(self)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reaches(self.after(middle)) else (middle, high)
        return high

    def chunks(self, cost: Cost) -> Iterator[tuple[int, int]]:
        """Yield where chunks begin and end that each make up CHUNK of the dense network by `cost`, or a structure."""
        begin = 0
        while begin < len(self):
            limit = cost(self.after(begin)) - CHUNK
            end = self.first(lambda kept, limit=limit: cost(kept) <= limit, begin)  # type: ignore[misc]
            yield begin, end
            begin = end

    def exchanged(self, begin: int, middle: int, end: int) -> "Queue":
        """Return the queue with the structures from `middle` to `end` before those from `begin` to `middle`."""
        order = self.order
        return Queue(self.network, torch.cat([order[:begin], order[middle:end], order[begin:middle], order[end:]]))


@dataclass(frozen=True, eq=False)
class Finding:
    """What was measured of a chunk: what is kept before and after it goes, and how the loss and the cost change.

    `rise` is in nats, `freed` a share of the dense network's cost.
    """

    before: Kept
    after: Kept
    rise: float
    freed: float

    @property
    def price(self) -> float:
        """The least price at which the chunk should go: infinite if nothing is freed."""
        return self.rise / self.freed if self.freed > 0 else math.inf

    def costs_less(self, price: float) -> bool:
        """Return whether the loss rises by less than what is freed is worth at `price`, in nats for the network."""
        return self.freed > 0 and self.rise < price * self.freed


def findings(queue: Queue, loss: Loss, cost: Cost) -> Iterator[tuple[int, Finding]]:
    """Measure the chunks of a queue, each together with all before it; yield with each the count after which it ends.

    Chunks are measured one by one as they are asked for: a caller that stops early saves the rest.
    """
    kept = queue.after(0)
    before = loss(kept)
    for _, end in queue.chunks(cost):
        rest = queue.after(end)
        now = loss(rest)
        yield end, Finding(kept, rest, now - before, cost(kept) - cost(rest))
        kept, before = rest, now


def affordable(queue: Queue, loss: Loss, cost: Cost, price: float) -> tuple[int, list[Finding]]:
    """Return how many of the queue cost less than their price, and all that was measured: the first that does not ends.

    Stops at the first chunk that costs more.
    """
    count, measured = 0, []
    for end, finding in findings(queue, loss, cost):
        measured.append(finding)
        if not finding.costs_less(price):
            break
        count = end
    return count, measured


def last_chunks(queue: Queue, count: int, loss: Loss, cost: Cost) -> Iterator[tuple[Queue, Finding]]:
    """Measure the last chunk of the first `count` of a queue; then, in its place, the next one, if there is one.

    Both are measured together with all that goes before. Yields with each the queue in which it is the last to go.
    """
    last = cost(queue.after(count))
    begin = queue.head(count).first(lambda kept: cost(kept) < last + CHUNK) - 1
    kept = queue.after(begin)
    before = loss(kept)
    ends = [(queue, count)]
    if count < len(queue):
        end = queue.first(lambda kept: cost(kept) <= last - CHUNK, count)
        ends.append((queue.exchanged(begin, count, end), begin + end - count))
    for order, end in ends:
        rest = order.after(end)
        yield order, Finding(kept, rest, loss(rest) - before, cost(kept) - cost(rest))


def measure_left(network: GatedNetwork, batches: Collection[Batch], merit: Tensor, price: float, cost: Cost) -> None:
    """Note which share of the structures left could go too, in the order of `merit` [U + B], for less than `price`."""
    with exact_losses(network, batches) as loss:
        queue = Queue.by(network, merit)
        count, _ = affordable(queue, loss, cost, price)
    network.trial.measured["worth_kept_below_price"] = count / max(1, len(queue))
