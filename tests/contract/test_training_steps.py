"""Every way to take training steps trains the network that plain steps do: captured, compiled, and both."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from torch.fx import symbolic_trace

from tests.trainables.training.epochs import EPOCHS, Dropping, StepsOf, assert_same, doing, run
from tests.trainables.training.tape import Tape
from tests.trainables.training.traced import Traced
from trainables.gates.gated_training import GatedTraining
from trainables.gates.sampling import SampledPath
from trainables.recipes.gating import Gating
from trainables.recipes.in_training import (
    ControlGates,
    GrowPenalty,
    LearnThresholds,
    Polarize,
    Rewire,
    Select,
    ShrinkGroups,
    Tie,
    Unify,
)
from trainables.recipes.recipe import During, Prune
from trainables.recipes.schedules import Gradual
from trainables.state import LiveTrial
from trainables.training.captured import CapturedSteps
from trainables.training.companion import Companion
from trainables.training.compiling import CompiledSteps
from trainables.training.step import Steps, plainly

HALF = Prune(0.5)
FILTERS = Prune(0.5, granularity="filter")


class LateGating(Gating):
    """Gates on whose path values are learnt late, as they are on a GPU."""

    def attach(self, trial: LiveTrial, steps: int) -> Companion:
        return GatedTraining(self, trial, steps, partial(SampledPath, late=True))


DURING: dict[str, During | None] = {
    "nothing": None,
    "gradual": Gradual(HALF),
    "rigl": Rewire("gradient"),
    "edge_popup": Select(0.5),
    "dst": LearnThresholds(1e-4),
    "greg": GrowPenalty(HALF),
    "lasso": ShrinkGroups(FILTERS, penalty="lasso"),
    "half_space": ShrinkGroups(FILTERS, penalty="half_space"),
    "envelope": ShrinkGroups(FILTERS),
    "polarization": Polarize(FILTERS),
    "train_once": ControlGates(Prune(1.0, granularity="filter", macs=0.5), updates=2),
    "unification": Unify(Prune(0.5, granularity="block_4")),
    "tying": Tie("block_4"),
    "sampled gates": Gating(epochs=EPOCHS, every=2),
    "sampled gates, late": LateGating(epochs=EPOCHS, every=2),
    "gates in every step": Gating(epochs=EPOCHS, every=1, shared=True, branches=False),
    "distilled gates": Gating(epochs=EPOCHS, every=2, distill=1.0),
    "faded gates": Gating(epochs=EPOCHS, path="fade"),
}


SIZES = {"sampled gates": 16, "sampled gates, late": 16, "distilled gates": 16, "faded gates": 17}
"""Images in a batch where an epoch needs more steps: gates are sampled in some, or estimated in the last sixteen."""

HOOKED = ("train_once", "sampled gates", "faded gates")
"""What acts by hooks on modules, which compiled code would not notice when they change: it is left as it is written."""


@dataclass(frozen=True)
class Way:
    """A way to take steps, how many of its own it has taken, and why it takes none if it is refused."""

    steps: StepsOf
    taken: Callable[[], int]
    refusals: tuple[str, ...]


def captured(refused: bool) -> Way:
    tape = Tape(refuses=refused)
    return Way(lambda trial: _capturing(tape, trial), lambda: tape.replayed, ("this device records nothing",))


def compiled(refused: bool) -> Way:
    traced = Traced(refuses=refused)
    return Way(lambda _: _compiling(traced, plainly), lambda: traced.called, ("no compiler is installed",))


def both(refused: bool) -> Way:
    """Capture the steps of a compiled network."""
    first, second, tape = captured(refused), compiled(refused), Tape(refuses=refused)
    traced = Traced(refuses=refused, tracer=symbolic_trace)  # torch.compile does not run where a tape records
    return Way(
        lambda trial: _compiling(traced, _capturing(tape, trial)),
        lambda: min(tape.replayed, traced.called),
        (*first.refusals, *second.refusals),
    )


def _capturing(tape: Tape, trial: LiveTrial) -> Steps:
    return CapturedSteps(tape, lambda: trial.masks.pattern)


def _compiling(traced: Traced, steps: Steps) -> Steps:
    return CompiledSteps(steps, "always", lambda: 0.0, traced)


WAYS = {"captured": captured, "compiled": compiled, "both": both}


@pytest.mark.parametrize(
    ("way", "name"),
    [
        *(("captured", name) for name in DURING),
        *(("compiled", name) for name in ("nothing", "gradual", "greg", "tying", "sampled gates")),
        *(("both", name) for name in ("nothing", "gradual", "sampled gates")),
    ],
)
def test_the_network_is_that_of_plain_steps(way: str, name: str, tmp_path: Path) -> None:
    size = SIZES.get(name, 48)
    companion, chosen = doing(DURING[name]), WAYS[way](refused=False)
    assert_same(run(tmp_path, companion, size=size), run(tmp_path, companion, chosen.steps, size=size))
    assert (chosen.taken() > 0) is not (name in HOOKED and way != "captured")


@pytest.mark.parametrize("way", WAYS)
def test_a_layer_that_is_replaced_is_trained(way: str, tmp_path: Path) -> None:
    assert_same(run(tmp_path, Dropping), run(tmp_path, Dropping, WAYS[way](refused=False).steps))


@pytest.mark.parametrize("way", WAYS)
def test_what_is_refused_is_trained_plainly_and_the_log_says_why_once(
    way: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    refused = WAYS[way](refused=True)
    with caplog.at_level(logging.INFO):
        trained = run(tmp_path, doing(GrowPenalty(HALF)), refused.steps)
    assert_same(run(tmp_path, doing(GrowPenalty(HALF))), trained)
    assert refused.taken() == 0
    assert [caplog.text.count(why) for why in refused.refusals] == [1] * len(refused.refusals)
