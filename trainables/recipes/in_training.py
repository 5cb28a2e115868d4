"""What learns or moves masks inside a training stage, as plain values for recipes; importing it costs no torch."""

import math
from dataclasses import dataclass

from trainables.recipes.recipe import InTraining, KeepsSize, Prune


@dataclass(frozen=True)
class Rewire(InTraining):
    """Move the masks that the network has when the stage begins, with as many weights per layer as they leave.

    Inside the first `share` of the stage, in `updates` equally spaced steps, a share of each layer's weights is dropped
    and as many are grown: the share falls from `fraction` to 0, which it reaches where the last interval ends, along a
    cosine. If there are fewer steps, the masks move in each. `growth` is ``"random"`` (SET) or ``"gradient"`` (RigL).
    """

    growth: str
    fraction: float = 0.3
    updates: int = 100
    share: float = 0.75


@dataclass(frozen=True)
class Select(InTraining):
    """Choose `density` of the frozen weights by scores that are learned instead of them (edge-popup).

    `density` counts against the unpruned network; `scope` is a name of `allocation.py`.
    """

    density: float
    scope: str = "layer"


@dataclass(frozen=True)
class LearnThresholds(InTraining):
    """Learn one threshold per neuron, below which its weights are masked; `alpha` is the pressure to raise them."""

    alpha: float


@dataclass(frozen=True)
class GrowPenalty(InTraining):
    """Drive to zero what `final` would prune by magnitude, by an L2 penalty that grows; prune it at the stage's end.

    In the first `pick` of the stage (a share; 0 in GReg-1) the penalty grows on all prunable weights, to
    `pick_ceiling`, and only then is it chosen what to prune. From there the penalty on the chosen grows linearly to
    `ceiling`, where it stays for the last `settle` of the stage.
    """

    final: Prune
    ceiling: float = 1.0
    pick: float = 0.0
    pick_ceiling: float = 0.1
    settle: float = 0.1

    def pruned_after(self, epochs: float) -> float:
        return epochs


@dataclass(frozen=True)
class ShrinkGroups(InTraining):
    """Shrink channels by a penalty on what writes them, and mask all but the best at the stage's end, as `final` says.

    `penalty` is one of GROUP_PENALTIES and `weights` of GROUP_WEIGHTS. The penalty rises linearly to `strength` over
    the share `ramp` of the stage. With `violations` the envelope leaves untouched what the budget allows. `turn` is of
    the half-space step: the least share of a group that a step must leave in the group's own direction.
    """

    final: Prune
    penalty: str = "envelope"
    weights: str = "one"
    strength: float = 1.0
    ramp: float = 0.5
    violations: bool = False
    turn: float = 0.0

    def pruned_after(self, epochs: float) -> float:
        return epochs


@dataclass(frozen=True)
class Polarize(InTraining):
    """Push the scales of batch norm to 0 or to `upper`, then mask the channels below a threshold, as `final` says.

    Scales begin at `initial`; the penalty is `strength` times R = t |g|_1 - |g - mean(g)|_1. A `threshold` of 0 stands
    for the valley of their histogram; with ``final.macs`` as many channels stay as that budget allows. With a `bracket`
    the strength is its geometric mean; a `probe` masks nothing, but halves the bracket by whether the network would
    cost more than ``final.macs``.
    """

    final: Prune
    strength: float = 1e-4
    t: float = 1.2
    upper: float = 1.0
    initial: float = 0.5
    threshold: float = 0.0
    bracket: tuple[float, float] | None = None
    probe: bool = False

    def pruned_after(self, epochs: float) -> float:
        return epochs


@dataclass(frozen=True)
class Agree(InTraining):
    """Switch residual branches by gates that see each image, until all images agree; mask what most switch off.

    The loss grows by `polar` times the mean of s (1 - s), at the stage's end, and by `activation` times the mean of s,
    or its distance from `target` if that is above 0, with s the share of the batch for which a branch is on. `width`
    is that of a gate's hidden layer. With `channels` the gates switch the channels of layers instead of branches. With
    `macs` above 0, the loss grows by a price times the share of the MACs that the batch uses, a price that begins at
    `activation` and brings them to this share.
    """

    polar: float = 1.0
    activation: float = 0.1
    target: float = 0.0
    width: int = 16
    channels: bool = False
    macs: float = 0.0

    def pruned_after(self, epochs: float) -> float:
        return epochs


@dataclass(frozen=True)
class ControlGates(InTraining):
    """Learn by a controller which units stay, and shrink the others to nothing meanwhile; mask them at the end.

    The shares `start`, `shrink` and `freeze` of the stage are those at which the controller begins to learn, the
    others begin to shrink, and the choice is final, as ``final.macs`` demands. The controller makes `updates` steps of
    `rate` on the share `held_out` of the training images; `weight` is that of the budget in its loss, `offset` and
    `temperature` are of its gates. The shrinking has the first of `strengths` until the choice is final, then the
    second.
    """

    final: Prune
    start: float = 0.1
    shrink: float = 0.2
    freeze: float = 0.5
    updates: int = 200
    rate: float = 1e-3
    held_out: float = 0.1
    weight: float = 4.0
    offset: float = 3.0
    temperature: float = 0.4
    strengths: tuple[float, float] = (10.0, 1000.0)

    def pruned_after(self, epochs: float) -> float:
        return self.frozen_after(epochs)

    def frozen_after(self, epochs: float) -> int:
        """Return after how many of the stage's epochs the choice is final: at least one, and before the last."""
        return max(1, min(round(self.freeze * epochs), math.ceil(epochs) - 1))


@dataclass(frozen=True)
class GateByImage(InTraining):
    """Train gates that stay in the network and let each image use other channels; raise their thresholds meanwhile.

    The thresholds end where the share `keep` of the mean gates of each convolution reaches them; with `target_macs`
    above 0, where images cost that share of the dense network's MACs on average. The loss grows by `complexity` times
    the gates of easy images, those with less than `easy` of the mean loss, and ease has the exponent `power`; and by
    `similarity` times the distance between the likeness of images in gates and in features. `squeeze` narrows the
    gates' hidden layers. The keep rate falls over the share `ramp` of the stage, and `similarity` grows to what it is.
    """

    keep: float = 0.6
    target_macs: float = 0.0
    complexity: float = 5e-3
    similarity: float = 0.1
    easy: float = 0.5
    power: float = 1.0
    squeeze: int = 2
    ramp: float = 1.0

    def pruned_after(self, epochs: float) -> float:
        return epochs


@dataclass(frozen=True)
class Unify(InTraining):
    """Draw weights by ADMM towards blocks that are zero, as `final` says, or of one magnitude; make them so at the end.

    Of each layer's blocks that stay, the share `unify` is unified. The penalty rho / 2 |W - Z + U|^2 begins with `rho`
    and is `growth` times as strong in the last of the `iterations`, into which the stage is divided.
    """

    final: Prune
    unify: float = 0.5
    rho: float = 0.01
    growth: float = 100.0
    iterations: int = 10

    def pruned_after(self, epochs: float) -> float:
        return epochs


@dataclass(frozen=True)
class Attack(InTraining, KeepsSize):
    """Train an equilibrium network on images that are moved within `radius`, of pixels in [0, 1], to raise the loss.

    `method` is one of ATTACKS: ``"jiio"`` in `iterations` that move state, multiplier and pixels together, these by the
    share `alpha` of the radius, with a `memory` of Anderson's acceleration; ``"pgd"`` in `steps`, an equilibrium each.
    Over the first share `ramp` of the stage the radius rises linearly from 0.
    """

    method: str = "jiio"
    radius: float = 0.1
    ramp: float = 0.25
    iterations: int = 20
    alpha: float = 0.2
    memory: int = 2
    steps: int = 10


@dataclass(frozen=True)
class Tie(InTraining, KeepsSize):
    """Train with one magnitude for each block of `granularity` whose weights have one when the stage begins."""

    granularity: str


@dataclass(frozen=True)
class SolveLayers(InTraining):
    """Solve each layer in closed form, in `sweeps` epochs; the last masks the share `sparsity` of hidden units.

    Hidden layers start from `start`, one of LAYER_STARTS. A sweep reads the images in so many `shares`. After each it
    gives each hidden layer the targets that `backward`, one of BACKWARD_TARGETS, computes through damped inverses of
    the layers above, of rank `backward_rank` (0: full), and moves it `step` of the way that brings the share's outputs
    nearest to their targets (0: not at all). Then it solves the decision layer `decisions` times.
    `ridge` is of its solution and `hidden_ridge` of the hidden layers', in units of the samples' mean squares;
    `manifold` and `robust` are those of `decision_layer.Decision`.
    """

    sweeps: int
    start: str = "patches"
    ridge: float = 1e-4
    hidden_ridge: float = 1.0
    step: float = 1.0
    shares: int = 10
    backward: str = "slope"
    backward_rank: int = 0
    damping: float = 0.01
    decisions: int = 5
    manifold: float = 0.0
    robust: float = 0.0
    sparsity: float = 0.0

    def pruned_after(self, epochs: float) -> float:
        return epochs - 1 if self.sparsity else 0.0


LAYER_STARTS = ("random", "differences", "patches")
BACKWARD_TARGETS = ("slope", "difference", "inverse")
GROUP_PENALTIES = ("envelope", "group_lasso", "half_space")
GROUP_WEIGHTS = ("one", "size", "macs")
ATTACKS = ("jiio", "pgd")
