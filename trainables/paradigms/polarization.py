"""Polarization: batch norm's scales are pushed to zero or to one, so that a threshold hardly changes the network.

Pick it where every convolution has a batch norm and a clean cut matters more than a budget: it finds by itself how many
filters each layer needs. With a budget, short trainings search the strength of the penalty first.
"""

from dataclasses import dataclass
from typing import ClassVar

from trainables.errors import InfeasibleTrial
from trainables.paradigms.base import Paradigm, finetuning, finetuning_rate, hyper
from trainables.recipes.in_training import Polarize
from trainables.recipes.recipe import Prune, Recipe, Remove, Rewind, Stage, Train

BRACKET = (1e-6, 1e-1)
"""The strengths between which a budget's is searched."""


@dataclass(frozen=True, kw_only=True)
class PolarizationPruning(Paradigm):
    """Train under a penalty that polarises the scales of batch norm, remove filters of small scale, finetune.

    The paper trains 200 epochs with strengths of 3e-5 to 5e-5 and t of 1.4 and 1.5 (CIFAR-10), and as long again to
    finetune; short trainings need a larger strength. Its algorithm 1 halves a bracket of strengths, then moves t; here
    `probes` short trainings from the same initial network halve the bracket in its logarithm, t stays, and filters are
    at last removed until the budget is met. The metric `scales_between` is the share of the scales near neither end, 0
    if all are polarised; `strength` is the factor that the penalty had.
    """

    axes: ClassVar = {
        "when": "during training",
        "criterion": "scale of batch norm under a polarising penalty",
        "granularity": "filter",
        "scope": "global",
        "schedule": "learned, then one-shot",
        "weights": "kept",
    }
    source: ClassVar = (
        "Zhuang et al. 2020, Neuron-level Structured Pruning using Polarization Regularizer, NeurIPS 2020"
    )

    strength: float = hyper(
        1e-3, "factor of the penalty (lambda); with a budget and probes it is searched", low=1e-7, high=1.0
    )
    t: float = hyper(1.2, "at the penalty's least the share 1/2 - t/4 of the scales is not 0", low=-2.0, high=2.0)
    threshold: float = hyper(
        0.0, "filters with a smaller scale are removed; 0: the valley of the scales' histogram", low=0.0, high=0.5
    )
    target_macs: float = hyper(
        0.0, "share of the dense MACs that stays, at most; 0: the threshold rules", low=0.0, high=1.0
    )
    probes: int = hyper(0, "short trainings that search the strength for a budget", low=0, high=20)
    probe: float = hyper(0.1, "share of the epochs of one of them", low=0.01, high=0.5)
    finetune: float = finetuning(0.3)
    finetune_lr: float = finetuning_rate()

    def recipe(self, epochs: int) -> Recipe:
        short, main, tail = self._shares(epochs)
        final = Prune(1.0, granularity="filter", macs=self.target_macs)
        searching = self._probes > 0
        rule = Polarize(
            final,
            strength=self.strength,
            t=self.t,
            threshold=self.threshold,
            bracket=BRACKET if searching else None,
        )
        probes: list[Train | Stage | Rewind] = []
        for number in range(self._probes):
            start = 0.0 if number == 0 else None
            probing = Polarize(final, t=self.t, threshold=self.threshold, bracket=BRACKET, probe=True)
            probes += [Train(short, snapshot_epoch=start, during=probing), Rewind()]
        return (*probes, Train(main, during=rule), Remove(), Train(tail, lr_scale=self.finetune_lr))

    @property
    def _probes(self) -> int:
        return self.probes if self.target_macs else 0

    def _shares(self, epochs: int) -> tuple[int, int, int]:
        """Return the epochs of a probe, of the main training, and after removal."""
        short, tail = max(1, round(self.probe * epochs)), max(1, round(self.finetune * epochs))
        main = epochs - tail - self._probes * short
        if main < 1:
            searching = f"probes = {self._probes}, probe = {self.probe} and " if self._probes else ""
            raise InfeasibleTrial(
                f"{searching}finetune = {self.finetune} leave no epoch of {epochs} for training; more epochs, or fewer "
                "and shorter probes"
            )
        return short, main, tail


PARADIGM = PolarizationPruning
