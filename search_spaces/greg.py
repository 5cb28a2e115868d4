"""GReg: how much, in which pieces, chosen when, under which penalty, with how much finetuning."""

from optuna.distributions import CategoricalDistribution as Choice
from optuna.distributions import FloatDistribution as Float

from search_spaces.space import Dimension, Space

SPACE = Space(
    granularity=Dimension(Choice(("weight", "filter"))),
    sparsity=Dimension(Float(0.3, 0.98)),
    scope=Dimension(Choice(("global", "layer"))),
    variant=Dimension(Choice(("greg_1", "greg_2"))),
    ceiling=Dimension(Float(0.1, 10.0, log=True)),
    pick_ceiling=Dimension(Float(0.01, 0.3, log=True), when={"variant": ("greg_2",)}),
    pruning=Dimension(Float(0.1, 0.4)),
    pruning_lr=Dimension(Float(0.05, 1.0, log=True)),
    finetune=Dimension(Float(0.1, 0.4), unless={"pretrain": (0,)}),
    finetune_lr=Dimension(Float(0.05, 1.0, log=True)),
    stream=Dimension(Choice((False, True)), when={"granularity": ("filter",)}),
)
