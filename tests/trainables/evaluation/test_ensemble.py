"""Ensembles drawn around the final network of a trial."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Interrupted, MemoryContext, computed
from trainables.context import Report
from trainables.errors import InvalidValue
from trainables.spec import DataSpec, EnsembleSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.trial import run_trial

SPEC = TrialSpec(
    data=DataSpec(name="digits", subset=120),
    model=ModelSpec(name="digits_cnn", options={"widths": [4, 4, 8]}),
    training=TrainingSpec(batch_size=20, lr=0.05, precision="float32"),
    paradigm="dense",
    epochs=2,
    ensemble=EnsembleSpec(members=3),
)
FILTERS = replace(SPEC, paradigm="magnitude", hyperparameters={"granularity": "filter", "sparsity": 0.5})


def last(spec: TrialSpec, context: MemoryContext) -> Report:
    run_trial(spec, context)
    return context.reports[-1]


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return last(SPEC, MemoryContext(tmp_path_factory.mktemp("dense")))


def test_an_ensemble_is_measured_beside_the_network_and_costs_its_members(dense: Report) -> None:
    metrics = dense.metrics
    measured = {f"ensemble_{split}{name}" for split in ("", "test_") for name in ("accuracy", "nll", "brier", "ece")}
    assert measured <= metrics.keys()
    assert metrics["ensemble_macs"] == 3 * metrics["macs"]
    assert metrics["ensemble_nll"] != metrics["nll"]
    assert 0 < metrics["ensemble_nll"] < 5


def test_training_and_the_network_are_the_same_without_it(dense: Report, tmp_path: Path) -> None:
    alone = computed(last(replace(SPEC, ensemble=None), MemoryContext(tmp_path)))
    assert not [name for name in alone if name.startswith("ensemble")]
    assert alone == {name: value for name, value in computed(dense).items() if not name.startswith("ensemble")}


@pytest.mark.parametrize("stop_after", [1, 2])
def test_an_interrupted_trial_draws_the_same_ensemble(dense: Report, tmp_path: Path, stop_after: int) -> None:
    context = MemoryContext(tmp_path / "first", stop_after=stop_after)
    with pytest.raises(Interrupted):
        run_trial(SPEC, context)
    resumed = MemoryContext(tmp_path / "second", resume_from=context.checkpoints[-1])
    assert computed(last(SPEC, resumed)) == computed(dense)


def test_a_network_without_filters_has_one_too(tmp_path: Path) -> None:
    metrics = last(FILTERS, MemoryContext(tmp_path)).metrics
    assert metrics["params_physical"] < metrics["params_dense"]
    assert metrics["ensemble_macs"] == 3 * metrics["macs"]


def test_members_that_are_all_the_mean_are_one_network(tmp_path: Path) -> None:
    still = replace(SPEC, ensemble=EnsembleSpec(members=2, scale=0.0))
    many = replace(SPEC, ensemble=EnsembleSpec(members=5, scale=0.0))
    two, five = (last(spec, MemoryContext(tmp_path / str(n))).metrics for n, spec in enumerate((still, many)))
    assert two["ensemble_nll"] == pytest.approx(five["ensemble_nll"], rel=1e-9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"members": 1}, "members = 1: must be from 2 to 1000"),
        ({"window": 0.0}, "window = 0.0: must be greater than 0, and at most 1"),
        ({"scale": -1.0}, r"scale = -1.0: must lie in \[0, 1000\]"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        EnsembleSpec(**{"members": 2, **options})
