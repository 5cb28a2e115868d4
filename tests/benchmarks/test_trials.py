import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.trials import Metrics, run_all, run_rows, run_until
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec

SPEC = TrialSpec(
    data=DataSpec(name="digits"),
    model=ModelSpec(name="mlp"),
    training=TrainingSpec(batch_size=128),
    paradigm="magnitude",
    hyperparameters={"finetune": 0.5, "sparsity": 0.5},
    epochs=2,
)
SPARSER = replace(SPEC, hyperparameters={"finetune": 0.5, "sparsity": 0.9})
SHARED = {"magnitude": 1}


def untimed(trials: list[Metrics]) -> list[Metrics]:
    return [{name: value for name, value in metrics.items() if name != "train_seconds"} for metrics in trials]


@pytest.fixture
def options(tmp_path: Path) -> argparse.Namespace:
    return argparse.Namespace(results=tmp_path / "results.jsonl", device="cpu")


def test_a_trial_that_goes_on_from_shared_epochs_measures_what_it_would_alone(
    options: argparse.Namespace, tmp_path: Path
) -> None:
    together = run_all([SPEC, SPARSER], options, SHARED)
    alone = run_all([SPEC, SPARSER], argparse.Namespace(results=tmp_path / "alone.jsonl", device="cpu"))
    assert untimed(together) == untimed(alone)
    assert untimed(together[:1]) != untimed(together[1:])


def test_what_the_file_holds_is_not_run_again(options: argparse.Namespace, capsys: pytest.CaptureFixture[str]) -> None:
    first = run_all([SPEC], options)
    capsys.readouterr()
    again = run_all([SPEC, SPARSER], options)
    assert again[0] == first[0]
    assert capsys.readouterr().out.count("sparsity=") == 1
    assert len(options.results.read_text().splitlines()) == 2


def test_rows_have_what_was_measured_of_each_seed_and_how_many_trials_are_left(options: argparse.Namespace) -> None:
    first = run_all([SPEC], options)
    named = {"plain": SPEC, "sparser": SPARSER}
    options.seeds, options.minutes = [SPEC.seed, SPEC.seed + 1], 0.0
    rows, left = run_rows(["plain", "sparser"], lambda row, seed: replace(named[row], seed=seed), options)
    assert (rows, left) == ({"plain": first}, 3), "the piece that is begun is an epoch, and each trial has two"


def test_pieces_of_trials_measure_what_whole_ones_do(options: argparse.Namespace, tmp_path: Path) -> None:
    specs, pieces = [SPEC, SPARSER], list[list[Metrics | None]]()
    while None in (left := run_until(specs, options, seconds=0)):
        pieces.append(left)
        for kept in options.results.with_suffix("").glob("?" * 16):  # as if it had been killed while it wrote
            kept.with_suffix(".unfinished").mkdir()
            (kept.with_suffix(".unfinished") / "half").touch()
    assert len(pieces) >= 2, "a piece is at most an epoch, and each trial has two"
    alone = run_all(specs, argparse.Namespace(results=tmp_path / "alone.jsonl", device="cpu"))
    assert untimed([metrics for metrics in left if metrics]) == untimed(alone)
    assert run_until(specs, options, seconds=0) == left
    assert [path.name for path in options.results.with_suffix("").iterdir()] == ["data"], "no checkpoint is left"


def test_other_epochs_share_nothing(options: argparse.Namespace) -> None:
    run_all([SPEC], options, SHARED)
    longer: list[Metrics] = run_all([replace(SPEC, epochs=4)], options, {"magnitude": 2})
    assert longer[0]["total_epochs"] == 4
