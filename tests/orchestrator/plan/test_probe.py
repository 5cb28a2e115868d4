"""How long an epoch takes, measured by a few real training steps."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from orchestrator.plan import probe
from orchestrator.plan.probe import IMAGES, Probe, measure
from orchestrator.spec.study_spec import StudySpec
from tests.orchestrator import small
from trainables import data
from trainables.context import Unheard
from trainables.data.dataset import Dataset, Split
from trainables.errors import InvalidValue
from trainables.state import LiveTrial

SPEC = small.study(data={"name": "digits", "subset": 200}, model={"name": "mlp"})


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return data.load(SPEC.data)


@pytest.fixture(scope="module")
def measured() -> Probe:
    return measure(SPEC)


def live(dataset: Dataset, spec: StudySpec = SPEC) -> LiveTrial:
    return LiveTrial(spec.trial("dense", {}, spec.seed), dataset, Unheard("cpu"))


def test_an_epoch_is_its_training_steps_and_an_evaluation_on_validation(measured: Probe, dataset: Dataset) -> None:
    image = measured.last / (len(dataset.validation) + len(dataset.test))
    assert 0 < image * len(dataset.validation) < measured.epoch
    assert measured.device == "cpu"


def test_a_short_epoch_is_measured_to_its_end(measured: Probe, dataset: Dataset) -> None:
    assert measured.steps == len(live(dataset).batches())
    assert measured.images == len(dataset.validation)


def test_measuring_hardly_changes_the_network(dataset: Dataset) -> None:
    trial = live(dataset)
    before = [parameter.detach().clone() for parameter in trial.model.parameters()]
    seconds, steps = probe._step(trial)
    assert seconds > 0
    assert steps == len(trial.batches())
    moved = [(b - a).abs().max().item() for a, b in zip(before, trial.model.parameters(), strict=True)]
    assert 0 < max(moved) < 0.01


def test_a_large_validation_split_is_evaluated_in_part() -> None:
    split = Split(torch.zeros(IMAGES + 500, 1, 2, 2, dtype=torch.uint8), torch.arange(IMAGES + 500))
    few = probe._few(split)
    assert len(few) == IMAGES
    assert few.labels[-1] == IMAGES - 1
    assert len(probe._few(Split(split.images[:7], split.labels[:7]))) == 7


def test_data_that_are_missing_are_refused_and_not_downloaded(tmp_path: Path) -> None:
    images = replace(SPEC.data, name="cifar10", root=str(tmp_path), subset=None, download=True)
    with pytest.raises(InvalidValue, match=r"root = .* must contain cifar-10-batches-py/"):
        measure(SPEC.model_copy(update={"data": images}))
    assert not any(tmp_path.iterdir())
