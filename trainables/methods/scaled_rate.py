"""What a network's architecture makes of the learning rate that a study gives."""

import logging
from collections.abc import Iterable
from typing import Any, Final

from torch import Tensor

from trainables.state import LiveTrial
from trainables.structure.blocks import drop_blocks
from trainables.structure.layer_graph import Paths
from trainables.structure.tracing import layer_graph
from trainables.training.architecture_scaling import BASE, graph_of, relative_rate
from trainables.training.optimizers import grouped

LOG = logging.getLogger(__name__)

METRIC: Final = "lr_scale"
"""By what the architecture multiplied the learning rate in the last training stage."""


def rate_scale(trial: LiveTrial) -> float:
    """Return by what the learning rate of the training stage that begins, or is resumed, is multiplied.

    With `scaling: architecture_aware` the study's rate is that of `architecture_scaling.BASE`, else that of the dense
    network; with `lr_after_pruning: scaled` the result is for the network without the residual blocks that are gone
    when the stage begins, else for the dense one. It is kept with what the trial measures.
    """
    training = trial.spec.training
    if training.scaling == "none" and training.lr_after_pruning == "kept":
        return 1.0
    if trial.interrupted is None or METRIC not in trial.measured:
        trial.measured[METRIC] = _scale(trial)
        peak = training.lr * trial.measured[METRIC]
        LOG.info("the learning rate is %g, %g times that of the study", peak, trial.measured[METRIC])
    return trial.measured[METRIC]


def readouts(trial: LiveTrial) -> frozenset[str]:
    """Return the names of the layers that no other layer follows, if they learn at a rate of their own; else none."""
    if trial.spec.training.readout_lr == 1:
        return frozenset()
    graph = layer_graph(trial.dense().model, trial.dataset.input_shape)
    return frozenset(weight.rpartition(".")[0] for weight in graph.readouts)


def rate_groups(named: Iterable[tuple[str, Tensor]], trial: LiveTrial) -> list[dict[str, Any]]:
    """Return what stands for a network's parameters, by their names, as groups for the trial's optimizer."""
    return grouped(named, readouts(trial), trial.spec.training.readout_lr)


def _scale(trial: LiveTrial) -> float:
    training = trial.spec.training
    gone = {*trial.dropped, *trial.plan.dropped_blocks} if training.lr_after_pruning == "scaled" else set[str]()
    if training.scaling == "architecture_aware":
        return relative_rate(paths_without(trial, gone), BASE)
    return relative_rate(paths_without(trial, gone), paths_without(trial, set())) if gone else 1.0


def paths_without(trial: LiveTrial, blocks: set[str]) -> Paths:
    """Return the paths of the trial's dense network without these residual blocks."""
    model = trial.dense().model
    drop_blocks(model, blocks)
    return graph_of(model, trial.dataset.input_shape, trial.spec.model.name).paths(trial.spec.training.paths)
