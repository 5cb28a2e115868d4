"""Pruned filters made orthogonal again (OrthP): finetuning starts from weights through which gradients flow well.

Pick it to separate what pruning loses from what a short finetuning at a small learning rate cannot repair; the mean
Jacobian singular value is measured on the way. `weights: kept` is L1 filter pruning with the same measurements.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from trainables.paradigms.base import Paradigm, finetuning, finetuning_rate, hyper, pretraining, tail_of
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
    finetune: float = finetuning(0.5, after="pruning")
    finetune_lr: float = finetuning_rate(1.0, low=1e-4)
    stream: bool = hyper(False, "filters of the residual stream may be pruned as well", choices=(False, True))
    pretrain: int = pretraining()

    def recipe(self, epochs: int) -> Recipe:
        tail = tail_of(epochs, self.finetune) if self.pretrain else epochs
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
