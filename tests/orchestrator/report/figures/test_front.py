"""The front among all trials."""

from dataclasses import replace

import pytest

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.chart import Chart, Label, Line, Points
from orchestrator.report.figures import front_figure
from orchestrator.report.figures.front import is_unpruned
from orchestrator.results.front import Objectives
from orchestrator.results.trials import Trials
from tests.orchestrator.example import DENSE, OBJECTIVES, told_trial, told_trials
from tests.orchestrator.report.figures.drawn_layers import drawn_trials, line_of, points_of

THREE: Objectives = {**OBJECTIVES, "params": "minimize"}


def chart(records: list[TrialRecord], objectives: Objectives = OBJECTIVES, *, closely: bool = True) -> Chart:
    (drawn,) = front_figure(Trials(records, objectives), "macs", "accuracy", closely=closely).charts
    return drawn


def test_only_eligible_trials_are_filled_and_partial_ones_stand_at_their_projected_cost() -> None:
    stopped, refused = told_trial(4), replace(told_trial(2), feasible=False)
    drawn = chart([told_trial(0), told_trial(1), stopped, refused])
    assert drawn_trials(drawn, hollow=False) == {0, 1}
    assert drawn_trials(drawn, hollow=True) == {2, 4}
    (place,) = [
        (x, y)
        for layer in drawn.layers
        if isinstance(layer, Points) and layer.is_hollow and layer.paradigm
        for x, y, trial in zip(layer.xs, layer.ys, layer.trials, strict=True)
        if trial == stopped.trial
    ]
    assert place == (stopped.curve[-1].macs_projected, stopped.curve[-1].accuracy)


def test_a_failed_or_running_trial_is_not_drawn() -> None:
    running = replace(told_trial(3), state=State.RUNNING)
    assert not drawn_trials(chart([told_trial(6), running, replace(told_trial(4), curve=())]), hollow=True)


def test_members_are_ringed_and_two_objectives_have_a_border() -> None:
    records = told_trials(4)
    drawn = chart(records)
    assert set(points_of(drawn, "on the front").trials) == {0, 1, 2, 3}
    border = line_of(drawn, "the front")
    assert border.is_step
    assert list(border.xs) == sorted(border.xs)
    assert not [
        layer for layer in chart(records, THREE).layers if isinstance(layer, Line) and layer.name == "the front"
    ]


def test_the_border_over_what_is_maximised_goes_from_the_right() -> None:
    trials = Trials(told_trials(4), {"loss": "minimize", "accuracy": "maximize"})
    (drawn,) = front_figure(trials, "accuracy", "loss").charts
    xs = line_of(drawn, "the front").xs
    assert list(xs) == sorted(xs, reverse=True)


def test_the_dense_network_is_a_star_and_its_cost_a_line() -> None:
    drawn = chart(told_trials(4))
    assert points_of(drawn, "dense network, the reference").trials == (0,)
    assert line_of(drawn, "the dense network's cost").xs == (DENSE["macs"], DENSE["macs"])


def test_without_a_dense_trial_the_best_network_that_nothing_was_pruned_of_is_marked() -> None:
    unpruned = replace(told_trial(0), paradigm="magnitude")
    labels = [layer for layer in chart([unpruned, told_trial(1)]).layers if isinstance(layer, Label)]
    assert [(label.y, label.text) for label in labels] == [(0.99, "best without pruning")]
    assert is_unpruned(unpruned)
    assert not is_unpruned(told_trial(1))


def test_the_closer_view_shows_what_is_nearly_as_good_as_the_best() -> None:
    accuracies = (0.99, 0.97, 0.95, 0.3)
    records = [
        replace(told_trial(n), metrics={**told_trial(n).metrics, "accuracy": accuracy})
        for n, accuracy in enumerate(accuracies)
    ]
    close, all_of_it = (chart(records, closely=closely).y for closely in (True, False))
    assert [close.holds(accuracy) for accuracy in accuracies] == [True, True, True, False]
    assert all(all_of_it.holds(accuracy) for accuracy in accuracies)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_costs_that_span_decades_have_a_logarithmic_axis(count: int) -> None:
    assert chart(told_trials(count), closely=False).x.logarithmic == (count == 40)


def test_several_seeds_make_a_cross_from_their_mean() -> None:
    again = replace(told_trial(1), trial=9, seed=7, metrics={**told_trial(1).metrics, "accuracy": 0.97})
    drawn = chart([told_trial(0), told_trial(1), again])
    across = line_of(drawn, "mean and 95 % interval over seeds")
    assert across.ys[0] == pytest.approx((told_trial(1).metrics["accuracy"] + 0.97) / 2)
    _, up = [layer for layer in drawn.layers if isinstance(layer, Line) and layer.xs == (across.xs[0],) * 2]
    assert all(map(drawn.y.holds, up.ys))  # two seeds have an interval that is wider than the axis
    assert not [layer for layer in chart(told_trials(4)).layers if isinstance(layer, Line) and layer.color == "ink"][1:]


def test_by_the_mean_each_configuration_is_one_point_and_the_front_is_that_of_the_means() -> None:
    lucky, again = (
        replace(told_trial(1), trial=number, seed=number, metrics={**told_trial(1).metrics, "accuracy": accuracy})
        for number, accuracy in ((1, 0.999), (9, 0.5))
    )
    trials = Trials([told_trial(0), lucky, again], OBJECTIVES)
    (single,) = front_figure(trials, "macs", "accuracy").charts
    (means,) = front_figure(trials, "macs", "accuracy", by_mean=True, closely=False).charts
    assert drawn_trials(single, hollow=False) == {0, 1, 9}
    assert drawn_trials(means, hollow=False) == {0, 1}
    (mean,) = [
        y for layer in means.layers if isinstance(layer, Points) and layer.paradigm == "magnitude" for y in layer.ys
    ]
    assert mean == pytest.approx((0.999 + 0.5) / 2)
    assert all(layer.are_means for layer in means.layers if isinstance(layer, Points))
    assert line_of(means, "mean and 95 % interval over seeds")
    (filtered,) = front_figure(trials, "macs", "accuracy", by_mean=True, only={9}).charts
    assert drawn_trials(filtered, hollow=False) == {1}  # named by its first trial, shown for its second
