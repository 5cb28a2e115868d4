"""Manifold network: a perceptron whose layers are solved in closed form, sweep by sweep, without a learning rate.

Pick it where no learning rate is to be searched and inputs are flat: it reads the data a few times, and
its memory does not grow with their number. Where images need convolutions, or there is time for many epochs of
gradients, pick something else.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.paradigms.base import Paradigm, hyper
from trainables.recipes.in_training import BACKWARD_TARGETS, LAYER_STARTS, SolveLayers
from trainables.recipes.recipe import Recipe, Remove, Train
from trainables.spec import ModelSpec, Value


@dataclass(frozen=True, kw_only=True)
class ManifoldNetwork(Paradigm):
    """Draw hidden layers, then alternate closed forms: hidden layers towards targets from above, the decision layer.

    It brings its own network, whatever the study names: a perceptron of `layers` hidden layers of `width` units. An
    epoch is a sweep. Only the paper's abstract was available: its division of the problem is theirs, the equations are
    derived here, and so are the starts and the sweeps that are taken back. docs/manifold_network.md says which variants
    were tried.
    """

    axes: ClassVar = {
        "when": "after the last sweep",
        "criterion": "row norm of a row-sparse solution (l2,1)",
        "granularity": "filter, rank",
        "scope": "layer",
        "schedule": "one-shot",
        "weights": "solved again",
    }
    source: ClassVar = "after Zhang et al. 2021, arXiv 2106.07905 (principle; equations derived)"

    width: int = hyper(1000, "units of each hidden layer", low=2, high=16384)
    layers: int = hyper(1, "hidden layers", low=1, high=8)
    activation: str = hyper("leaky_relu", "activation, invertible", choices=("leaky_relu", "tanh", "sigmoid"))
    rank: int = hyper(0, "rank of the hidden layers' weights, which are then two factors; 0: full", low=0, high=4096)
    sparsity: float = hyper(0.0, "share of the hidden units that is removed after the last sweep", low=0.0, high=0.99)
    sweeps: int = hyper(4, "most sweeps; the study's epochs, if they are fewer", low=1, high=1000)
    start: str = hyper(
        "patches",
        "hidden weights before the first sweep: random; differences of two images of different classes; those within "
        "random rectangles",
        choices=LAYER_STARTS,
    )
    step: float = hyper(
        1.0,
        "how far hidden layers move to where they lower the loss most, after each share; 0: not at all",
        low=0.0,
        high=1.0,
    )
    shares: int = hyper(10, "shares of the images; hidden layers move after each in a sweep", low=1, high=10_000)
    backward: str = hyper(
        "slope",
        "targets from above: by the slope of the activation at what the layer puts out, by the nearest values of its "
        "inverse, or by the inverse alone",
        choices=BACKWARD_TARGETS,
    )
    backward_rank: int = hyper(0, "rank of the inverses of the layers above; 0: full", low=0, high=4096)
    damping: float = hyper(0.01, "damping of these inverses, as a share of the largest square", low=1e-8, high=10.0)
    ridge: float = hyper(1e-4, "price of the decision layer's squared weights", low=1e-6, high=1e3)
    hidden_ridge: float = hyper(1.0, "price of the squared changes of hidden weights", low=1e-6, high=1e3)
    decisions: int = hyper(5, "solutions of the decision layer in a sweep", low=1, high=100)
    manifold: float = hyper(0.0, "weight of the flexible Stiefel manifold in the decision layer", low=0.0, high=100.0)
    robust: float = hyper(
        0.0,
        "residual from which the adaptive SVM counts norms instead of squares; 0: only squares",
        low=0.0,
        high=100.0,
    )

    def network(self, model: ModelSpec) -> ModelSpec:  # noqa: ARG002 - Paradigm's signature; the network is its own
        widths: list[Value] = [self.width] * self.layers
        return ModelSpec(name="mlp", options={"widths": widths, "activation": self.activation, "rank": self.rank})

    def recipe(self, epochs: int) -> Recipe:
        sweeps = min(self.sweeps, epochs)
        solving = SolveLayers(
            sweeps=sweeps,
            start=self.start,
            ridge=self.ridge,
            hidden_ridge=self.hidden_ridge,
            step=self.step,
            shares=self.shares,
            backward=self.backward,
            backward_rank=self.backward_rank,
            damping=self.damping,
            decisions=self.decisions,
            manifold=self.manifold,
            robust=self.robust,
            sparsity=self.sparsity,
        )
        return (Train(sweeps, during=solving), *((Remove(),) if self.sparsity else ()))


PARADIGM = ManifoldNetwork
