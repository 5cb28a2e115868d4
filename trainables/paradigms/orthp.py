"""Pruned filters made orthogonal again (OrthP): finetuning starts from weights through which gradients flow well.

Pick it to separate what pruning loses from what a short finetuning at a small learning rate cannot repair; the mean
Jacobian singular value is measured on the way. `weights: kept` is L1 filter pruning with the same measurements.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trainables.errors import InfeasibleTrial
from trainables.paradigms.base import Paradigm, hyper, pretraining
from trainables.recipes.recipe import KeepsSize, Prune, Recipe, Remove, Train

if TYPE_CHECKING:
    from trainables.state import LiveTrial


@dataclass(frozen=True)
class Orthogonalize(KeepsSize):
    """Make the weights of each convolution and linear layer orthogonal; masked weights stay zero."""

    def run(self, trial: "LiveTrial") -> None:
        from trainables.methods.isometry import orthogonalize

        orthogonalize(trial.model)
        trial.masks.apply()


@dataclass(frozen=True)
class ProbeIsometry(KeepsSize):
    """Measure the mean singular value of the network's Jacobian as the metric `key`."""

    key: str

    def run(self, trial: "LiveTrial") -> None:
        from trainables.methods.isometry import probe

        probe(trial, self.key)


@dataclass(frozen=True, kw_only=True)
class OrthogonalPruning(Paradigm):
    """Train, remove filters by L1 norm, make the rest orthogonal, finetune at a large learning rate.

    It measures `mean_jsv_trained`, `mean_jsv_pruned`, `mean_jsv_orthogonal` and, of the final network, `mean_jsv`; 1 is
    dynamical isometry. Batch norms keep the running statistics of the weights before, until finetuning updates them.
    """

    axes: ClassVar = {
        "when": "after training",
        "criterion": "L1 norm (filters)",
        "granularity": "filter",
        "scope": "layer, global",
        "schedule": "one-shot",
        "weights": "orthogonalised, kept",
    }
    source: ClassVar = "Wang et al. 2021, Dynamical Isometry, arXiv 2105.05916"

    sparsity: float = hyper(0.5, "share of the filters that is pruned", low=0.0, high=0.999)
    scope: str = hyper("layer", "ranked across the network or within each layer", choices=("layer", "global"))
    weights: str = hyper("orthogonal", "what happens to the filters that stay", choices=("orthogonal", "kept"))
    finetune: float = hyper(0.5, "share of the epochs that is spent after pruning", low=0.05, high=0.9)
    finetune_lr: float = hyper(
        1.0, "peak learning rate of finetuning, as a share of that of training", low=1e-4, high=1
    )
    stream: bool = hyper(False, "filters of the residual stream may be pruned as well", choices=(False, True))
    pretrain: int = pretraining()

    def recipe(self, epochs: int) -> Recipe:
        tail = max(1, round(self.finetune * epochs)) if self.pretrain else epochs
        if tail >= epochs and self.pretrain:
            raise InfeasibleTrial(f"finetune = {self.finetune} leaves no epoch of {epochs} for training; at least 2")
        prune = Prune(1 - self.sparsity, granularity="filter", scope=self.scope, stream=self.stream)
        repair = (Orthogonalize(), ProbeIsometry("mean_jsv_orthogonal")) if self.weights == "orthogonal" else ()
        return (
            *((Train(epochs - tail),) if self.pretrain else ()),
            ProbeIsometry("mean_jsv_trained"),
            prune,
            Remove(),
            ProbeIsometry("mean_jsv_pruned"),
            *repair,
            Train(tail, lr_scale=self.finetune_lr),
            ProbeIsometry("mean_jsv"),
        )


PARADIGM = OrthogonalPruning
