"""Recipes carried out: what each stage does to a network, and what is reported of it."""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tests.conftest import MemoryContext
from tests.trainables.stages import a_trial, copied
from trainables import data
from trainables.checkpoint import CHECKPOINT
from trainables.errors import RemovalMismatch, TrainingDiverged
from trainables.masking.masks import prunable_weights
from trainables.masking.sparse_state import unpack
from trainables.recipes.recipe import Prune, Reinitialize, Remove, Rewind, Train
from trainables.recipes.schedules import Gradual
from trainables.runner import _may_rewind, _Schedule, projected, run_recipe
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec, Value
from trainables.state import LiveTrial
from trainables.training.companion import Companion
from trainables.training.epoch import Epoch, EpochResult
from trainables.trial import run_trial

SPEC = TrialSpec(
    data=DataSpec(name="digits", subset=200),
    model=ModelSpec(name="digits_cnn"),
    training=TrainingSpec(batch_size=50),
    paradigm="dense",
    epochs=4,
)


@pytest.fixture
def trial(context: MemoryContext) -> LiveTrial:
    return LiveTrial(SPEC, data.load(SPEC.data), context)


def density(trial: LiveTrial) -> float:
    weights = prunable_weights(trial.model).values()
    return sum(int(w.count_nonzero()) for w in weights) / sum(w.numel() for w in weights)


def copy_weights(trial: LiveTrial) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in prunable_weights(trial.model).items()}


def test_pruned_weights_stay_zero_through_momentum_and_weight_decay(trial: LiveTrial) -> None:
    run_recipe((Train(1), Prune(0.2), Train(2)), trial)
    for name, mask in trial.masks.items().items():
        assert not prunable_weights(trial.model)[name][~mask.bool()].any()
    assert density(trial) == pytest.approx(0.2, abs=1e-3)


def test_what_the_architecture_makes_of_a_rate_is_applied_once_also_in_a_warm_up() -> None:
    schedule = _Schedule(Train(10, lr_scale=0.5), TrainingSpec(lr=0.1, warmup=0.2, schedule="cosine"), 10, scale=3.0)
    begin, peak = schedule.rate(0), schedule.rate(20)
    assert [begin, peak] == pytest.approx([3 * 0.5 * 0.1 / 25, 3 * 0.5 * 0.1])
    assert peak == max(schedule.rate(step) for step in range(schedule.length))


def test_rewinding_returns_to_the_network_of_that_iteration(trial: LiveTrial, tmp_path: Path) -> None:
    whole_epochs = MemoryContext(tmp_path / "epochs")
    other = LiveTrial(SPEC, trial.dataset, whole_epochs)
    run_recipe((Train(2),), other)
    after_one = unpack(torch.load(whole_epochs.checkpoints[0] / CHECKPOINT, weights_only=True)["model"])
    run_recipe((Train(2, snapshot_epoch=1.0), Rewind()), trial)
    assert all(torch.equal(value, after_one[name]) for name, value in trial.model.state_dict().items())


def test_a_fraction_of_an_epoch_is_a_count_of_iterations(trial: LiveTrial) -> None:
    steps = -(-len(trial.dataset.train.images) // SPEC.training.batch_size)
    run_recipe((Train(1, snapshot_epoch=1 / steps), Rewind()), trial)
    counts = [int(value) for name, value in trial.model.state_dict().items() if name.endswith("num_batches_tracked")]
    assert counts
    assert set(counts) == {1}


def test_reinitialising_keeps_the_mask_and_draws_other_weights(trial: LiveTrial) -> None:
    initial = copied(prunable_weights(trial.model))
    run_recipe((Prune(0.5), Reinitialize()), trial)
    assert density(trial) == pytest.approx(0.5, abs=1e-3)
    for name, weight in prunable_weights(trial.model).items():
        alive = trial.masks.items()[name].bool()
        assert not torch.equal(weight[alive], initial[name][alive])


@pytest.mark.parametrize("stream", [False, True])
def test_filters_are_removed_physically_without_changing_what_is_computed(trial: LiveTrial, stream: bool) -> None:
    run_recipe((Train(1), Prune(0.5, granularity="filter", stream=stream), Remove()), trial)
    assert trial.measured["removal_disagreement"] < 1e-4
    assert not trial.masks.items()
    assert sum(p.numel() for p in trial.model.parameters()) < sum(p.numel() for p in trial.build().parameters())


@pytest.mark.parametrize("batch_size", [100, 64], ids=["up", "down"])
def test_every_epoch_is_reported_once_where_a_part_of_one_is_rounded_to_steps(
    batch_size: int, context: MemoryContext
) -> None:
    chosen: dict[str, Value] = {"sparsity": 0.3, "rounds": 3, "weights": "rewind_lr", "rewind_epoch": 0.68}
    training = TrainingSpec(batch_size=batch_size)
    run_trial(replace(SPEC, training=training, paradigm="lottery_ticket", hyperparameters=chosen), context)
    assert [report.epoch for report in context.reports] == [1, 2, 3, 4]
    fidelities = [report.fidelity for report in context.reports]
    assert all(before < after for before, after in pairwise(fidelities))
    assert fidelities[-1] == 1


def test_signs_alone_are_kept(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    initial = copied(prunable_weights(trial.model))
    run_recipe((Train(1, snapshot_epoch=0), Prune(0.4), Rewind(), Reinitialize(keep_signs=True)), trial)
    for name, weight in copied(prunable_weights(trial.model)).items():
        alive = trial.weight_masks[name] == 1
        assert torch.equal(weight[alive].sign(), initial[name][alive].sign())
        assert not torch.isclose(weight[alive], initial[name][alive]).all()
        assert not weight[~alive].any()


def test_constant_weights_have_one_size_per_layer_and_the_rewound_signs(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    initial = copied(prunable_weights(trial.model))
    stages = (Train(1, snapshot_epoch=0), Prune(0.4), Rewind(), Reinitialize(keep_signs=True, constant=True))
    run_recipe(stages, trial)
    for name, weight in copied(prunable_weights(trial.model)).items():
        alive = trial.weight_masks[name] == 1
        assert torch.equal(weight[alive].sign(), initial[name][alive].sign())
        assert weight[alive].abs().unique().numel() == 1
        assert float(weight[alive].abs()[0]) == pytest.approx(float(initial[name].std()), rel=0.2)


def test_a_recipe_that_rewinds_before_it_trained_is_a_fault_of_its_paradigm(trial: LiveTrial) -> None:
    with pytest.raises(AssertionError, match="no earlier stage has taken a snapshot"):
        run_recipe((Rewind(),), trial)


def test_a_removal_that_changes_the_network_ends_the_trial(trial: LiveTrial) -> None:
    run_recipe((Prune(0.5, granularity="filter"),), trial)
    with torch.no_grad():
        for parameter in trial.model.parameters():
            parameter.add_(0.1)  # behind the masks' back
    trial.position.stage = 0
    with pytest.raises(
        RemovalMismatch, match=r"logits differ by \d\.\de[+-]\d+ after removal; at most 1e-04 is rounding"
    ):
        run_recipe((Remove(),), trial)


def test_a_loss_that_is_no_number_ends_the_trial_and_names_the_epoch(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, lr=1000.0, precision="float32")
    with torch.no_grad():
        trial.model.get_parameter("fc.weight").fill_(torch.inf)
    with pytest.raises(TrainingDiverged, match=r"the training loss is (nan|inf) in epoch 1"):
        run_recipe((Train(2),), trial)


@dataclass(frozen=True)
class Shrinks:
    """A third-party stage that makes all weights smaller."""

    factor: float

    def run(self, trial: LiveTrial) -> None:
        with torch.no_grad():
            for parameter in trial.model.parameters():
                parameter.mul_(self.factor)
        trial.measured["shrunk_by"] = self.factor


def test_a_stage_of_another_package_carries_itself_out(trial: LiveTrial) -> None:
    before = copied(prunable_weights(trial.model))
    run_recipe((Shrinks(0.5), Shrinks(0.5)), trial)
    assert all(torch.equal(weight, 0.25 * before[name]) for name, weight in prunable_weights(trial.model).items())
    assert trial.measured == {"shrunk_by": 0.5}
    assert trial.position.stage == 2


@dataclass(frozen=True)
class Halving:
    """Trains without gradients: each epoch halves the weights."""

    def attach(self, trial: LiveTrial, steps: int) -> Companion:  # noqa: ARG002 - what a description is given
        return _Halver(trial)


class _Halver(Companion):
    def __init__(self, trial: LiveTrial) -> None:
        self._trial = trial

    def train_epoch(self, epoch: Epoch) -> EpochResult:
        Shrinks(0.5).run(self._trial)
        return EpochResult(loss=2.0 - epoch.number, images=200, seconds=3.0, flops=6e4, rated=False)


def test_a_companion_may_train_otherwise_than_by_gradients(trial: LiveTrial) -> None:
    before = copied(prunable_weights(trial.model))
    run_recipe((Train(2, during=Halving()),), trial)
    assert all(torch.equal(weight, 0.25 * before[name]) for name, weight in prunable_weights(trial.model).items())
    assert trial.measured["train_seconds"] == 6.0
    assert trial.position.macs == 2 * 6e4 / (6 * 200)
    report = trial.last_report
    assert report is not None
    assert (report.epoch, report.train_loss, report.learning_rate, report.fidelity) == (2, 1.0, None, 1.0)


@dataclass(frozen=True)
class HoldingOut:
    """Keeps a quarter of the training images from the weights, and does nothing with them."""

    held_out: float = 0.25

    def attach(self, trial: LiveTrial, steps: int) -> Companion:  # noqa: ARG002 - what a description is given
        return Companion()


def test_training_costs_nothing_for_images_that_are_held_out(trial: LiveTrial) -> None:
    run_recipe((Train(1, during=HoldingOut()),), trial)
    assert trial.position.macs == 0.75 * trial.cost().macs


def test_finished_stages_are_skipped(trial: LiveTrial) -> None:
    before = copied(prunable_weights(trial.model))
    trial.position.stage = 1
    run_recipe((Shrinks(0.5),), trial)
    assert all(torch.equal(weight, before[name]) for name, weight in prunable_weights(trial.model).items())


def test_the_last_report_is_kept_and_the_others_are_published(trial: LiveTrial) -> None:
    run_recipe((Train(1), Prune(0.5), Train(2)), trial)
    context = trial.context
    assert isinstance(context, MemoryContext)
    assert [report.fidelity for report in context.reports] == [pytest.approx(1 / 3), pytest.approx(2 / 3)]
    assert trial.last_report is not None
    assert (trial.last_report.epoch, trial.last_report.fidelity) == (3, 1.0)


def test_the_cost_to_come_is_that_of_the_last_pruning_left(trial: LiveTrial) -> None:
    recipe = (Prune(0.5), Train(1), Train(2, during=Gradual(Prune(0.2))))
    dense = trial.cost().params
    assert projected((Train(1),), trial).params == dense
    foreseen = projected(recipe, trial)
    weights = sum(weight.numel() for weight in prunable_weights(trial.model).values())
    assert dense - foreseen.params == pytest.approx(0.8 * weights, abs=1)
    assert not trial.masks.items()


def test_the_snapshot_is_dropped_once_no_stage_can_want_it(trial: LiveTrial) -> None:
    run_recipe((Train(1, snapshot_epoch=0), Rewind()), trial)
    assert trial.snapshot is None
    assert not _may_rewind((Train(1), Prune(0.5), Reinitialize(), Remove()))
    assert _may_rewind((Train(1), Shrinks(0.5)))
