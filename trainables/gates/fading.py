"""The faded path from a dense to a small network: nothing is drawn, and a gate goes from 1 to 0 within one epoch.

At an epoch's end it is decided what goes next, by estimates that exact measurements of many structures together have to
confirm. In the following epoch the weights learn while the gates of those close, then they are deleted. The objective,
its prices and its corners are those of the sampled path; that no gate is drawn is not the published training.
"""

import math
from collections.abc import Hashable, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from trainables.gates.audit import (
    Cost,
    Loss,
    Queue,
    affordable,
    exact_losses,
    last_batches,
    last_chunks,
    measure_left,
)
from trainables.gates.deletion_worth import DeletionWorth
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.pairs import Pair, filled, kept_of, pair
from trainables.gates.rounding import Kept
from trainables.gates.sampling import TINY
from trainables.structure.complexity import Complexity
from trainables.training.acts import Act, Acts
from trainables.training.companion import Companion

UNTOUCHED = 0.3
"""The least share of the window in which nothing goes, with a budget."""

UNTOUCHED_BY_PRICE = 0.43
"""The same with a price: of an untrained network hardly anything is worth a price."""

SCORED = 16
"""The number of an epoch's last steps whose backward passes give the estimates."""

ESTIMATING: Final = "estimating"
"""The kind of those steps."""

FADING: Final = "fading"
"""The kind of the steps before them."""

LIMIT = 0.15
"""The most of the dense network's taxed cost that goes in one epoch for a price."""


class FadingPath(Companion):
    """Chooses at the end of each epoch what goes, closes its gates during the next one, and deletes it then.

    With a price a chunk of structures is chosen if the loss, measured without it and all chosen before it, rises by
    less than the price of what it frees, and once more after its gates have closed: what costs more then is opened
    again. With a budget the cost falls linearly to it, and the last chunk chosen changes places with the next one if
    that loses less for what it frees. Branches are candidates in the second half.
    """

    def __init__(self, network: GatedNetwork, end: int) -> None:
        """Begin a path at whose end, after `end` optimizer steps, no gate is left."""
        self.network, self._gating = network, network.gating
        self._steps = len(network.trial.batches())
        self._plan(max(1, math.ceil(end / self._steps)))
        self._epoch, self._step, self._price = 0, 0, 0.0
        self._leaving = torch.zeros(0, dtype=torch.long)
        self._rank = _equal_shares(network)
        self._worth = DeletionWorth(network.sizes[0])
        self._batches = last_batches(network.trial.spec.training.batch_size)

    def _plan(self, epochs: int) -> None:
        """Set after how many epochs what goes is chosen first and last, and branches first."""
        share = max(self._gating.warmup, UNTOUCHED if self.network.target else UNTOUCHED_BY_PRICE)
        first = min(max(1, round(share * epochs)), max(1, epochs - 1))
        self._epochs, self._last = epochs, max(first, epochs - 1)
        self._branches_from = min(self._last, math.ceil((first + epochs) / 2))
        self._first = first if self.network.structures.groups else self._branches_from

    @property
    def acts(self) -> Acts:
        return Acts(Act.HOST, measure=Act.SAME, before_step=Act.SAME, after_step=Act.HOST)

    def kind(self) -> str:
        return ESTIMATING if self._steps - self._step <= SCORED else FADING

    def pattern(self) -> Hashable:
        return self._worth.pattern or self.network.gates.pattern

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:
        values = self._faded()
        self.network.gates.scale(values)
        if self.kind() == ESTIMATING:
            self._worth.prepare(values, inputs)
        self._batches.append((inputs, labels))

    def measure(self, inputs: Tensor, labels: Tensor) -> None:  # noqa: ARG002 - Companion's signature; gates are held, nothing runs aside
        self._worth.hold(self.network.gates)

    def _faded(self) -> Pair:
        """Return the values of all gates in the present step."""
        units, branches = self.network.sizes
        values = torch.ones(units + branches, dtype=torch.float64)
        values[self._leaving] = 1 - self._step / self._steps
        return values[:units], values[units:]

    def before_step(self) -> None:
        self._worth.sum_up(self.network.gates)

    def after_step(self) -> None:
        self._worth.count()
        self._step += 1

    def after_epoch(self) -> None:
        self._epoch, self._step = self._epoch + 1, 0
        self.network.gates.round(self.network.everything())
        self._delete(self._closed())
        over = self._epoch >= self._epochs
        if self._first <= self._epoch <= self._last and not self.network.is_empty:
            self._choose()
            if over:
                self._delete(self._going())
        if over or self.network.is_empty:
            self._end()
        self._batches.clear()
        self._worth.forget()

    def _going(self) -> Kept:
        """Return the network without all that leaves."""
        return Queue(self.network, self._leaving).after(len(self._leaving))

    def _closed(self) -> Kept:
        """Return the network without what has left: with a price, only what still costs less than it."""
        if self.network.target or not len(self._leaving):
            return self._going()
        queue = Queue(self.network, self._leaving)
        with exact_losses(self.network, self._batches) as loss:
            count, _ = affordable(queue, loss, self.network.taxed, self._price)
        return queue.after(count)

    def _delete(self, kept: Kept) -> None:
        self._leaving = self._leaving[:0]
        if self.network.delete(kept):
            self._rank = kept_of(self._rank, kept)
            self._worth.keep(kept[0])

    def _choose(self) -> None:
        """Choose what leaves in the next epoch."""
        with exact_losses(self.network, self._batches) as loss:
            merit = self.merit(loss)
            queue = Queue.by(self.network, merit)
            self._rank = queue.rank
            kept = self._within_budget(queue, loss) if self.network.target else self._worth_less(queue, merit, loss)
        self._leaving = _leaving(queue, kept)

    def merit(self, loss: Loss) -> Tensor:
        """Return the price above which each structure should go, infinite for what cannot go yet: [U + B], in nats."""
        network = self.network
        slopes = network.slopes(filled(network.sizes, 1.0, 1.0))
        rises = self._worth.rise, self._rises_without_branches(loss)
        return torch.cat(rises) / torch.cat(slopes).clamp(min=TINY)

    def _rises_without_branches(self, loss: Loss) -> Tensor:
        """Measure what the loss rises by without each branch."""
        units, kept = self.network.everything()
        rises = torch.full((len(kept),), torch.inf, dtype=torch.float64)
        if self._gating.branches and self._epoch >= self._branches_from:
            whole = loss((units, kept))
            for index in range(len(kept)):
                off = kept.clone()
                off[index] = False
                rises[index] = loss((units, off)) - whole
        return rises

    def _progress(self) -> float:
        """Return which share of all choices is made with the present one."""
        return (self._epoch - self._first + 1) / (self._last - self._first + 1)

    def _worth_less(self, queue: Queue, merit: Tensor, loss: Loss) -> Kept:
        """Return the network without what costs less than its price, as exact measurements say."""
        ramp, taxed = self._gating.ramp, self.network.taxed
        self._price = self._gating.nu * (min(1.0, self._progress() / ramp) if ramp else 1.0)
        cheap = queue.head(int((merit < self._price).sum()) if self._price else 0)
        most = taxed(cheap.after(0)) - LIMIT
        reach = cheap.first(lambda kept: taxed(kept) < most)
        if reach > 1 and taxed(cheap.after(reach)) < most:
            reach -= 1
        count, _ = affordable(cheap.head(reach), loss, taxed, self._price)
        return cheap.after(count)

    def _within_budget(self, queue: Queue, loss: Loss) -> Kept:
        """Return the network that the plan for this epoch allows; at the last choice, the one nearest the budget."""
        planned, share = 1 - (1 - self.network.target) * self._progress(), self.network.share
        queue, self._price = self.exchanged(queue, _up_to(queue, planned, share), loss)
        self._rank = queue.rank
        kept = queue.after(_up_to(queue, planned, share))
        return kept if self._epoch < self._last else self._nearest(kept[1])

    def _nearest(self, branches: Tensor) -> Kept:
        """Return the network nearest the budget, with these branches if units can meet it."""
        network = self.network
        standing = torch.where(branches, 0.75, 0.25) + 0.2 * self._rank[1] / sum(network.sizes)
        return network.rounding.to_budget(self._rank[0], standing, network.cost, network.target * network.whole)

    def exchanged(self, queue: Queue, count: int, loss: Loss) -> tuple[Queue, float]:
        """Let the last chunk of the first `count` and the next one change places if that loses less for what it frees.

        Returns the queue, and what the loss rises by for the last chunk that goes, in nats for the network.
        """
        measured = list(last_chunks(queue, count, loss, self.network.share)) if count else []
        best, last = min(measured, key=lambda one: one[1].price, default=(queue, None))
        return best, max(0.0, last.price) if last is not None and last.freed > 0 else 0.0

    def _end(self) -> None:
        """Measure how much of what is left is not worth its price either, and remove the gates."""
        with exact_losses(self.network, self._batches) as loss:
            merit = self.merit(loss)
        network = self.network
        price, cost = (self._price, network.share) if network.target else (self._gating.nu, network.taxed)
        measure_left(network, self._batches, merit, price, cost)
        network.close()

    def projected(self) -> Complexity:
        """Return the cost at the budget, or without what leaves now if there is a price."""
        kept = self._going()
        return self.network.expected.at(*(self._nearest(kept[1]) if self.network.target else kept))

    def state_dict(self) -> dict[str, Any]:
        return {
            "epoch": self._epoch,
            "price": self._price,
            "leaving": self._leaving,
            "rank": list(self._rank),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._epoch, self._price, self._leaving = state["epoch"], state["price"], state["leaving"].cpu()
        self._rank = pair(values.cpu() for values in state["rank"])


def _equal_shares(network: GatedNetwork) -> Pair:
    """Return a rank by which all layers lose the same share of their units, and branches go last."""
    units = [torch.arange(group.size, dtype=torch.float64) / group.size for group in network.structures.groups]
    return torch.cat([*units, torch.zeros(0, dtype=torch.float64)]), torch.ones(network.sizes[1], dtype=torch.float64)


def _up_to(queue: Queue, planned: float, cost: Cost) -> int:
    """Return how many of a queue can go while what is left costs at least `planned`."""
    count = queue.first(lambda kept: cost(kept) < planned)
    return count if cost(queue.after(count)) >= planned else count - 1


def _leaving(queue: Queue, kept: Kept) -> Tensor:
    """Return the numbers of what must close so that `kept` is left, in the queue's order: no units of closing branches.

    A branch takes its units with it.
    """
    network = queue.network
    of_group = torch.tensor([group.branch for group in network.structures.groups], dtype=torch.long)
    owner = of_group[network.expected.group]
    closing = torch.cat([torch.zeros(1, dtype=torch.bool), ~kept[1]])
    gone = torch.cat([~kept[0] & ~closing[owner + 1] if len(owner) else ~kept[0], ~kept[1]])
    late = torch.cat(queue.rank)
    numbers = gone.nonzero().flatten()
    return numbers[late[numbers].argsort(stable=True)]
