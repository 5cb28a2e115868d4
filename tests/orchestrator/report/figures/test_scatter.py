"""Trials as points."""

from dataclasses import replace

from orchestrator.report.figures.scatter import measured, points, projected, rings, star
from tests.orchestrator.example import told_trial

DENSE, COMPLETE, PRUNED, FAILED = (told_trial(number) for number in (0, 1, 4, 6))


def test_a_finished_trial_is_placed_by_what_its_network_measures() -> None:
    place = measured("macs", "accuracy")
    assert place(COMPLETE) == (COMPLETE.metrics["macs"], COMPLETE.metrics["accuracy"])
    assert place(PRUNED) is None
    assert measured("macs", "latency")(COMPLETE) is None


def test_a_partial_trial_is_placed_by_its_last_epoch_at_the_cost_of_its_end() -> None:
    last = PRUNED.curve[-1]
    assert projected("macs", "accuracy")(PRUNED) == (last.figure("macs_projected"), last.figure("accuracy"))
    assert projected("accuracy", "params")(PRUNED) == (last.figure("accuracy"), last.figure("params_projected"))


def test_a_trial_that_has_reported_nothing_or_not_that_is_placed_nowhere() -> None:
    assert projected("macs", "accuracy")(replace(PRUNED, curve=())) is None
    assert projected("macs", "auroc")(PRUNED) is None


def test_points_are_those_that_can_be_placed_each_with_its_trial() -> None:
    drawn = points([DENSE, PRUNED, COMPLETE], measured("macs", "accuracy"), "#0072B2", name="ours", size=3.0)
    assert drawn.trials == (0, 1)
    assert drawn.xs == (DENSE.metrics["macs"], COMPLETE.metrics["macs"])
    assert drawn.ys == (DENSE.metrics["accuracy"], COMPLETE.metrics["accuracy"])
    assert (drawn.colors, drawn.name, drawn.size) == (("#0072B2",), "ours", 3.0)


def test_a_ring_says_that_a_trial_is_on_the_front_and_hides_nothing() -> None:
    ring = rings([COMPLETE, FAILED], measured("macs", "accuracy"))
    assert ring.trials == (1,)
    assert ring.is_front
    assert ring.is_hollow
    assert ring.name == "on the front"


def test_the_reference_is_one_star_if_there_is_one() -> None:
    place = measured("macs", "accuracy")
    (mark,) = star(DENSE, place)
    assert (mark.trials, mark.marker, mark.is_front) == ((0,), "*", False)
    assert star(None, place) == []
