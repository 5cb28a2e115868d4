import itertools
import math
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import (
    Growth,
    Objectives,
    box,
    hypervolume,
    hypervolume_over_trials,
    in_order_told,
    is_dominated,
    is_eligible,
    non_dominated,
    pareto_front,
    spread,
)
from tests.orchestrator.drawn import studies

TWO: Objectives = {"accuracy": "maximize", "macs": "minimize"}
THREE: Objectives = {**TWO, "params": "minimize"}
OBJECTIVES = st.sampled_from([TWO, THREE, {"macs": "minimize", "accuracy": "maximize"}, {"accuracy": "maximize"}])


def points(objectives: int, largest: int = 12, values: int = 5) -> st.SearchStrategy[np.ndarray]:
    row = st.tuples(*[st.integers(0, values)] * objectives)
    return st.lists(row, max_size=largest).map(lambda rows: np.array(rows, dtype=float).reshape(-1, objectives))


def whole(trial: int, accuracy: float, macs: float, **extra: float) -> TrialRecord:
    metrics = {"accuracy": accuracy, "macs": macs, **extra}
    return TrialRecord(
        study="s", trial=trial, paradigm="dense", state=State.COMPLETE, seed=0, fidelity=1.0, metrics=metrics
    )


def dominates(a: TrialRecord, b: TrialRecord, objectives: Objectives) -> bool:
    gains = [
        (a.metrics[name] - b.metrics[name]) * (1 if direction == "maximize" else -1)
        for name, direction in objectives.items()
    ]
    return min(gains) >= 0 and max(gains) > 0


def beats(a: np.ndarray, b: np.ndarray) -> bool:
    return bool((a <= b).all() and (a < b).any())


@given(st.integers(1, 4).flatmap(points))
def test_non_dominated_points_are_those_that_no_other_beats_each_once(drawn: np.ndarray) -> None:
    best = {tuple(point) for point in drawn if not any(beats(other, point) for other in drawn)}
    assert non_dominated(drawn).tolist() == [list(point) for point in sorted(best)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30), st.integers(1, 12))
def test_a_front_that_is_too_long_is_shown_by_members_that_differ(values: list[tuple[int, int]], count: int) -> None:
    front = pareto_front([whole(trial, *value) for trial, value in enumerate(values)], TWO)
    kept = spread(front, TWO, count)
    numbers = [record.trial for record in kept]
    assert numbers == [record.trial for record in front if record.trial in numbers]
    assert len(kept) == min(count, len(front))
    assert kept[:1] == front[:1]
    different = [len({(r.metrics["accuracy"], r.metrics["macs"]) for r in some}) for some in (front, kept)]
    assert different[1] == min(count, different[0])


@given(studies(), OBJECTIVES)
def test_no_member_of_the_front_is_dominated_and_every_other_whole_trial_is(
    records: list[TrialRecord], objectives: Objectives
) -> None:
    front = pareto_front(records, objectives)
    candidates = [record for record in records if is_eligible(record, objectives)]
    for record in records:
        beaten = any(dominates(other, record, objectives) for other in candidates) if record in candidates else True
        assert (record in front) == (not beaten)


@given(studies(), OBJECTIVES)
def test_nothing_partial_infeasible_or_incomplete_is_on_the_front(
    records: list[TrialRecord], objectives: Objectives
) -> None:
    for record in pareto_front(records, objectives):
        assert record.state is State.COMPLETE
        assert record.feasible
        assert record.fidelity == 1
        assert all(math.isfinite(record.metrics[objective]) for objective in objectives)


@given(studies(), OBJECTIVES, st.randoms(use_true_random=False))
def test_the_front_does_not_depend_on_the_order_of_records(
    records: list[TrialRecord], objectives: Objectives, chance: random.Random
) -> None:
    shuffled = chance.sample(records, len(records))
    assert pareto_front(shuffled, objectives) == pareto_front(records, objectives)


@given(studies(), OBJECTIVES)
def test_the_front_is_sorted_from_the_best_of_the_first_objective(
    records: list[TrialRecord], objectives: Objectives
) -> None:
    first, direction = next(iter(objectives.items()))
    values = [record.metrics[first] for record in pareto_front(records, objectives)]
    assert values == sorted(values, reverse=direction == "maximize")


def test_trials_with_equal_values_share_the_front() -> None:
    front = pareto_front([whole(2, 0.9, 10), whole(1, 0.9, 10), whole(0, 0.8, 10)], TWO)
    assert [record.trial for record in front] == [1, 2]


def test_a_trial_stopped_early_never_reaches_the_front_however_good_it_looks() -> None:
    brilliant = replace(whole(0, 1.0, 1.0), state=State.PRUNED, fidelity=0.3)
    assert pareto_front([brilliant, replace(brilliant, state=State.COMPLETE), whole(1, 0.5, 100)], TWO) == [
        whole(1, 0.5, 100)
    ]


@given(st.integers(1, 4).flatmap(lambda k: points(k, largest=7, values=4)))
def test_the_hypervolume_counts_exactly_the_dominated_cells_of_a_grid(losses: np.ndarray) -> None:
    corner = np.full(losses.shape[1], 4.0)
    cells = np.array(list(itertools.product(range(4), repeat=losses.shape[1])))
    dominated = [cell for cell in cells if any((point <= cell).all() for point in losses)]
    assert hypervolume(losses, corner) == pytest.approx(len(dominated))


def test_a_point_beyond_the_reference_adds_only_what_lies_within() -> None:
    assert hypervolume([[0.0, 2.0]], [1.0, 1.0]) == 0
    assert hypervolume([[0.5, 0.5], [0.0, 2.0]], [1.0, 1.0]) == pytest.approx(0.25)


@given(studies(), OBJECTIVES)
def test_the_hypervolume_over_trials_never_falls_and_is_a_share(
    records: list[TrialRecord], objectives: Objectives
) -> None:
    volumes = hypervolume_over_trials(records, objectives)
    assert len(volumes) == len(in_order_told(records))
    assert volumes == sorted(volumes)
    assert all(0 <= volume <= 1 + 1e-9 for volume in volumes)


@given(studies())
def test_early_hypervolumes_stay_as_they_are_when_later_trials_arrive(records: list[TrialRecord]) -> None:
    told = in_order_told(records)
    earlier = told[: len(told) // 2]
    reports_dense = any(is_eligible(record, TWO) for record in earlier)
    expected = hypervolume_over_trials(told, TWO)[: len(earlier)]
    assert hypervolume_over_trials(earlier, TWO) == (pytest.approx(expected) if reports_dense else [0.0] * len(earlier))


def test_the_hypervolume_is_the_share_of_the_box_up_to_the_dense_network() -> None:
    records = [whole(0, 0.5, 50, macs_dense=100), whole(1, 1.0, 100, macs_dense=100), whole(2, 1.0, 0, macs_dense=100)]
    assert hypervolume_over_trials(records, TWO) == pytest.approx([0.25, 0.25, 1.0])
    assert box(records, TWO) == {"accuracy": (0, 1), "macs": (100, 0)}


def test_without_a_dense_network_the_reference_is_the_worst_value() -> None:
    records = [whole(0, 0.5, 50), whole(1, 1.0, 80)]
    assert box(records, TWO) == {"accuracy": (0, 1), "macs": (80, 0)}


def test_importing_the_front_imports_no_heavy_library() -> None:
    heavy = "{'torch', 'ray', 'mlflow', 'optuna', 'pyarrow'}"
    code = f"import sys, orchestrator.results.front; print({heavy} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


@given(st.integers(1, 4).flatmap(lambda k: points(k, largest=5, values=4)))
def test_dominance_is_a_strict_partial_order(losses: np.ndarray) -> None:
    verdicts = [first_dominates(a, b) for a in losses for b in losses]
    beats = np.array(verdicts, dtype=bool).reshape(len(losses), len(losses))
    assert not beats.diagonal().any()
    assert not (beats & beats.T).any()
    assert not ((beats.astype(int) @ beats.astype(int) > 0) & ~beats).any()


def first_dominates(one: np.ndarray, other: np.ndarray) -> bool:
    """Ask the front which of two points it keeps."""
    return is_dominated(other, np.array([one]))


@given(st.integers(1, 4).flatmap(lambda k: points(k, largest=5, values=4)))
def test_the_hypervolume_is_that_of_inclusion_and_exclusion(losses: np.ndarray) -> None:
    corner, volume = np.full(losses.shape[1], 4.0), 0.0
    for size in range(1, len(losses) + 1):
        for chosen in itertools.combinations(losses, size):
            volume -= (-1) ** size * float(np.prod(np.maximum(corner - np.max(chosen, axis=0), 0)))
    assert hypervolume(losses, corner) == pytest.approx(volume)


@given(st.integers(1, 4).flatmap(points), st.randoms(use_true_random=False))
def test_the_hypervolume_never_falls_with_a_point_and_knows_neither_order_nor_duplicates(
    losses: np.ndarray, chance: random.Random
) -> None:
    corner = np.full(losses.shape[1], 4.0)
    volume = hypervolume(losses, corner)
    shuffled = losses[chance.sample(range(len(losses)), len(losses))]
    assert hypervolume(np.concatenate([shuffled, losses]), corner) == pytest.approx(volume)
    assert all(hypervolume(losses[:number], corner) <= volume + 1e-9 for number in range(len(losses)))


@given(studies())
def test_volumes_that_are_continued_are_those_of_all_trials(records: list[TrialRecord]) -> None:
    growth = Growth(TWO)
    for count in (len(records) // 2, len(records), len(records) // 3, len(records)):
        some = in_order_told(records)[:count]
        assert growth.volumes(some) == hypervolume_over_trials(some, TWO)
