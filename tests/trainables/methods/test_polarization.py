"""Polarization: the optimum of its penalty, the valley between its two heaps, and the search for a budget."""

from pathlib import Path

import pytest
import torch

from tests.trainables.stages import a_trial, copied
from trainables.errors import InfeasibleTrial
from trainables.methods.attach import attach
from trainables.methods.polarization import polarization, valley
from trainables.recipes.in_training import Polarize
from trainables.recipes.recipe import Prune, Remove, Rewind, Train
from trainables.runner import run_recipe
from trainables.state import LiveTrial
from trainables.structure.complexity import measure

FREE = Prune(1.0, granularity="filter")
BUDGET = Prune(1.0, granularity="filter", macs=0.5)


@pytest.mark.parametrize("t", [-1.0, 0.0, 0.8, 1.2, 1.6])
@pytest.mark.parametrize("upper", [1.0, 0.5])
def test_the_penalty_is_least_where_the_share_half_minus_t_quarter_is_up(t: float, upper: float) -> None:
    """Appendix A of the paper; against every other share, and against scales drawn at random."""
    least = float(polarization(two_valued(0.5 - t / 4, upper), t))
    assert all(float(polarization(two_valued(share / 400, upper), t)) >= least - 1e-9 for share in range(401))
    generator = torch.Generator().manual_seed(0)
    for sharpness in (1, 3, 10):
        drawn = torch.rand(100, 400, generator=generator, dtype=torch.float64)
        scales = upper * torch.sigmoid(sharpness * (drawn - torch.rand(100, 1, generator=generator)))
        assert min(float(polarization(each, t)) for each in scales) > least


def two_valued(share: float, upper: float) -> torch.Tensor:
    scales = torch.zeros(400, dtype=torch.float64)
    scales[: round(share * 400)] = upper
    return scales


def test_the_order_of_the_scales_does_not_matter() -> None:
    scales = torch.rand(20, dtype=torch.float64)
    shuffled = scales[torch.randperm(20)]
    assert float(polarization(scales, 1.2)) == pytest.approx(float(polarization(shuffled, 1.2)))


def test_the_valley_lies_between_the_heap_at_zero_and_the_others() -> None:
    low, high = 0.01 * torch.rand(50), 0.5 + 0.4 * torch.rand(80)
    cut = valley(torch.cat([low, high]), 1.0)
    assert float(low.max()) < cut <= 0.5
    assert 2 * cut == pytest.approx(valley(2 * torch.cat([low, high]), 2.0))


def test_there_is_no_valley_where_nothing_is_near_zero() -> None:
    assert valley(torch.full((30,), 0.5), 1.0) == 0


def test_a_strong_penalty_polarises_and_filters_of_scale_zero_go(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, lr=0.1)
    before = [group.size for group in trial.groups]
    run_recipe((Train(4, during=Polarize(FREE, strength=0.5)), Remove()), trial)
    after = [group.size for group in trial.groups]
    assert sum(after) < sum(before)
    assert min(after) >= 1
    assert trial.measured["scales_between"] < 0.3
    assert trial.measured["strength"] == 0.5


def test_scales_begin_in_the_middle_and_are_clipped(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    companion = attach(Polarize(FREE), trial, 10)
    scales = trial.model.get_parameter("bn2.weight")
    assert scales.unique().tolist() == [0.5]
    with torch.no_grad():
        scales[0], scales[1] = -0.3, 1.7
    companion.after_step()
    assert (scales[0].item(), scales[1].item()) == (0, 1)


def test_an_interrupted_stage_keeps_its_scales(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    trial.interrupted = {}
    before = copied(trial.model.state_dict())
    attach(Polarize(FREE), trial, 10)
    assert all(torch.equal(value, before[name]) for name, value in trial.model.state_dict().items())


def test_a_budget_is_met_at_the_end(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    dense = share_of(trial, 1)
    run_recipe((Train(2, during=Polarize(BUDGET)), Remove()), trial)
    assert 0.45 < share_of(trial, dense) <= 0.5


def test_probes_halve_the_bracket_and_leave_the_network_whole(tmp_path: Path) -> None:
    trial, probe = a_trial(tmp_path, lr=0.1), Polarize(BUDGET, bracket=(1e-6, 1e2), probe=True)
    run_recipe((Train(1, snapshot_epoch=0.0, during=probe), Rewind()), trial)
    low, high = trial.measured["strength_low"], trial.measured["strength_high"]
    assert (low == pytest.approx(1e-2)) != (high == pytest.approx(1e-2))
    assert low == 1e-6 or high == 1e2
    assert not trial.plan
    trial.position.stage = 0
    run_recipe((Train(1, snapshot_epoch=0.0, during=probe), Rewind()), trial)
    assert trial.measured["strength_high"] / trial.measured["strength_low"] == pytest.approx(1e2)


def share_of(trial: LiveTrial, dense: float) -> float:
    return measure(trial.model, trial.dataset.input_shape).macs / dense


def test_a_network_without_batch_norm_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleTrial, match="mlp has no filters behind which a batch norm"):
        attach(Polarize(FREE), a_trial(tmp_path, "mlp"), 10)
