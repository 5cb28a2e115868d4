"""Criteria: what a piece of a network is worth. A criterion is one function from a network to scores.

Scores are given per piece (a weight, a block, a filter, a layer) of each prunable weight; higher is kept. What a
piece of several weights is worth follows from one rule: put one variable c on the whole piece and ask the same
question of it, so that dL/dc is the sum of g * w over the piece, and d2L/dc2 that of w * (H w).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from trainables.errors import check_name
from trainables.masking.flow import flow_through
from trainables.masking.masks import prunable_weights
from trainables.masking.sensitivity import (
    largest_by_channel,
    largest_products,
    mean_products,
    shared_among_filters,
)
from trainables.modes import composite_attention, modes_kept
from trainables.structure.channels import ChannelGroup
from trainables.tasks.base import Task
from trainables.tasks.classification import CLASSIFICATION

Scores = dict[str, Tensor]
Batch = tuple[Tensor, Tensor]


class Pieces(Protocol):
    """How weights are cut into pieces; every granularity is one."""

    def sum(self, values: Tensor) -> Tensor:
        """Sum values of a weight's shape over each piece."""
        ...

    def spread(self, pieces: Tensor, shape: torch.Size) -> Tensor:
        """Give every weight of a tensor of `shape` the value of its piece."""
        ...


@dataclass(frozen=True)
class Scoring:
    """All that a criterion may look at.

    `model` is the masked network; `batches` are pairs of normalised images [B, C, H, W] and labels [B], the same
    ones on each call; `dense` holds the prunable weights as they were before the first of them was masked; `groups`
    are the channels that go together; `task` has the loss.
    """

    model: nn.Module
    dense: Mapping[str, Tensor]
    batches: Callable[[], Sequence[Batch]]
    input_shape: tuple[int, int, int]
    granularity: Pieces
    generator: torch.Generator
    groups: Callable[[], Sequence[ChannelGroup]]
    task: Task = CLASSIFICATION

    @property
    def images(self) -> list[Tensor]:
        return [images for images, _ in self.batches()]

    @property
    def weights(self) -> dict[str, nn.Parameter]:
        return prunable_weights(self.model)

    def pieces(self, values: Mapping[str, Tensor]) -> Scores:
        """Sum values of the weights' shapes over the pieces that are scored."""
        return {name: self.granularity.sum(value) for name, value in values.items()}

    def spread(self, pieces: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give every weight the value of its piece."""
        return {name: self.granularity.spread(pieces[name], w.shape) for name, w in self.weights.items()}


Criterion = Callable[[Scoring], Scores]


def magnitude(scoring: Scoring) -> Scores:
    """Score |w|; of a filter, its L1 norm (Li et al. 2017, arXiv 1608.08710)."""
    return scoring.pieces({name: weight.detach().abs() for name, weight in scoring.weights.items()})


def l2(scoring: Scoring) -> Scores:
    """Score the L2 norm of the piece (He et al. 2018, arXiv 1808.06866, for filters)."""
    squares = scoring.pieces({name: weight.detach().square() for name, weight in scoring.weights.items()})
    return {name: square.sqrt() for name, square in squares.items()}


def random(scoring: Scoring) -> Scores:
    """Score pieces at random, from the trial's seed."""
    shapes = scoring.pieces({name: weight.detach() for name, weight in scoring.weights.items()})
    return {
        name: torch.rand(piece.shape, generator=scoring.generator).to(piece.device) for name, piece in shapes.items()
    }


def taylor(scoring: Scoring) -> Scores:
    """Score (sum of g w)^2, averaged over batches (Molchanov et al. 2019, arXiv 1906.10771, eq. 8)."""
    batches = scoring.batches()
    by_batch = (scoring.pieces(_saliency(scoring, [batch])) for batch in batches)
    return _sum({name: value.square() / len(batches) for name, value in part.items()} for part in by_batch)


def obd(scoring: Scoring, samples: int = 2) -> Scores:
    """Score 1/2 h w^2 with the diagonal h of the Hessian (LeCun et al. 1990, Optimal Brain Damage, eq. 3).

    The diagonal, with respect to one variable per piece, is Hutchinson's unbiased estimate: the mean of v * (H v)
    over `samples` vectors v of random signs per batch. It can be negative where the loss curves down.
    """
    batches = scoring.batches()
    share = 0.5 / (samples * len(batches))
    with _undisturbed(scoring.model), composite_attention():
        total = _sum(probe for batch in batches for probe in _probe_curvature(scoring, batch, samples))
    return {name: value * share for name, value in total.items()}


def snip(scoring: Scoring) -> Scores:
    """Score |dL/dc| = |sum of g w|, normalised to sum 1 (Lee et al. 2019, arXiv 1810.02340, eq. 6).

    Repeated on the masked network with masked pieces staying masked, this is Iter-SNIP (arXiv 2006.09081).
    """
    return _shares(scoring.pieces(_saliency(scoring, scoring.batches())))


def force(scoring: Scoring) -> Scores:
    """Score |w g(w * c)| with the dense w and the gradient of the masked network (arXiv 2006.09081, eq. 7).

    Masked weights have a score too and may return. On an unmasked network this is SNIP.
    """
    with _undisturbed(scoring.model):
        gradients = _gradients(scoring, scoring.batches())
    return _shares(scoring.pieces({name: gradient * scoring.dense[name] for name, gradient in gradients.items()}))


def grasp(scoring: Scoring, temperature: float = 200.0) -> Scores:
    """Score w * (H g), normalised: removing what is lowest raises the gradient's norm most, or lowers it least.

    Wang et al. 2020, arXiv 2002.07376, eq. 8 with the sign turned, so that higher is kept. Gradient g and Hessian H
    are those of the loss of logits / `temperature`, averaged over batches; outputs that are no logits have none.
    """
    weights, batches = scoring.weights, scoring.batches()
    with _undisturbed(scoring.model), composite_attention():
        fixed = _gradients(scoring, batches, temperature=temperature)
        curved = _sum(_hessian_times(fixed, scoring, batch, temperature) for batch in batches)
    scores = scoring.pieces({name: weight.detach() * curved[name] for name, weight in weights.items()})
    norm = torch.stack([score.sum() for score in scores.values()]).sum().abs().clamp_min(_TINY)
    return {name: score / norm for name, score in scores.items()}


def grasp_magnitude(scoring: Scoring) -> Scores:
    """Score |w * (H g)|, what removal changes of the gradient's norm (Frankle et al. 2021, arXiv 2009.08576)."""
    return {name: score.abs() for name, score in grasp(scoring).items()}


def synflow(scoring: Scoring) -> Scores:
    """Score w dR/dw, R the sum of the outputs of the network with |.| on all parameters, for an input of ones.

    Tanaka et al. 2020, arXiv 2006.05467, algorithm 1. Needs no data.
    """
    return scoring.pieces(flow_through(scoring.model, scoring.input_shape)[0])


def sipp(scoring: Scoring) -> Scores:
    """Score |w a|, a what the weight reads, averaged over the images of the batches and all positions.

    SiPP as compared in Liebenwein et al. 2021, arXiv 2103.03014, table 1, in its deterministic form. They rank across
    the network (scope `global`).
    """
    return scoring.pieces(mean_products(scoring.model, scoring.images))


def sipp_max(scoring: Scoring) -> Scores:
    """Score the largest |w a| over the images of the batches and all positions, as the randomised form of SiPP does."""
    return scoring.pieces(largest_products(scoring.model, scoring.images))


def pfp(scoring: Scoring) -> Scores:
    """Score filters by ||W_:j a_j||_inf: the most that channel j adds to any sum of the layers that read it.

    The largest over the images of the batches and all positions (Liebenwein et al. 2020, arXiv 1911.07412, as compared
    in arXiv 2103.03014, table 1). Their budgets of layers, which follow from a bound of the error, are left to the
    scope. Smaller pieces share a filter's score in proportion to |w|; weights whose outputs are no channels that could
    be removed have the same norm of what they add themselves, the largest |w a|.
    """
    model, images, groups = scoring.model, scoring.images, {group.name: group for group in scoring.groups()}
    scores = largest_products(model, images)
    for name, of_channels in largest_by_channel(model, list(groups.values()), images).items():
        scores |= shared_among_filters(model, groups[name], of_channels)
    return scoring.pieces(scores)


CRITERIA: Mapping[str, Criterion] = {
    "magnitude": magnitude,
    "l2": l2,
    "random": random,
    "taylor": taylor,
    "obd": obd,
    "snip": snip,
    "force": force,
    "grasp": grasp,
    "grasp_magnitude": grasp_magnitude,
    "synflow": synflow,
    "sipp": sipp,
    "sipp_max": sipp_max,
    "pfp": pfp,
}

RETURNING = frozenset({"force"})
"""Criteria under which a masked piece may come back."""

FROM_WEIGHTS = frozenset({"magnitude", "l2", "random"})
"""Criteria that run no network."""

_TINY = torch.finfo(torch.float32).tiny


def find(name: str) -> Criterion:
    """Return the criterion of that name; raises InvalidValue for an unknown one."""
    check_name("criterion", name, CRITERIA)
    return CRITERIA[name]


def _saliency(scoring: Scoring, batches: Sequence[Batch]) -> dict[str, Tensor]:
    with _undisturbed(scoring.model):
        gradients = _gradients(scoring, batches)
    return {name: gradients[name] * weight.detach() for name, weight in scoring.weights.items()}


def _gradients(
    scoring: Scoring, batches: Sequence[Batch], *, temperature: float = 1.0, create_graph: bool = False
) -> dict[str, Tensor]:
    """Return the gradient of the mean loss by prunable weight, averaged over the batches."""
    model, task, weights = scoring.model, scoring.task, scoring.weights
    by_batch = []
    for images, labels in batches:
        outputs = model(images) / temperature if task.has_logits else model(images)
        loss = task.reduced(outputs, labels, "mean") / len(batches)
        slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=create_graph)
        by_batch.append(dict(zip(weights, slopes, strict=True)))
    return _sum(by_batch)


def _hessian_times(
    vector: Mapping[str, Tensor], scoring: Scoring, batch: Batch, temperature: float
) -> dict[str, Tensor]:
    weights = scoring.weights
    gradients = _gradients(scoring, [batch], temperature=temperature, create_graph=True)
    products = torch.autograd.grad(
        list(gradients.values()), list(weights.values()), [vector[name] for name in weights], materialize_grads=True
    )
    return dict(zip(weights, products, strict=True))


def _probe_curvature(scoring: Scoring, batch: Batch, samples: int) -> Iterator[Scores]:
    """Give c-by-c diagonals v * (J^T H J v), J spreading one variable per piece over its weights."""
    weights = scoring.weights
    gradients = _gradients(scoring, [batch], create_graph=True)
    shapes = scoring.pieces({name: weight.detach() for name, weight in weights.items()})
    for _ in range(samples):
        signs = {name: _random_signs(piece, scoring.generator) for name, piece in shapes.items()}
        vectors = [sign * weights[name].detach() for name, sign in scoring.spread(signs).items()]
        curved = torch.autograd.grad(
            list(gradients.values()), list(weights.values()), vectors, retain_graph=True, materialize_grads=True
        )
        products = {name: w.detach() * product for (name, w), product in zip(weights.items(), curved, strict=True)}
        yield {name: signs[name] * product for name, product in scoring.pieces(products).items()}


def _sum(parts: Iterable[Scores]) -> Scores:
    total: Scores = {}
    for part in parts:
        total = {name: value + total[name] if total else value for name, value in part.items()}
    return total


def _shares(scores: Scores) -> Scores:
    """Return absolute scores that sum to 1."""
    total = torch.stack([score.abs().sum() for score in scores.values()]).sum().clamp_min(_TINY)
    return {name: score.abs() / total for name, score in scores.items()}


def _random_signs(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randint(0, 2, like.shape, generator=generator).to(like) * 2 - 1


@contextmanager
def _undisturbed(model: nn.Module) -> Iterator[None]:
    """Run the network in training mode, as at initialisation, and leave modes and running statistics as they were."""
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with modes_kept(model):
        model.train()
        try:
            yield
        finally:
            for name, buffer in model.named_buffers():
                buffer.copy_(buffers[name])
