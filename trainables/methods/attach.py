"""Which companion carries out the method of pruning that a recipe puts inside a training stage."""

from trainables.errors import InvalidValue
from trainables.gates.gated_training import gated_training
from trainables.gates.refinement import Refinement
from trainables.methods.adversarial_training import AdversarialTraining
from trainables.methods.channel_search import ChannelSearch
from trainables.methods.consensus import Consensus
from trainables.methods.dynamic import Rewiring
from trainables.methods.gradual import GradualPruning
from trainables.methods.group_shrinking import GroupShrinking
from trainables.methods.layer_sweeps import LayerSweeps
from trainables.methods.manifold import ManifoldDynamic
from trainables.methods.network_adjustment import NetworkAdjustment
from trainables.methods.penalties import GrowingPenalty
from trainables.methods.polarization import Polarization
from trainables.methods.selection import Selection
from trainables.methods.thresholds import Thresholds
from trainables.methods.train_once import TrainOnce
from trainables.methods.unification import Tying, Unification
from trainables.methods.width_search import WidthSearch
from trainables.recipes.gating import Gating, Refining
from trainables.recipes.in_training import (
    Agree,
    Attack,
    ControlGates,
    GateByImage,
    GrowPenalty,
    LearnThresholds,
    Polarize,
    Rewire,
    Select,
    ShrinkGroups,
    SolveLayers,
    Tie,
    Unify,
)
from trainables.recipes.recipe import Attaches, During
from trainables.recipes.schedules import Gradual
from trainables.recipes.widths import AdjustWidths, FlipSigns, FollowRanks, ShareWeights
from trainables.state import LiveTrial
from trainables.training.companion import Companion


def attach(during: During, trial: LiveTrial, steps: int) -> Companion:
    """Return the companion that carries out `during` in a stage of `steps` optimizer steps.

    A value with a method `attach` provides its own companion. Raises InvalidValue for an unknown value without one.
    """
    if isinstance(during, Attaches):
        return _own(during, trial, steps)
    for kind in (_of_masks, _of_groups, _of_gates, _of_widths, _of_training):
        companion = kind(during, trial, steps)
        if companion is not None:
            return companion
    raise InvalidValue("during", during, "has no companion; give it a method `attach(trial, steps)`")


def _own(during: Attaches, trial: LiveTrial, steps: int) -> Companion:
    companion: Companion = during.attach(trial, steps)
    return companion


def _of_masks(during: During, trial: LiveTrial, steps: int) -> Companion | None:
    """Return what changes the masks while the weights are trained."""
    match during:
        case Gradual():
            return GradualPruning(during, trial, steps)
        case Rewire():
            return Rewiring(during, trial, steps)
        case Select():
            return Selection(during, trial)
        case LearnThresholds():
            return Thresholds(during, trial)
    return None


def _of_groups(during: During, trial: LiveTrial, steps: int) -> Companion | None:
    """Return what drives groups of weights to zero, or to the same value."""
    match during:
        case GrowPenalty():
            return GrowingPenalty(during, trial, steps)
        case ShrinkGroups():
            return GroupShrinking(during, trial, steps)
        case Polarize():
            return Polarization(during, trial)
        case Agree():
            return Consensus(during, trial, steps)
        case Unify():
            return Unification(during, trial, steps)
        case Tie():
            return Tying(during, trial)
    return None


def _of_gates(during: During, trial: LiveTrial, steps: int) -> Companion | None:
    """Return what learns which gates are open: once, or image by image."""
    match during:
        case Gating():
            return gated_training(during, trial, steps)
        case Refining():
            return Refinement(during, trial, 0, steps)
        case ControlGates():
            return TrainOnce(during, trial, steps)
        case GateByImage():
            return ManifoldDynamic(during, trial, steps)
    return None


def _of_widths(during: During, trial: LiveTrial, steps: int) -> Companion | None:
    """Return what searches for the number of channels of each layer."""
    match during:
        case FollowRanks() | FlipSigns():
            return ChannelSearch(during, trial)
        case AdjustWidths():
            return NetworkAdjustment(during, trial, steps)
        case ShareWeights():
            return WidthSearch(during, trial)
    return None


def _of_training(during: During, trial: LiveTrial, steps: int) -> Companion | None:
    """Return what prunes nothing: it changes what the weights learn, or how they are found."""
    match during:
        case Attack():
            return AdversarialTraining(during, trial, steps)
        case SolveLayers():
            return LayerSweeps(during, trial)
    return None
