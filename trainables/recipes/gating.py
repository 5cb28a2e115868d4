"""How gates are trained: a plain value that a recipe holds. `gated_training.py` carries it out."""

from dataclasses import dataclass

from trainables.recipes.recipe import InTraining, KeepsSize

PATHS = ("sampled", "fade")

INNER = "inner"
"""The placement of gates on layers that are written and read in one residual branch."""

STREAMS = "streams"
"""The placement of gates on all residual streams, also on those that only branches write."""

PLACEMENTS = (INNER, "hidden", "all", STREAMS)

UNIT_ESTIMATORS = ("trapezoid", "taylor")
BRANCH_ESTIMATORS = ("two_point", "trapezoid", "taylor")


@dataclass(frozen=True, kw_only=True)
class Refining(InTraining, KeepsSize):
    """What is done for a network whose gates are gone.

    With an `average` above 0, the decay of a running average of weights and statistics, that average is the network
    after each epoch. `recalibrate` measures the statistics of batch norms again when the gates go and at the end.
    """

    average: float = 0.0
    recalibrate: bool = False


@dataclass(frozen=True, kw_only=True)
class Gating(InTraining):
    """Gates on a network's units and residual branches, which are gone after the first `epochs` epochs of a stage.

    What it costs: `nu`, `beta` and `alpha` are those of `objective.Balance`; a `target_macs` or `target_params` above 0
    is the share of the network's MACs or parameters to keep, and replaces nu; `target_latency` that of the seconds of
    its layers, which then are what is priced, whatever `alpha`. `units` and `branches` say what is gated,
    `placement` which units: one of PLACEMENTS, which `gates.structures.find_structures` explains.

    How the network becomes small: on the `path` "sampled" as the next two paragraphs say, on "fade" without chance:
    gates of what is not worth its price go from 1 to 0 over an epoch each. Of the following only `warmup`, `ramp` and
    `round_to` matter to it.

    How worth is estimated: in every step of `every` the gates are sampled, for each example apart unless `shared`; an
    entry is drawn from its probability with probability `sampling`, else it is the rounded one. `unit_estimator` is one
    of UNIT_ESTIMATORS, `branch_estimator` of BRANCH_ESTIMATORS; `decay` is that of the running means.

    How probabilities move: they begin at `initial`, stay there for the share `warmup` of the epochs, then move between
    `lowest` and `highest`; what is useless goes all the way in the share `travel` of the remaining steps. The price
    rises linearly to nu over the share `ramp` of them; with a budget it follows the MACs, planned to fall linearly.
    From half of them on, `settle`, in prices of the structure, presses each probability to its nearer end. With `audit`
    nothing is deleted before the end that measures as worth its price.

    What the noise of gates costs is paid back, as far as that works: with `distill` above 0 steps under sampled gates
    also learn what the rounded network puts out, with that weight; `refining` begins when the gates are gone.

    What stays: every gated layer keeps a multiple of `round_to` units, the best ones, or all that it has. Kernels of
    matrix units and of vector instructions are fast at multiples of 8 or 16.
    """

    epochs: int
    nu: float = 0.3
    beta: float = 0.5
    alpha: float = 1.0
    target_macs: float = 0.0
    target_params: float = 0.0
    target_latency: float = 0.0
    path: str = "sampled"
    units: bool = True
    branches: bool = True
    placement: str = INNER
    every: int = 4
    sampling: float = 0.15
    shared: bool = False
    audit: bool = False
    unit_estimator: str = "trapezoid"
    branch_estimator: str = "two_point"
    decay: float = 0.99
    initial: float = 0.98
    lowest: float = 0.01
    highest: float = 0.995
    warmup: float = 0.1
    travel: float = 0.2
    ramp: float = 0.5
    settle: float = 4.0
    distill: float = 0.0
    refining: Refining = Refining()
    round_to: int = 1

    def pruned_after(self, epochs: float) -> float:
        return min(self.epochs, epochs)
