"""What complexity-aware training and its variants have in common: the hyper-parameters of gates, and the recipe."""

from dataclasses import dataclass, fields
from typing import ClassVar

from trainables.errors import InvalidValue
from trainables.paradigms.base import Paradigm, hyper
from trainables.recipes.gating import INNER, PATHS, Gating, Refining
from trainables.recipes.recipe import Recipe, Train

ROUND_TO = "every gated layer keeps a multiple of this many units (or all): 8 or 16 where speed counts"

PLACEMENT = (
    "which units are gated: inner, those written and read in one residual branch, or every hidden layer of a network "
    "without branches; hidden, those of stems, strided blocks, heads and concatenations too; all, residual streams too "
    "but for those that only branches write; streams, these too, and the first branch that writes one has no gate"
)


def require_placement(placement: str, target_latency: float) -> None:
    """Raise InvalidValue for a placement of gates whose layers' times are in no table."""
    if target_latency and placement != INNER:
        raise InvalidValue("placement", placement, "must be inner with a target_latency; use target_macs or nu")


@dataclass(frozen=True, kw_only=True)
class GatedParadigm(Paradigm):
    """Train weights and 0/1 gates together for the share `window` of the budget, then only the remaining weights."""

    gates_units: ClassVar[bool] = True
    gates_branches: ClassVar[bool] = True

    nu: float = hyper(
        0.3,
        "price in nats: a structure that makes up the share c of the network's complexity stays if it lowers the mean "
        "training loss by more than nu * c; 0 prunes nothing",
        low=0.0,
        high=1000.0,
    )
    alpha: float = hyper(1.0, "what complexity means: 1 MACs only, 0 parameters only", low=0.0, high=1.0)
    target_macs: float = hyper(
        0.0,
        "share of the dense MACs at which pruning ends, within 2 %; sets nu by itself; 0: nu rules",
        low=0.0,
        high=1.0,
    )
    target_params: float = hyper(
        0.0,
        "share of the dense parameters at which pruning ends, instead of MACs; alpha 0 goes with it; 0: no such budget",
        low=0.0,
        high=1.0,
    )
    target_latency: float = hyper(
        0.0,
        "share of the dense network's layer times at which pruning ends, from a table measured before training for as "
        "many images and on the device that the study's latency says; alpha does not matter; 0: no such budget",
        low=0.0,
        high=1.0,
    )
    path: str = hyper(
        "sampled",
        "how the network becomes small: sampled, by probabilities of random gates; fade, by gates that go from 1 to 0 "
        "over an epoch each, after exact measurements (a window of 0.7 suits it)",
        choices=PATHS,
    )
    window: float = hyper(0.4, "share of the epochs after which all gates are gone", low=0.05, high=1.0)
    warmup: float = hyper(0.1, "share of the window in which gates are sampled but do not move", low=0.0, high=0.9)
    travel: float = hyper(
        0.2, "share of the rest of the window in which a useless structure is shut", low=0.05, high=1.0
    )
    ramp: float = hyper(
        0.5,
        "share of the rest of the window over which the price rises to nu; a budget sets it otherwise",
        low=0.0,
        high=1.0,
    )
    settle: float = hyper(
        4.0,
        "how hard a probability is pressed to its nearer end at the end of the window, in prices of its structure",
        low=0.0,
        high=100.0,
    )
    every: int = hyper(4, "steps between two in which gates are sampled and move", low=1, high=100)
    sampling: float = hyper(
        0.15, "chance with which a sampled gate is drawn from its probability instead of rounded", low=0.01, high=1.0
    )
    shared: bool = hyper(False, "one draw for the whole batch instead of one per image", choices=(False, True))
    audit: bool = hyper(
        False,
        "measure exactly what a shut gate costs, and delete only what costs less than its price (the faded path always "
        "does)",
        choices=(False, True),
    )
    distill: float = hyper(
        0.0,
        "weight of the distance between what a network of sampled gates and the rounded one put out; 0: not learned",
        low=0.0,
        high=100.0,
    )
    average: float = hyper(
        0.0,
        "decay of a running average of the weights after the window, which is evaluated and exported in their place; "
        "0: none",
        low=0.0,
        high=0.9999,
    )
    recalibrate: bool = hyper(
        False,
        "measure the statistics of batch norms again when the gates are gone, and at the end",
        choices=(False, True),
    )
    restart: float = hyper(
        0.0,
        "peak of a second learning-rate schedule after the window, as a share of the first; 0: one schedule for all",
        low=0.0,
        high=1.0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        budgets = [name for name in ("target_macs", "target_params", "target_latency") if getattr(self, name)]
        if len(budgets) > 1:
            first, second = budgets[:2]
            allowed = f"must be 0 beside a {first}: one budget at a time"
            raise InvalidValue(second, getattr(self, second), allowed)
        if self.distill and self.path == "fade":
            raise InvalidValue("distill", self.distill, "must be 0 with path: fade, which samples no gates")

    def recipe(self, epochs: int) -> Recipe:
        window = max(1, round(self.window * epochs))
        if self.restart and window < epochs:
            rest = self.refining if self.refining != Refining() else None
            return Train(window, during=self.gating(window)), Train(epochs - window, lr_scale=self.restart, during=rest)
        return (Train(epochs, during=self.gating(window)),)

    @property
    def refining(self) -> Refining:
        """What is done for the network after the window."""
        return Refining(average=self.average, recalibrate=self.recalibrate)

    def gating(self, epochs: int) -> Gating:
        """Describe gates that are all decided after the first `epochs` epochs."""
        declared = self.hyperparameters()
        settings = {field.name: getattr(self, field.name) for field in fields(Gating) if field.name in declared}
        units, branches = self.gates_units, self.gates_branches
        return Gating(epochs=epochs, units=units, branches=branches, refining=self.refining, **settings)
