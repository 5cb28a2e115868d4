"""Pruning after training: how much, by what, in which pieces, on which schedule, with how much finetuning.

Residual blocks (granularity ``layer``) are left to studies of networks that have some.
"""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float
from optuna.distributions import IntDistribution as Int

from search_spaces.space import Dimension, Space

_RANKED = ("weight", "filter", "block_4", "block_16")
"""The granularities that are ranked under a scope."""

_SPARSE = (*_RANKED, "layer")
"""The granularities whose density is free."""

_FROM_IMAGES = ("taylor", "obd", "snip", "sipp", "sipp_max", "pfp")
"""The criteria that look at batches; of these, those that look at activations are left to studies that name them."""

SPACE = Space(
    granularity=Dimension(Choice(("weight", "filter", "block_4", "block_16", "2:4", "1:4"))),
    sparsity=Dimension(Float(0.3, 0.98), when={"granularity": _SPARSE}),
    criterion=Dimension(Choice(("magnitude", "l2", "taylor", "obd", "snip"))),
    batches=Dimension(Int(1, 16, log=True), when={"criterion": _FROM_IMAGES}),
    scope=Dimension(Choice(("global", "layer", "lamp", "erk")), when={"granularity": _RANKED}),
    schedule=Dimension(Choice(("one_shot", "iterative", "gradual"))),
    rounds=Dimension(Int(2, 5), when={"schedule": ("iterative",)}),
    ramp=Dimension(Float(0.3, 0.9), when={"schedule": ("gradual",)}),
    finetune=Dimension(Float(0.2, 0.7), unless={"pretrain": (0,)}),
    weights=Dimension(Choice(("keep", "rewind_lr"))),
    finetune_lr=Dimension(Float(0.05, 1.0, log=True), when={"weights": ("keep",)}),
    stream=Dimension(Choice((False, True)), when={"granularity": ("filter",)}),
)
