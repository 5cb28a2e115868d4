"""The sampled path: at which price structures stay, how their probabilities move, and what is deleted."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainables.stages import a_trial, run_epoch, run_step
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.pairs import filled, kept_of, pair
from trainables.gates.sampling import STEEPEST, STEERED, SampledPath
from trainables.recipes.gating import Gating

END = 100


def a_path(folder: Path, *, late: bool = False, **own: Any) -> SampledPath:
    """Begin a path on a fresh network; `own` are fields of its gating."""
    gating = Gating(**{"epochs": 4, "every": 1, "warmup": 0.0, **own})
    return SampledPath(GatedNetwork(gating, a_trial(folder)), END, late=late)


def moved(path: SampledPath, worth: Tensor | float, *, step: int, theta: float | None = None) -> Tensor:
    """Return by how much the units' probabilities move in a step of the schedule, of structures that are worth this."""
    network = path._network
    if theta is not None:
        path._theta = filled(network.sizes, theta, 1.0)
    units = worth if isinstance(worth, Tensor) else torch.full((network.sizes[0],), worth, dtype=torch.float64)
    before = path._theta[0]
    with pytest.MonkeyPatch.context() as as_if_measured:
        as_if_measured.setattr(path._worth, "difference", lambda: (units, torch.zeros(network.sizes[1])))
        path._move(step)
    return path._theta[0] - before


@pytest.mark.parametrize("budget", [0.2, 0.5, 0.8])
def test_what_stays_at_the_price_of_a_budget_meets_it_and_one_structure_more_would_not(
    budget: float, tmp_path: Path
) -> None:
    path = a_path(tmp_path, target_macs=budget)
    network = path._network
    ones = filled(network.sizes, 1.0, 1.0)
    slopes = network.slopes(ones)
    worth = pair(-torch.rand(len(part), generator=torch.manual_seed(0), dtype=torch.float64) for part in ones)
    price = path._price_of(budget, worth, slopes)
    merits = pair(-w / s for w, s in zip(worth, slopes, strict=True))
    assert network.share(pair(merit > price for merit in merits)) <= budget
    assert network.share(pair(merit >= price for merit in merits)) > budget


def test_the_price_follows_a_plan_and_is_as_much_ahead_of_it_as_the_network_lags_behind(tmp_path: Path) -> None:
    path = a_path(tmp_path, target_macs=0.5)
    network = path._network
    ones = filled(network.sizes, 1.0, 1.0)
    slopes = network.slopes(ones)
    worth = pair(-torch.rand(len(part), generator=torch.manual_seed(1), dtype=torch.float64) for part in ones)
    target = path._price_of(0.5, worth, slopes)
    assert path._prices(0.0, worth, slopes) == (path._price_of(1.0, worth, slopes), target)
    halfway = STEERED / 2  # where a quarter should be gone, and nothing is
    assert path._prices(halfway, worth, slopes)[0] == target
    path._theta = pair(part.clone() for part in path._theta)
    path._theta[0][::2] = 0.0
    lag = network.share(path._rounded()) - 0.75
    assert path._prices(halfway, worth, slopes)[0] == path._price_of(0.75 - max(0.0, lag), worth, slopes)
    late = path._prices(1.0, worth, slopes)
    assert late == (late[0], late[0])


def test_a_useless_structure_falls_by_a_step_of_its_own_price_and_none_faster_than_three(tmp_path: Path) -> None:
    path = a_path(tmp_path, nu=0.5, ramp=0.0, initial=1.0, highest=1.0, travel=0.2, settle=0.0)
    pace = 1 / (0.2 * END)
    assert moved(path, 0.0, step=0, theta=1.0).tolist() == pytest.approx([-pace] * path._network.sizes[0])
    harmful = moved(path, 1e6, step=0, theta=1.0)
    assert harmful.tolist() == pytest.approx([-STEEPEST * pace] * path._network.sizes[0])


def test_a_structure_that_is_worth_its_price_rests_until_it_is_pressed_to_its_nearer_end(tmp_path: Path) -> None:
    path = a_path(tmp_path, nu=0.5, ramp=0.0)
    for theta in (0.3, 0.7):
        for step in (0, END // 2, END - 1):
            path._theta = filled(path._network.sizes, theta, 1.0)
            worth = -0.5 * path._network.slopes(path._theta)[0]
            steps = moved(path, worth, step=step, theta=theta)
            if step == END - 1:
                assert (steps.sign() == (1 if theta > 0.5 else -1)).all()
            else:
                assert steps.abs().max() < 1e-12


def test_a_price_that_is_still_nothing_moves_nothing(tmp_path: Path) -> None:
    path = a_path(tmp_path, nu=0.0)
    assert moved(path, 0.0, step=END // 2).abs().max() == 0


def test_while_it_trains_no_more_is_shut_than_the_budget_allows(tmp_path: Path) -> None:
    path = a_path(tmp_path, target_macs=0.4)
    sizes = path._network.sizes
    path._theta, path._speed = filled(sizes, path._gating.lowest, 1.0), filled(sizes, 1.0, 0.0)
    assert torch.cat(path._shut()).all()
    few = torch.zeros(sizes[0], dtype=torch.bool)
    few[:4] = True
    path._theta = (torch.where(few, path._gating.lowest, 0.9).double(), path._theta[1])
    assert path._shut()[0].equal(~few)
    for speed in (-1.0, 0.0):  # at the lowest, but rising or at rest
        path._speed = filled(sizes, speed, 0.0)
        assert path._shut()[0].all()


def test_the_projected_cost_is_that_of_all_probabilities_going_on_as_they_do(tmp_path: Path) -> None:
    path = a_path(tmp_path, every=5)
    dense = path.projected()
    assert dense.macs == path._network.dense[0]
    path._step = END // 2
    sizes = path._network.sizes
    falls = torch.arange(sizes[0]) % 2 == 0
    path._theta = filled(sizes, 0.9, 1.0)
    path._speed = (falls.double() * 0.5 / (END // 2 / 5), filled(sizes, 0.0, 0.0)[1])
    kept = path._network.rounding.at_half(torch.where(falls, 0.4, 0.9).double(), path._theta[1])
    assert path.projected() == path._network.expected.at(*kept)
    assert path.projected().macs < dense.macs


def test_what_is_left_after_a_deletion_keeps_its_probability_speed_and_scale(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    path._theta = (torch.linspace(0.2, 0.9, path._network.sizes[0], dtype=torch.float64), path._theta[1])
    scale, theta = path._scale, path._theta
    kept = (theta[0] > 0.25, torch.ones(path._network.sizes[1], dtype=torch.bool))
    assert not kept[0].all()
    path._delete(kept)
    assert path._network.sizes[0] == int(kept[0].sum())
    assert path._theta[0].equal(kept_of(theta, kept)[0])
    assert path._scale[0].equal(kept_of(scale, kept)[0])


def test_a_path_goes_on_from_its_state_as_it_would_have_and_from_one_of_before_prices_were_kept(tmp_path: Path) -> None:
    own: dict[str, Any] = {"nu": 0.01, "ramp": 0.3}  # by which nothing is deleted yet
    whole = a_path(tmp_path / "whole", **own)
    run_epoch(whole, whole._trial)
    state = whole.state_dict()
    rest = a_path(tmp_path / "rest", **own)
    rest.load_state_dict(state)
    assert rest.projected() == whole.projected()
    assert rest._price == whole._price
    assert 0 < rest._price < 0.01
    assert torch.cat(rest._rounded()).equal(torch.cat(whole._rounded()))
    older = a_path(tmp_path / "older", **own)
    older.load_state_dict({name: value for name, value in state.items() if name != "price"})
    assert older._price == 0.01
    assert torch.cat(older._theta).equal(torch.cat(whole._theta))


def test_what_is_learnt_late_moves_probabilities_as_far_and_nothing_is_left_on_its_way(tmp_path: Path) -> None:
    """No weight moves, so that all steps see the same network, and gates are sampled in one of three."""
    own: dict[str, Any] = {"nu": 0.01, "every": 3, "warmup": 0.0}
    prompt, late = a_path(tmp_path / "prompt", **own), a_path(tmp_path / "late", late=True, **own)
    for images, labels in list(prompt._trial.batches())[:4]:
        for path in (prompt, late):
            run_step(path, path._trial, images, labels)
        assert not torch.cat(late._theta).equal(torch.cat(prompt._theta))
    late.after_epoch()
    prompt.after_epoch()
    assert torch.cat(late._theta).equal(torch.cat(prompt._theta))
    assert float(late._theta[0].min()) < late._gating.initial
