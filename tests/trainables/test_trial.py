"""One trial from its spec to the measured final network."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.conftest import Interrupted, MemoryContext, computed
from tests.trainables.stages import a_trial
from trainables import models
from trainables.context import Report
from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.methods.gate_sites import gate_sites
from trainables.methods.widths import set_equal_widths
from trainables.spec import DataSpec, LatencySpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.structure.instance_gates import attach_gates
from trainables.trial import measure_final, run_trial

SUBSET = 80

SPEC = TrialSpec(
    data=DataSpec(name="digits", subset=SUBSET),
    model=ModelSpec(name="digits_cnn", options={"widths": [4, 4, 8]}),
    training=TrainingSpec(batch_size=40),
    paradigm="dense",
    epochs=2,
)


def last(spec: TrialSpec, folder: Path) -> Report:
    context = MemoryContext(folder)
    run_trial(spec, context)
    return context.reports[-1]


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return last(SPEC, tmp_path_factory.mktemp("dense"))


def test_a_dense_trial_costs_what_the_dense_network_costs(dense: Report) -> None:
    metrics = dense.metrics
    for kind in ("macs", "params"):
        assert metrics[kind] == metrics[f"{kind}_dense"] == metrics[f"{kind}_effective"] == metrics[f"{kind}_physical"]
    assert metrics["sparsity"] == 0
    assert metrics["train_cost"] == pytest.approx(1)
    assert metrics["total_epochs"] == 2
    assert metrics["train_flops"] == 6 * metrics["macs"] * SPEC.epochs * SUBSET
    assert metrics["train_seconds"] > 0


def test_what_is_multiplied_and_stored_is_measured_of_networks_without_unified_blocks(
    dense: Report, tmp_path: Path
) -> None:
    pruned = replace(SPEC, paradigm="magnitude", hyperparameters={"sparsity": 0.8}, objectives=("mults", "stored_bits"))
    metrics = last(pruned, tmp_path).metrics
    assert dense.metrics["mults"] == dense.metrics["macs_dense"]
    assert "stored_bits" not in dense.metrics
    assert metrics["mults"] == metrics["macs"] < metrics["macs_dense"]
    alive, every = 32 * metrics["params"], metrics["params_dense"]
    assert alive < metrics["stored_bits"] <= alive + every, "a value for what is left, a mark for each weight at most"


def test_a_network_that_has_grown_is_less_than_not_sparse_and_gates_are_no_growth(tmp_path: Path) -> None:
    wider, gated = a_trial(tmp_path / "wider"), a_trial(tmp_path / "gated")
    set_equal_widths(wider, 96)
    attach_gates(gated.model, gate_sites(gated))
    grown, with_gates = measure_final(wider), measure_final(gated)
    assert grown["sparsity"] == 1 - grown["params"] / grown["params_dense"] < 0
    assert with_gates["params"] > with_gates["params_dense"]
    assert with_gates["sparsity"] == 0


def test_the_last_report_says_what_was_measured(dense: Report) -> None:
    assert (dense.epoch, dense.fidelity, dense.stage) == (2, 1.0, "train")
    assert (dense.accuracy, dense.loss) == (dense.metrics["accuracy"], dense.metrics["loss"])
    assert (dense.macs_projected, dense.params_projected) == (dense.metrics["macs"], dense.metrics["params"])


@pytest.mark.parametrize("split", ["", "test_"])
def test_every_trial_measures_likelihood_and_calibration(dense: Report, split: str) -> None:
    assert dense.metrics[f"{split}nll"] == pytest.approx(dense.metrics[f"{split}loss"], rel=1e-5)
    assert 0 < dense.metrics[f"{split}brier"] < 2
    assert 0 <= dense.metrics[f"{split}ece"] <= 1


def norm(model: nn.Module) -> float:
    return sum(float(parameter.norm()) for parameter in model.parameters())


def test_latency_memory_and_own_metrics_are_measured_only_where_it_is_asked_for(dense: Report, tmp_path: Path) -> None:
    assert "latency" not in dense.metrics
    norm = f"{__name__}:norm"
    timed = replace(
        SPEC, epochs=1, objectives=("accuracy", "latency", "peak_memory", norm), latency=LatencySpec(batch=2)
    )
    measured = last(timed, tmp_path).metrics
    assert measured["latency"] > 0
    assert measured["peak_memory"] > 1e6
    assert measured[norm] > 0
    assert not {"peak_memory", norm} & dense.metrics.keys()


def test_a_network_that_was_sparse_from_the_start_costs_less_to_train(tmp_path: Path) -> None:
    metrics = last(replace(SPEC, paradigm="random", hyperparameters={"sparsity": 0.8}), tmp_path).metrics
    assert metrics["train_cost"] == pytest.approx(metrics["macs"] / metrics["macs_dense"])
    assert metrics["sparsity"] == pytest.approx(1 - metrics["params"] / metrics["params_dense"])
    assert metrics["params_physical"] == metrics["params_dense"]


def test_what_a_recipe_spends_is_measured(tmp_path: Path) -> None:
    metrics = last(replace(SPEC, paradigm="magnitude", hyperparameters={"finetune": 0.5}), tmp_path).metrics
    assert (metrics["pretrain_epochs"], metrics["finetune_epochs"], metrics["finetune_lr"]) == (1, 1, 0.1)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"paradigm": "magnitud"}, InvalidValue, "did you mean 'magnitude'"),
        ({"hyperparameters": {"sparsity": 0.5}}, InvalidValue, "unknown key; hyper-parameters are none"),
        ({"paradigm": "lottery_ticket"}, InfeasibleTrial, "4 rounds of training need at least 4 epochs"),
        ({"model": ModelSpec(name="lenet")}, InvalidValue, "16x16"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_reported(
    change: dict[str, Any], error: type[Exception], message: str, context: MemoryContext
) -> None:
    with pytest.raises(error, match=message):
        run_trial(replace(SPEC, **change), context)
    assert not context.reports


def test_the_same_spec_gives_the_same_reports_whatever_ran_before(dense: Report, tmp_path: Path) -> None:
    torch.rand(7)
    again = last(SPEC, tmp_path)
    assert computed(again) == computed(dense)
    assert again.train_loss == dense.train_loss


def test_a_trial_starts_from_the_weights_that_its_spec_names_and_resumes_without_them(tmp_path: Path) -> None:
    first, second = MemoryContext(tmp_path / "first"), MemoryContext(tmp_path / "second", stop_after=1)
    weights = tmp_path / "weights.pt"
    torch.manual_seed(7)
    trained = models.build("digits_cnn", classes=10, input_shape=(1, 8, 8), options=SPEC.model.options)
    torch.save(trained.state_dict(), weights)
    spec = replace(SPEC, model=replace(SPEC.model, weights=str(weights)))
    run_trial(spec, first)
    assert first.reports[0].accuracy != last(replace(SPEC, epochs=2), tmp_path / "other").accuracy
    with pytest.raises(Interrupted):
        run_trial(spec, second)
    weights.unlink()
    resumed = MemoryContext(tmp_path / "resumed", resume_from=second.checkpoints[0])
    run_trial(spec, resumed)
    assert resumed.reports[-1].metrics["accuracy"] == first.reports[-1].metrics["accuracy"]
