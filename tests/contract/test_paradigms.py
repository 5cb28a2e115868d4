"""What every paradigm, own or third-party, must do."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

import search_spaces
from tests.conftest import Interrupted, MemoryContext, computed
from trainables import paradigms
from trainables.checkpoint import CHECKPOINT
from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.expected_complexity import expected_complexity
from trainables.masking.sparse_state import unpack
from trainables.recipes.recipe import training_epochs
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.trial import run_trial

EPOCHS = 6
DOCS = Path(__file__).parents[2] / "docs"
RESIDUAL = ("consensus", "layer_only")
"""Paradigms that need residual blocks; all others are run on the smallest network."""

QUICK: Mapping[str, Mapping[str, Any]] = {
    "equilibrium": {"channels": 4, "evaluations": 6, "iterations": 2},
    "width_search": {"networks": 10, "rounds": 1, "trained": 3, "trained_epochs": 1},
}
"""What makes the trials of a paradigm quick that brings its own network, or measures many."""

STILL_MOVING = ("set", "rigl", "edge_popup", "dst")
"""Paradigms whose masks move up to the end, or nearly."""

GROWING = ("channel_search", "network_adjustment", "width_search")
"""Paradigms whose network may end up larger than the dense one."""

ADDING = ("manifold_dynamic",)
"""Paradigms whose networks keep parts that the dense one does not have."""

every_paradigm = pytest.mark.parametrize("name", paradigms.names(), scope="module")
"""One after the other, so that a process that has a part of these tests trains what that part is about."""


def digits(name: str, **hyperparameters: Any) -> TrialSpec:
    return TrialSpec(
        data=DataSpec(name="digits", subset=160),
        model=ModelSpec(name="resnet20" if name in RESIDUAL else "digits_cnn"),
        training=TrainingSpec(lr=0.1, batch_size=64),
        paradigm=name,
        hyperparameters={**QUICK.get(name, {}), **hyperparameters},
        epochs=EPOCHS,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], MemoryContext]:
    """Return a paradigm's trial that nothing interrupted; it is run once for all tests."""
    ended: dict[str, MemoryContext] = {}

    def trial(name: str) -> MemoryContext:
        if name not in ended:
            context = MemoryContext(tmp_path_factory.mktemp("whole"))
            run_trial(digits(name), context)
            ended[name] = context
        return ended[name]

    return trial


@every_paradigm
def test_a_paradigm_says_what_it_is(name: str) -> None:
    paradigm = paradigms.find(name)
    assert paradigm.axes
    assert paradigm.source
    assert {field.name for field in fields(paradigm)} == set(paradigm.hyperparameters())
    assert all(domain.doc for domain in paradigm.hyperparameters().values())


@every_paradigm
def test_recipes_spend_at_most_the_budget(name: str) -> None:
    for epochs in range(EPOCHS, 40, 7):
        assert 0 < training_epochs(paradigms.find(name)().recipe(epochs)) <= epochs


@every_paradigm
def test_values_outside_their_domain_and_unknown_names_are_refused(name: str) -> None:
    paradigm = paradigms.find(name)
    with pytest.raises(InvalidValue, match="unknown key"):
        paradigm.create({"no_such_hyperparameter": 1})
    for key, domain in paradigm.hyperparameters().items():
        with pytest.raises(InvalidValue, match=key):
            paradigm.create({key: "no such choice" if domain.choices else math.inf if domain.high else -math.inf})


@every_paradigm
def test_the_search_space_lies_inside_the_paradigm_s_domain(name: str) -> None:
    paradigm = paradigms.find(name)
    for key, dimension in search_spaces.find(name).items():
        distribution = dimension.distribution
        if isinstance(distribution, CategoricalDistribution):
            ends = distribution.choices
        else:
            assert isinstance(distribution, FloatDistribution | IntDistribution)
            ends = (distribution.low, distribution.high)
        for end in ends:
            assert paradigm.hyperparameters()[key].accepts(end)  # type: ignore[arg-type]
        assert set(dimension.when) <= set(search_spaces.find(name))


@every_paradigm
def test_a_trial_reports_every_epoch_and_measures_the_final_network(
    name: str, whole: Callable[[str], MemoryContext]
) -> None:
    context = whole(name)
    epochs = [report.epoch for report in context.reports]
    fidelities = [report.fidelity for report in context.reports]
    assert epochs == list(range(1, len(epochs) + 1))
    assert fidelities == sorted(fidelities)
    assert [fidelity == 1 for fidelity in fidelities] == [False] * (len(epochs) - 1) + [True]
    last = context.reports[-1].metrics
    assert all(math.isfinite(value) for value in last.values())
    for cost in ("macs", "params"):
        assert last[f"{cost}_effective"] <= last[f"{cost}_physical"]
        assert last[f"{cost}_physical"] <= last[f"{cost}_dense"] or name in GROWING + ADDING
    assert all(not report.metrics for report in context.reports[:-1])


@every_paradigm
def test_who_is_judged_has_come_to_the_size_it_says(name: str, whole: Callable[[str], MemoryContext]) -> None:
    context = whole(name)
    judged_from = paradigms.find(name)().judged_from(EPOCHS)
    judged = [report for report in context.reports if report.fidelity >= judged_from]
    final = context.reports[-1].metrics["macs"]
    if name in STILL_MOVING:
        assert judged
    else:
        assert [report.macs_projected for report in judged] == pytest.approx([final] * len(judged))


@every_paradigm
def test_an_interrupted_trial_ends_in_the_same_network(
    name: str, tmp_path: Path, whole: Callable[[str], MemoryContext]
) -> None:
    first, uninterrupted = MemoryContext(tmp_path / "first", stop_after=1), whole(name)
    with pytest.raises(Interrupted):
        run_trial(digits(name), first)
    middle, last = len(uninterrupted.reports) // 2, len(uninterrupted.reports) - 1
    saved = {1: first.checkpoints[-1], **{epoch: uninterrupted.checkpoints[epoch - 1] for epoch in (middle, last)}}
    for epochs, checkpoint in saved.items():
        second = MemoryContext(tmp_path / f"second{epochs}", resume_from=checkpoint)
        run_trial(digits(name), second)
        assert [report.epoch for report in second.reports] == [r.epoch for r in uninterrupted.reports[epochs:]]
        expected, resumed = load(uninterrupted.checkpoints[-1]), load(second.checkpoints[-1])
        assert expected.keys() == resumed.keys()
        assert all(torch.equal(expected[key], resumed[key]) for key in expected)
        assert computed(second.reports[-1]) == computed(uninterrupted.reports[-1])


def load(checkpoint: Path) -> dict[str, torch.Tensor]:
    return unpack(torch.load(checkpoint / CHECKPOINT, weights_only=True)["model"])


@every_paradigm
def test_what_it_measures_beside_what_dense_does_is_explained(name: str, whole: Callable[[str], MemoryContext]) -> None:
    measured = whole(name).reports[-1].metrics.keys() - whole("dense").reports[-1].metrics.keys()
    named = set(re.findall(r"`(\w+)", "".join(page.read_text() for page in DOCS.glob("*.md"))))
    assert {metric.split(".")[0] for metric in measured} <= named


@every_paradigm
@pytest.mark.parametrize("epochs", range(1, EPOCHS))
def test_a_budget_is_kept_or_refused_in_terms_of_epochs(name: str, epochs: int) -> None:
    spent, reason = spent_or_refused(name, epochs)
    assert spent <= epochs
    assert (spent > 0) != ("epoch" in reason)


def spent_or_refused(name: str, epochs: int) -> tuple[float, str]:
    try:
        return training_epochs(paradigms.find(name)().recipe(epochs)), ""
    except InfeasibleTrial as error:
        return 0, str(error)


@every_paradigm
def test_a_trial_resumed_after_its_training_repeats_its_last_report(
    name: str, tmp_path: Path, whole: Callable[[str], MemoryContext]
) -> None:
    first = whole(name)
    second = MemoryContext(tmp_path / "second", resume_from=first.checkpoints[-1])
    run_trial(digits(name), second)
    assert second.reports == [first.reports[-1]]


FORETOLD = ("dense", "edge_popup", "equilibrium", "manifold_network", "orthp", "random", "rigl", "set")
"""Paradigms whose cost is known exactly with their defaults."""

LEARNED = (
    "channel_search",
    "complexity_aware",
    "consensus",
    "dst",
    "layer_only",
    "network_adjustment",
    "manifold_dynamic",
    "polarization",
    "unit_only",
    "width_search",
)
"""Paradigms whose cost training decides, with their defaults; of all others a range is known."""


@every_paradigm
def test_what_is_expected_of_the_cost_is_what_the_trial_measures(
    name: str, whole: Callable[[str], MemoryContext]
) -> None:
    measured, expected = whole(name).reports[-1].metrics, expected_complexity(digits(name))
    if name in FORETOLD:
        assert all(bounds.is_exact for bounds in expected.values())
    assert bool(expected) == (name not in LEARNED)
    assert {key: measured[key] for key, bounds in expected.items() if not bounds.contains(measured[key])} == {}
