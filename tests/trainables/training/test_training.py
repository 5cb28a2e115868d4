"""The training loop: learning rates, precision, one epoch, evaluation."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from trainables import data
from trainables.data.augmentation import Augmentation
from trainables.data.batches import Batches
from trainables.data.dataset import Dataset
from trainables.spec import DataSpec, TrainingSpec
from trainables.tasks.classification import CLASSIFICATION, smoothed
from trainables.training.companion import Companion
from trainables.training.epoch import EpochResult
from trainables.training.optimizers import optimizer_for
from trainables.training.training import (
    ONE_CYCLE_WARMUP,
    evaluate,
    learning_rate,
    train_epoch,
)

SCHEDULES = ("cosine", "step", "one_cycle", "constant")
progresses = st.floats(0, 1)
warmups = st.sampled_from([0.0, 0.1, 0.5])


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load(DataSpec(name="digits"))


def tiny_network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


def batches_of(
    dataset: Dataset, *, seed: int = 0, batch_size: int = 64, augment: Augmentation | None = None
) -> Batches:
    return Batches(
        dataset.train,
        dataset.mean,
        dataset.std,
        batch_size=batch_size,
        augment=augment,
        channels_last=False,
        device="cpu",
        generator=torch.Generator().manual_seed(seed),
    )


def train(
    model: nn.Module,
    batches: Batches,
    *,
    spec: TrainingSpec | None = None,
    companion: Companion | None = None,
    precision: torch.dtype = torch.float32,
    rate: float = 0.05,
    skip: int = 0,
) -> EpochResult:
    spec = spec or TrainingSpec()
    return train_epoch(
        model,
        batches,
        optimizer_for(model, spec),
        lambda _: rate,
        task=smoothed(CLASSIFICATION, spec.label_smoothing),
        precision=precision,
        companion=companion or Companion(),
        skip=skip,
    )


def weights_of(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@given(schedule=st.sampled_from(SCHEDULES), warmup=warmups, progress=progresses)
def test_a_learning_rate_lies_between_zero_and_its_peak(schedule: str, warmup: float, progress: float) -> None:
    spec = TrainingSpec(schedule=schedule, warmup=warmup, lr=0.4)  # type: ignore[arg-type]
    assert 0 <= learning_rate(spec, progress) <= 0.4 + 1e-12


@given(schedule=st.sampled_from(SCHEDULES), warmup=warmups, one=progresses, other=progresses)
def test_learning_rates_rise_through_the_warm_up_and_never_after(
    schedule: str, warmup: float, one: float, other: float
) -> None:
    spec = TrainingSpec(schedule=schedule, warmup=warmup, milestones=(0.6, 0.8))  # type: ignore[arg-type]
    peak = warmup or (ONE_CYCLE_WARMUP if schedule == "one_cycle" else 0.0)
    early, late = sorted((one, other))
    rising = learning_rate(spec, late) - learning_rate(spec, early)
    if late < peak:
        assert rising >= 0
    if early >= peak:
        assert rising <= 0


@pytest.mark.parametrize(
    ("schedule", "warmup", "rates"),
    [
        ("constant", 0.0, {0: 1, 0.5: 1, 1: 1}),
        ("constant", 0.2, {0: 0.04, 0.1: 0.52, 0.2: 1, 1: 1}),
        ("cosine", 0.0, {0: 1, 0.25: 0.5 + math.sqrt(2) / 4, 0.5: 0.5, 1: 0}),
        ("cosine", 0.5, {0: 0.04, 0.25: 0.52, 0.5: 1, 0.75: 0.5, 1: 0}),
        ("step", 0.0, {0: 1, 0.49: 1, 0.5: 0.1, 0.74: 0.1, 0.75: 0.01, 1: 0.01}),
        ("one_cycle", 0.0, {0: 0.04, 0.15: 0.52, 0.3: 1, 0.65: 0.5, 1: 0}),
        ("one_cycle", 0.5, {0: 0.04, 0.5: 1, 0.75: 0.5, 1: 0}),
    ],
)
def test_schedules_follow_their_formulas(schedule: str, warmup: float, rates: dict[float, float]) -> None:
    spec = TrainingSpec(schedule=schedule, warmup=warmup, lr=1.0)  # type: ignore[arg-type]
    assert {p: learning_rate(spec, p) for p in rates} == pytest.approx(rates)


@pytest.mark.parametrize(("name", "lr"), [("sgd", 0.02), ("adamw", 0.01)])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_a_tiny_network_learns_digits(name: str, lr: float, precision: torch.dtype, digits: Dataset) -> None:
    spec = TrainingSpec(optimizer=name, lr=lr)  # type: ignore[arg-type]
    model, batches, epochs = tiny_network(), batches_of(digits, augment=Augmentation(1, flip=False)), 6
    optimizer, steps = optimizer_for(model, spec), epochs * len(batches)
    losses = []
    for first in range(0, steps, len(batches)):

        def rate(step: int, first: int = first) -> float:
            return learning_rate(spec, (first + step) / steps)

        result = train_epoch(
            model,
            batches,
            optimizer,
            rate,
            task=smoothed(CLASSIFICATION, 0.05),
            precision=precision,
            companion=Companion(),
        )
        losses.append(result.loss)
    assert evaluate(model, digits.validation, digits.mean, digits.std).accuracy > 0.95
    assert losses[-1] < losses[0] / 2
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_same_seed_gives_the_same_weights(precision: torch.dtype, digits: Dataset) -> None:
    one, other = tiny_network(), tiny_network()
    results = [train(model, batches_of(digits), precision=precision) for model in (one, other)]
    assert torch.equal(weights_of(one), weights_of(other))
    assert results[0].loss == results[1].loss


def test_an_epoch_does_what_the_textbook_loop_does(digits: Dataset) -> None:
    spec, one, other = TrainingSpec(label_smoothing=0.1), tiny_network(), tiny_network()
    result = train(one, batches_of(digits), spec=spec, rate=0.03)
    optimizer = torch.optim.SGD(other.parameters(), lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-4)
    total = 0.0
    for inputs, labels in batches_of(digits):
        optimizer.zero_grad()
        loss = F.cross_entropy(other(inputs), labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    assert torch.allclose(weights_of(one), weights_of(other), atol=1e-6)
    assert result.loss == pytest.approx(total / len(digits.train), rel=1e-5)
    assert result.images == len(digits.train)


def test_every_step_has_the_learning_rate_of_its_number(digits: Dataset) -> None:
    model, batches = tiny_network(), batches_of(digits, batch_size=200)
    optimizer, asked, used = optimizer_for(model, TrainingSpec()), [], []

    class Watch(Companion):
        def before_step(self) -> None:
            used.append(optimizer.param_groups[0]["lr"])

    def rate(step: int) -> float:
        asked.append(step)
        return step / 100

    train_epoch(
        model, batches, optimizer, rate, task=CLASSIFICATION, precision=torch.float32, companion=Watch(), skip=3
    )
    assert asked == list(range(3, len(batches)))
    assert used == [step / 100 for step in asked]


def test_a_skipped_beginning_is_not_trained(digits: Dataset) -> None:
    batches = batches_of(digits, batch_size=200)
    result = train(tiny_network(), batches, skip=4)
    assert result.images == len(digits.train) - 4 * 200


def test_a_companion_acts_at_its_moments_of_every_step(digits: Dataset) -> None:
    model = tiny_network()
    seen: list[str] = []

    class Recorder(Companion):
        def penalty(self) -> Tensor:
            assert all(parameter.grad is None for parameter in model.parameters())
            seen.append("penalty")
            return model[0].weight.square().sum()  # type: ignore[operator]

        def before_step(self) -> None:
            assert all(parameter.grad is not None for parameter in model.parameters())
            self.before = weights_of(model)
            seen.append("before_step")

        def after_step(self) -> None:
            assert not torch.equal(self.before, weights_of(model))
            seen.append("after_step")

    batches = batches_of(digits, batch_size=400)
    train(model, batches, companion=Recorder())
    assert seen == ["penalty", "before_step", "after_step"] * len(batches)


def test_a_penalty_is_minimised_with_the_loss_and_counted_in_it(digits: Dataset) -> None:
    class Shrink(Companion):
        def __init__(self, model: nn.Module) -> None:
            self._model = model

        def penalty(self) -> Tensor:
            return 5 * torch.stack([p.square().sum() for p in self._model.parameters()]).sum()

    plain, shrunk = tiny_network(), tiny_network()
    free = train(plain, batches_of(digits))
    burdened = train(shrunk, batches_of(digits), companion=Shrink(shrunk))
    assert weights_of(shrunk).norm() < weights_of(plain).norm() / 2
    assert burdened.loss > free.loss


def test_a_diverged_epoch_says_so(digits: Dataset) -> None:
    assert not math.isfinite(train(tiny_network(), batches_of(digits), rate=1e20).loss)


def test_evaluation_measures_what_a_network_does_in_float32(digits: Dataset) -> None:
    model = tiny_network()
    train(model, batches_of(digits))
    images = digits.test.images.float() / 255
    model.eval()
    with torch.no_grad():
        logits = model((images - digits.mean[0]) / digits.std[0])
    measured = evaluate(model, digits.test, digits.mean, digits.std, batch_size=100)
    assert measured.accuracy == (logits.argmax(1) == digits.test.labels).sum().item() / len(digits.test)
    assert measured.loss == pytest.approx(F.cross_entropy(logits, digits.test.labels).item(), rel=1e-5)


@given(batch_size=st.integers(1, 400), channels_last=st.booleans())
def test_evaluation_does_not_depend_on_how_it_is_batched(batch_size: int, channels_last: bool) -> None:
    digits, model = data.load(DataSpec(name="digits")), tiny_network()
    whole = evaluate(model, digits.validation, digits.mean, digits.std)
    parts = evaluate(
        model, digits.validation, digits.mean, digits.std, batch_size=batch_size, channels_last=channels_last
    )
    assert parts.accuracy == whole.accuracy
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)


def test_evaluation_leaves_every_module_as_it_was(digits: Dataset) -> None:
    model = tiny_network().train()
    frozen = model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate(model, digits.validation, digits.mean, digits.std)
    assert model.training
    assert not frozen.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_evaluation_leaves_the_mode_even_when_the_network_fails(digits: Dataset) -> None:
    model = nn.Sequential(tiny_network(), nn.Linear(3, 3)).train()
    with pytest.raises(RuntimeError):
        evaluate(model, digits.validation, digits.mean, digits.std)
    assert all(module.training for module in model.modules())


def test_training_sets_the_training_mode(digits: Dataset) -> None:
    model = tiny_network().eval()
    train(model, batches_of(digits))
    assert model.training


def test_memory_formats_train_to_nearly_the_same_network(digits: Dataset) -> None:
    plain, channels_last = tiny_network(), tiny_network()
    channels_last.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    results = [train(model, batches_of(digits)) for model in (plain, channels_last)]
    assert results[0].loss == pytest.approx(results[1].loss, rel=1e-3)
