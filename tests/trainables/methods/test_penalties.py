"""Growing penalties: how they grow, what they push, and that exactly that is pruned."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.conftest import MemoryContext
from tests.trainables.stages import Watched, a_trial, copied
from tests.trainables.tiny_networks import ARCHITECTURES
from trainables.methods.penalties import GrowingPenalty, penalty_at
from trainables.methods.pruning import masks_under
from trainables.recipes.in_training import GrowPenalty
from trainables.recipes.recipe import Prune, Train
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, TrialSpec, Value
from trainables.state import LiveTrial
from trainables.training.companion import Companion
from trainables.training.optimizers import optimizer_for
from trainables.trial import run_trial

WEIGHTS = Prune(0.2)
FILTERS = Prune(0.5, granularity="filter")
pieces = pytest.mark.parametrize("final", [WEIGHTS, FILTERS], ids=["weights", "filters"])


@given(st.floats(0, 0.5), st.lists(st.floats(0, 1), min_size=2).map(sorted))
def test_the_penalty_grows_to_its_ceiling_and_stays(pick: float, times: list[float]) -> None:
    rule = GrowPenalty(WEIGHTS, ceiling=2.0, pick=pick, pick_ceiling=0.1, settle=0.2)
    factors = [penalty_at(time, rule) for time in times]
    assert factors == sorted(factors)
    assert penalty_at(0, rule) == pytest.approx(0)
    assert penalty_at(pick, rule) == pytest.approx(0.1 if pick else 0)
    assert penalty_at(0.8, rule) == penalty_at(1, rule) == pytest.approx(2.0)
    assert penalty_at(0.79, rule) < 2.0


@pieces
def test_only_what_is_to_be_pruned_is_penalised(final: Prune, tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    companion, before = _with_gradients(trial, GrowPenalty(final), step=5)
    companion.before_step()
    doomed = {name: mask == 0 for name, mask in masks_under(trial, final).items()}
    for name, parameter in trial.model.named_parameters():
        assert parameter.grad is not None
        added = parameter.grad - before[name]
        where = doomed.get(name, torch.zeros_like(parameter, dtype=torch.bool))
        assert not added[~where].any()
        torch.testing.assert_close(added[where], penalty_at(0.5, GrowPenalty(final)) * parameter.detach()[where])
    assert any(where.any() for where in doomed.values())


def test_greg_2_penalises_all_weights_before_it_chooses(tmp_path: Path) -> None:
    trial, rule = a_trial(tmp_path), GrowPenalty(WEIGHTS, pick=0.5)
    companion, before = _with_gradients(trial, rule, step=3)
    companion.before_step()
    for name, mask in masks_under(trial, WEIGHTS).items():
        parameter = trial.model.get_parameter(name)
        assert parameter.grad is not None
        added = parameter.grad - before[name]
        torch.testing.assert_close(added, penalty_at(0.3, rule) * parameter.detach())
        assert mask.shape == parameter.shape
    assert companion.projected() is None


@pieces
@pytest.mark.parametrize("model", ["digits_cnn", "resnet20"])
def test_exactly_what_was_penalised_is_pruned(model: str, final: Prune, tmp_path: Path) -> None:
    trial = a_trial(tmp_path, model)
    chosen = masks_under(trial, final)
    run_recipe((Train(2, during=GrowPenalty(final)),), trial)
    masks = trial.masks.items()
    assert masks.keys() == chosen.keys()
    assert all(torch.equal(masks[name], chosen[name].to(masks[name])) for name in chosen)
    assert all(not trial.model.get_parameter(name)[mask == 0].any() for name, mask in chosen.items())


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_a_larger_ceiling_leaves_less_to_lose(model: str, tmp_path: Path) -> None:
    left = []
    for ceiling in (1e-3, 1.0, 5.0):
        trial = a_trial(tmp_path, model, lr=0.05)
        run_recipe((Train(4, during=GrowPenalty(WEIGHTS, ceiling=ceiling)),), trial)
        left.append(trial.measured["penalised_left"])
    assert left[0] > left[1] > left[2] > 0


def test_greg_2_chooses_after_its_uniform_penalty(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    chosen_at: list[bool] = []
    rule = GrowPenalty(WEIGHTS, pick=0.5)

    def look(_: LiveTrial) -> None:
        chosen_at.append(inner[0]._chosen)

    inner: list[GrowingPenalty] = []

    class Seen:
        def attach(self, trial: LiveTrial, steps: int) -> Companion:
            inner.append(GrowingPenalty(rule, trial, steps))
            return inner[0]

    run_recipe((Train(2, during=Watched(Seen(), after=look)),), trial)
    assert chosen_at == [False] * 3 + [True] * 3


@pytest.mark.parametrize("variant", ["greg_1", "greg_2"])
@pytest.mark.parametrize("granularity", ["weight", "filter"])
def test_the_projected_cost_is_the_final_one_once_chosen(
    variant: str, granularity: str, context: MemoryContext
) -> None:
    values: dict[str, Value] = {"sparsity": 0.6, "granularity": granularity, "variant": variant}
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=120),
        model=ModelSpec(name="digits_cnn"),
        paradigm="greg",
        hyperparameters=values,
        epochs=6,
    )
    run_trial(spec, context)
    final = context.reports[-1].metrics
    assert {report.macs_projected for report in context.reports[2:]} == {final["macs"]}
    assert {report.params_projected for report in context.reports[2:]} == {final["params"]}
    assert 0 < final["penalised_left"] < 1


def _with_gradients(trial: LiveTrial, rule: GrowPenalty, step: int) -> tuple[GrowingPenalty, dict[str, Tensor]]:
    """Return a companion that stands before step number `step` of 10, with random gradients on the network."""
    trial.optimizer = optimizer_for(trial.model, trial.spec.training)
    companion = GrowingPenalty(rule, trial, 10)
    for _ in range(step):
        companion.before_step()
    for parameter in trial.model.parameters():
        parameter.grad = torch.randn_like(parameter)
    return companion, copied({name: p.grad for name, p in trial.model.named_parameters() if p.grad is not None})
