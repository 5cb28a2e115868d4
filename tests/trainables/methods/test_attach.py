"""Which companion carries out what a recipe says of the inside of a training stage."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.trainables.stages import a_trial
from trainables.errors import InvalidValue
from trainables.gates.gated_training import GatedTraining
from trainables.gates.refinement import Refinement
from trainables.methods.adversarial_training import AdversarialTraining
from trainables.methods.attach import attach
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
from trainables.recipes.recipe import During, InTraining, Prune
from trainables.recipes.schedules import Gradual
from trainables.recipes.widths import AdjustWidths, FlipSigns, FollowRanks, ShareWeights
from trainables.state import LiveTrial
from trainables.training.companion import Companion, Companions
from trainables.training.optimizers import optimizer_for

HALF = Prune(0.5)


KNOWN: list[tuple[During, type[Companion]]] = [
    (Gradual(HALF), GradualPruning),
    (Rewire("random"), Rewiring),
    (Select(0.5), Selection),
    (LearnThresholds(0.1), Thresholds),
    (GrowPenalty(HALF), GrowingPenalty),
    (ShrinkGroups(HALF), GroupShrinking),
    (Polarize(HALF), Polarization),
    (Agree(), Consensus),
    (ControlGates(Prune(1.0, granularity="filter", macs=0.5)), TrainOnce),
    (GateByImage(), ManifoldDynamic),
    (Unify(Prune(0.5, granularity="block_4")), Unification),
    (Tie("block_4"), Tying),
    (Attack(), AdversarialTraining),
    (SolveLayers(sweeps=2), LayerSweeps),
    (Gating(epochs=1), GatedTraining),
    (Gating(epochs=1, refining=Refining(average=0.9)), Companions),
    (Refining(average=0.9), Refinement),
    (FollowRanks(index=0, count=1, narrowest=4, widest=64), ChannelSearch),
    (FlipSigns(index=0, count=1, narrowest=4, widest=64), ChannelSearch),
    (AdjustWidths(index=0, count=1), NetworkAdjustment),
    (ShareWeights(index=0, count=1, macs=0.5, narrowest=0.25), WidthSearch),
]


@pytest.mark.parametrize(("during", "companion"), KNOWN)
def test_every_description_has_its_companion(during: During, companion: type[Companion], tmp_path: Path) -> None:
    networks: dict[type[object], str] = {Agree: "resnet20", Attack: "deq", SolveLayers: "mlp"}
    trial = a_trial(tmp_path, networks.get(type(during), "digits_cnn"))
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    attached = attach(during, trial, 6)
    assert type(attached) is companion
    assert "does not say" not in str(attached.acts.refusal)


def test_every_description_of_recipes_is_known_here() -> None:
    assert final_kinds(InTraining) == {type(during) for during, _ in KNOWN}


def final_kinds(kind: type) -> set[type]:
    """Return our classes below a class that have none of ours below themselves; tests make some of their own."""
    direct: list[type] = kind.__subclasses__()
    below = [each for each in direct if each.__module__.startswith("trainables.")]
    return {final for each in below for final in final_kinds(each)} if below else {kind}


@dataclass(frozen=True)
class Bringing(InTraining):
    """A description that brings its companion, though it could be one of those known here."""

    def attach(self, trial: LiveTrial, steps: int) -> Companion:
        made = Companion()
        made.seen = trial, steps  # type: ignore[attr-defined]
        return made


def test_a_description_with_a_companion_of_its_own_is_asked_for_it(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    companion = attach(Bringing(), trial, 11)
    assert companion.seen == (trial, 11)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Nameless(InTraining):
    """A description that nobody carries out."""


def test_what_nobody_carries_out_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidValue, match=r"Nameless\(\): has no companion; give it a method `attach\(trial, steps\)`"
    ):
        attach(Nameless(), a_trial(tmp_path), 3)
