"""What every paradigm must do that starts from a network which an earlier trial has made smaller."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Interrupted, MemoryContext, computed
from tests.trainables.smaller import halved, written
from trainables import checkpoint, data
from trainables.checkpoint import Signature, load_network
from trainables.expected_complexity import expected_complexity
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import measure
from trainables.trial import run_trial

SHAPE = (1, 8, 8)

every_start = pytest.mark.parametrize(
    ("name", "values"),
    [
        ("dense", {}),
        ("magnitude", {"granularity": "filter", "sparsity": 0.7, "finetune": 0.5}),
        ("magnitude", {"granularity": "2:4"}),
        ("magnitude", {"schedule": "gradual", "sparsity": 0.9}),
        ("rigl", {"sparsity": 0.9}),
        ("complexity_aware", {"target_macs": 0.2}),
        ("complexity_aware", {"target_params": 0.2, "path": "fade"}),
        ("lottery_ticket", {"sparsity": 0.9, "weights": "reinitialize", "rounds": 2}),
        ("edge_popup", {"sparsity": 0.9}),
        ("snip", {"sparsity": 0.9, "sanity": "reinitialize"}),
        ("group_envelope", {"target_macs": 0.2}),
        ("auto_train_once", {"target_macs": 0.2}),
    ],
)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    return written(halved(folder, "digits_cnn"), folder)


def spec_from(start: Path, name: str = "dense", model: str = "digits_cnn", **values: Any) -> TrialSpec:
    return TrialSpec(
        data=DataSpec(name="digits", subset=100),
        model=ModelSpec(name=model, weights=str(start)),
        training=TrainingSpec(lr=0.05, batch_size=50),
        paradigm=name,
        hyperparameters=values,
        epochs=3,
    )


@every_start
def test_a_trial_ends_at_its_share_of_the_dense_network(
    start: Path, tmp_path: Path, name: str, values: dict[str, Any]
) -> None:
    """The network is never larger than the given one, costs what was foretold, and can be loaded and resumed."""
    spec, context = spec_from(start, name, **values), MemoryContext(tmp_path / "whole")
    given = LiveTrial(spec, data.load(spec.data), context)
    costs, dense = measure(given.model, SHAPE), measure(given.dense().model, SHAPE)
    assert costs.params < 0.6 * dense.params
    run_trial(spec, context)
    metrics = context.reports[-1].metrics
    assert (metrics["macs_dense"], metrics["params_dense"]) == (dense.macs, dense.params)
    assert metrics["macs_physical"] <= costs.macs
    assert metrics["params_physical"] <= costs.params
    for metric, bounds in expected_complexity(spec).items():
        assert not bounds.sure or bounds.low - 1 <= metrics[metric] <= bounds.high + 1
    if "target_macs" in values:
        assert metrics["macs_physical"] == pytest.approx(values["target_macs"] * dense.macs, rel=0.35)
    if "target_params" in values:
        assert metrics["params_physical"] == pytest.approx(values["target_params"] * dense.params, rel=0.35)
    loaded = load_network(context.checkpoints[-1], spec.model, Signature(classes=10, input_shape=SHAPE))
    assert measure(loaded, SHAPE).macs == metrics["macs_physical"]


@pytest.mark.parametrize("name", ["rigl", "complexity_aware"])
def test_an_interrupted_trial_ends_as_if_nothing_had_happened(start: Path, tmp_path: Path, name: str) -> None:
    """It needs the file of its weights no more."""
    weights = Path(shutil.copy(start, tmp_path))
    spec, whole = spec_from(weights, name), MemoryContext(tmp_path / "whole")
    run_trial(spec, whole)
    lost = MemoryContext(tmp_path / "lost", stop_after=2)
    with pytest.raises(Interrupted):
        run_trial(spec, lost)
    weights.unlink()
    again = MemoryContext(tmp_path / "again", resume_from=lost.checkpoints[-1])
    run_trial(spec, again)
    assert computed(again.reports[-1]) == computed(whole.reports[-1])


def test_what_the_given_network_satisfies_already_prunes_nothing(start: Path, tmp_path: Path) -> None:
    values: dict[str, Any] = {"granularity": "filter", "sparsity": 0.1, "pretrain": 0}
    spec, context = spec_from(start, "magnitude", **values), MemoryContext(tmp_path)
    run_trial(spec, context)
    given = LiveTrial(spec, data.load(spec.data), context)
    assert context.reports[-1].metrics["macs"] == measure(given.model, SHAPE).macs


def test_blocks_that_are_gone_stay_gone(tmp_path: Path) -> None:
    """Also the shortcuts without parameters keep their map of channels, and a network is made smaller once more."""
    path = written(halved(tmp_path, "resnet20", dropped=2), tmp_path)
    spec = spec_from(path, "magnitude", "resnet20", granularity="layer", sparsity=0.6, pretrain=0)
    context = MemoryContext(tmp_path / "trial")
    given = LiveTrial(spec, data.load(spec.data), context)
    assert len(given.dropped) == 2
    given.adopt_weights()
    earlier = load_network(tmp_path, spec.model, Signature(classes=10, input_shape=SHAPE))
    images = torch.rand(2, *SHAPE)
    torch.testing.assert_close(given.model.eval()(images), earlier(images))
    run_trial(spec, context)
    assert set(given.dropped) < set(checkpoint.dropped_blocks(context.checkpoints[-1]))


def test_trials_share_one_dense_training_of_the_smaller_network(start: Path, tmp_path: Path) -> None:
    spec = spec_from(start, "magnitude", sparsity=0.8)
    shared = TrainingSpec(lr=0.05, batch_size=50, shared_dense=True)
    ends = []
    for number in range(2):
        context = MemoryContext(tmp_path / str(number), cache=tmp_path / "cache")
        run_trial(TrialSpec(**{**vars(spec), "training": shared}), context)
        ends.append(context.reports[-1].metrics)
    assert [end["epochs_shared"] > 0 for end in ends] == [False, True]
    assert ends[0]["accuracy"] == ends[1]["accuracy"]
