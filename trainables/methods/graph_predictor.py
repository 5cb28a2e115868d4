"""A graph network that predicts how well networks do, from a few that were measured; several of them say how surely.

After Chen et al. 2021, Fitting the Search Space of Weight-sharing NAS with Graph Convolutional Networks, arXiv
2004.08423: a supernet's estimates have random errors, which average out in a function of the graph that is fitted to
them. Sizes, losses and the ensemble are not theirs, who say little of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.optim import AdamW

MEMBERS: Final = 6
HIDDEN: Final = 24
STEPS: Final = 200
RATE: Final = 0.02
DECAY: Final = 0.01

MARGIN: Final = 0.1
"""By how many standard deviations of the measured scores a better network should be predicted to be better."""


@dataclass(frozen=True)
class Prediction:
    """The mean of the ensemble's predictions and their standard deviation, for each network, float64 [N]."""

    mean: Tensor
    deviation: Tensor


class GraphPredictor:
    """An ensemble of graph networks of two convolutions, H' = ReLU(S H W), their mean over nodes, and a linear map.

    S is `smoothing` [nodes, nodes]. All numbers are float64 on the CPU, and follow from the seed.
    """

    def __init__(self, smoothing: Tensor, seed: int) -> None:
        self._smoothing, self._seed = smoothing, seed
        self._weights: list[Tensor] = []
        self._centre, self._scale = 0.0, 1.0
        self._left_out = torch.zeros(0)

    def fit(self, rows: Tensor, scores: Sequence[float], spread: Tensor | None = None) -> None:
        """Learn from networks with `rows` [N, nodes, features] and what was measured of them, higher is better.

        `spread` [N] is the standard deviation of a score that was estimated, and 0 for one that was measured. In shares
        of the standard deviation s of all scores, it lets a network count 1 / (1 + (spread / s)^2) of a measured one.

        Each member has its own first weights, and its own draw with replacement of as many networks: Breiman 1996,
        Bagging Predictors. The loss is the mean squared error and a hinge on pairs in the wrong order.
        """
        generator, measured = Generator().manual_seed(self._seed), torch.tensor(scores, dtype=torch.float64)
        self._centre, self._scale = _centre_and_scale(measured)
        targets = _standard(measured, (self._centre, self._scale))
        drawn = torch.randint(len(scores), (MEMBERS, len(scores)), generator=generator)
        counts = torch.zeros(MEMBERS, len(scores), dtype=torch.float64)
        counts.scatter_add_(1, drawn, torch.ones_like(counts))
        self._weights = _first_weights(rows.shape[2], generator)
        optimizer = AdamW(self._weights, lr=RATE, weight_decay=DECAY)
        smoothed, weights = self._smoothed(rows), counts
        if spread is not None:
            weights = counts / (1 + (spread / self._scale).square())
        with torch.enable_grad():
            for _ in range(STEPS):
                optimizer.zero_grad()
                others = torch.randperm(len(scores), generator=generator)
                _loss(self._outputs(smoothed), targets, weights, others).backward()
                optimizer.step()
        self._left_out = self._without(rows, counts)

    def untaught(self) -> "GraphPredictor":
        """Return another one for the same graph that has learnt nothing."""
        return GraphPredictor(self._smoothing, self._seed)

    def predict(self, rows: Tensor) -> Prediction:
        """Return what the members expect of other networks."""
        outputs = self.members(rows)
        return Prediction(outputs.mean(0), outputs.std(0))

    @torch.no_grad()
    def members(self, rows: Tensor) -> Tensor:
        """Return what each member expects of other networks, [members, N]."""
        return self._outputs(self._smoothed(rows)) * self._scale + self._centre

    @property
    def left_out(self) -> Tensor:
        """What is predicted of each network of the last `fit` by the members that did not learn from it, [N]."""
        return self._left_out

    @torch.no_grad()
    def _without(self, rows: Tensor, counts: Tensor) -> Tensor:
        outputs, strangers = self._outputs(self._smoothed(rows)), (counts == 0).double()
        return (outputs * strangers).sum(0) / strangers.sum(0) * self._scale + self._centre

    def _smoothed(self, rows: Tensor) -> Tensor:
        """Return S X, [nodes, N, features]."""
        return torch.einsum("wv,nvf->wnf", self._smoothing, rows)

    def _outputs(self, smoothed: Tensor) -> Tensor:
        """Return the standardised predictions [members, N] for S X [nodes, N, features]."""
        first, first_bias, second, second_bias, last, bias = self._weights
        nodes, count, _ = smoothed.shape
        hidden = (smoothed.flatten(0, 1) @ first + first_bias).relu() @ second
        hidden = (self._smoothing @ hidden.view(MEMBERS, nodes, -1)).view(MEMBERS, nodes * count, -1)
        pooled = (hidden + second_bias).relu().view(MEMBERS, nodes, count, -1).mean(1)
        return (pooled @ last).squeeze(2) + bias


class Corrected:
    """What a graph network predicts, corrected by a few networks of which more is known.

    In standard deviations over those few, what is known of a network is what is predicted plus a rest, and another
    graph network learns the rest: after Kennedy & O'Hagan 2000, Predicting the Output from a Complex Computer Code When
    Fast Approximations Are Available. So errors that are alike whenever a network is measured are corrected, too.
    """

    def __init__(self, predictor: GraphPredictor, rows: Tensor, scores: Sequence[float]) -> None:
        """Learn from networks with `rows` [N, nodes, features] and their better scores."""
        known, predicted = torch.tensor(scores, dtype=torch.float64), predictor.predict(rows).mean
        self._predictor, self._rest = predictor, predictor.untaught()
        self._from, self._to = _centre_and_scale(predicted), _centre_and_scale(known)
        self._rest.fit(rows, (_standard(known, self._to) - _standard(predicted, self._from)).tolist())

    def predict(self, rows: Tensor) -> Prediction:
        """Return what is expected of networks, in units of the better scores."""
        plain, rest = self._predictor.predict(rows), self._rest.predict(rows)
        centre, scale = self._to
        mean = _standard(plain.mean, self._from) + rest.mean
        return Prediction(mean * scale + centre, torch.hypot(plain.deviation / self._from[1], rest.deviation) * scale)


def _centre_and_scale(values: Tensor) -> tuple[float, float]:
    return float(values.mean()), float(values.std(correction=0)) or 1.0


def _standard(values: Tensor, of: tuple[float, float]) -> Tensor:
    return (values - of[0]) / of[1]


def _first_weights(features: int, generator: Generator) -> list[Tensor]:
    shapes = [
        (MEMBERS, features, HIDDEN),
        (MEMBERS, 1, HIDDEN),
        (MEMBERS, HIDDEN, HIDDEN),
        (MEMBERS, 1, HIDDEN),
        (MEMBERS, HIDDEN, 1),
        (MEMBERS, 1),
    ]
    fans = (features, 0, HIDDEN, 0, HIDDEN, 0)
    return [
        (
            torch.randn(shape, generator=generator, dtype=torch.float64) * ((2 / fan) ** 0.5 if fan else 0.0)
        ).requires_grad_()
        for shape, fan in zip(shapes, fans, strict=True)
    ]


def _loss(outputs: Tensor, targets: Tensor, weights: Tensor, others: Tensor) -> Tensor:
    """Return the loss of standardised predictions [members, N], each network compared with one of the `others`."""
    squares = (weights * (outputs - targets).square()).mean()
    apart, expected = outputs - outputs[:, others], targets - targets[others]
    wrong = F.relu(MARGIN - apart * expected.sign()) * (expected != 0)
    return squares + (weights * weights[:, others] * wrong).mean()
