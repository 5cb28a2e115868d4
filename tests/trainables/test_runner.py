"""Recipes carried out: what each stage does to a network, and what is reported of it."""

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tests.conftest import MemoryContext
from tests.trainables.stages import a_trial, copied
from trainables import data
from trainables.checkpoint import CHECKPOINT
from trainables.context import Report
from trainables.errors import RemovalMismatch, TrainingDiverged
from trainables.masking.masks import prunable_weights
from trainables.masking.sparse_state import unpack
from trainables.recipes.in_training import Agree
from trainables.recipes.recipe import Prune, Reinitialize, Remove, Rewind, ScaleWidths, SetWidths, Train
from trainables.recipes.schedules import Gradual
from trainables.runner import _may_rewind, _Schedule, evaluate_on, projected, run_recipe, train
from trainables.spec import DataSpec, EnsembleSpec, ModelSpec, TrainingSpec, TrialSpec, Value
from trainables.state import LiveTrial
from trainables.structure.complexity import Complexity, LayerCost
from trainables.structure.removal import TOLERANCE
from trainables.training.companion import Companion
from trainables.training.epoch import Epoch, EpochResult
from trainables.training.training import learning_rate
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
    with pytest.raises(TrainingDiverged, match=r"training loss in epoch 1 is (nan|inf): .* lower training.lr = 1000"):
        run_recipe((Train(2),), trial)


def test_a_loss_beyond_what_can_be_learned_from_ends_the_trial_and_says_what_to_lower(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, lr=1e-12, precision="float32")
    with torch.no_grad():
        trial.model.get_parameter("fc.weight").mul_(1e12)
    with pytest.raises(TrainingDiverged) as raised:
        run_recipe((Train(2, during=Agree(1.0, 0.1, channels=True)),), trial)
    assert re.fullmatch(
        r"the training loss in epoch 1 is \d(\.\d+)?e\+\d\d, over 2\^24 times that of the untrained network: "
        r"the training has diverged; lower training\.lr = 1e-12, "
        r"or the learning rates and penalties among the hyper-parameters of dense",
        str(raised.value),
    )


def test_a_large_loss_from_which_is_learned_is_none_that_diverged(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, lr=1e-6, precision="float32")
    with torch.no_grad():
        trial.model.get_parameter("fc.weight").mul_(1e4)
    run_recipe((Train(1),), trial)
    assert trial.last_report is not None
    assert trial.last_report.loss > 100


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

    def attach(self, trial: LiveTrial, steps: int) -> Companion:  # noqa: ARG002 - as `Attaches` calls it
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

    def attach(self, trial: LiveTrial, steps: int) -> Companion:  # noqa: ARG002 - as `Attaches` calls it
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


def reports_of(trial: LiveTrial) -> list[Report]:
    """Return all reports of a trial that is over, the last one, which stays with it, at the end."""
    context = trial.context
    assert isinstance(context, MemoryContext)
    assert trial.last_report is not None
    return [*context.reports, trial.last_report]


def test_reports_are_numbered_over_all_stages_and_say_what_the_last_step_s_rate_was(trial: LiveTrial) -> None:
    run_recipe((Train(2), Prune(0.5), Train(2, start_epoch=1.0, lr_scale=0.5)), trial)
    reports = reports_of(trial)
    assert [(report.epoch, report.stage) for report in reports] == [(1, "train"), (2, "train"), (3, "train")]
    training, steps = trial.spec.training, len(trial.batches())
    last = [learning_rate(training, (epoch * steps - 1) / (2 * steps)) for epoch in (1, 2, 2)]
    assert [report.learning_rate for report in reports] == pytest.approx([last[0], last[1], 0.5 * last[2]])


def test_what_a_report_says_of_validation_is_what_the_network_does_there(trial: LiveTrial) -> None:
    run_recipe((Train(1),), trial)
    (report,) = reports_of(trial)
    split = trial.dataset.validation
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (trial.dataset.mean, trial.dataset.std))
    with torch.no_grad():
        logits = trial.model.eval()((split.images / 255 - mean) / std)
    assert report.accuracy == pytest.approx((logits.argmax(1) == split.labels).float().mean().item())
    assert report.loss == pytest.approx(torch.nn.functional.cross_entropy(logits, split.labels).item(), rel=1e-4)
    assert "accuracy" not in report.qualities


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_network_is_evaluated_on_the_split_that_is_named(trial: LiveTrial, split: str) -> None:
    found = evaluate_on(trial, split, keep_logits=True).logits
    assert found is not None
    assert len(found) == len(getattr(trial.dataset, split))
    assert evaluate_on(trial, split).logits is None


def test_a_report_may_be_changed_as_its_epoch_ends_and_is_published_so(trial: LiveTrial) -> None:
    seen: list[int] = []

    def ended(report: Report) -> Report:
        seen.append(report.epoch)
        return replace(report, metrics={"marked": float(report.epoch)})

    stage = Train(3)
    train(stage, trial, (stage,), ended)
    assert seen == [1, 2, 3]
    assert [dict(report.metrics) for report in reports_of(trial)] == [{"marked": 1.0}, {"marked": 2.0}, {"marked": 3.0}]


def test_the_time_of_training_is_that_of_all_epochs(trial: LiveTrial) -> None:
    run_recipe((Train(1), Prune(0.5), Train(2)), trial)
    assert trial.measured["train_seconds"] == pytest.approx(sum(report.seconds for report in reports_of(trial)))


@pytest.mark.parametrize("asked", [True, False])
def test_the_peak_of_memory_is_measured_where_it_is_an_objective(context: MemoryContext, asked: bool) -> None:
    objectives = ("accuracy", "peak_memory") if asked else ("accuracy", "macs")
    trial = LiveTrial(replace(SPEC, objectives=objectives), data.load(SPEC.data), context)
    run_recipe((Train(2),), trial)
    assert ("peak_memory" in trial.measured) is asked
    if asked:
        peaks = [report.usage.peak_memory for report in reports_of(trial) if report.usage is not None]
        assert trial.measured["peak_memory"] == max(peak for peak in peaks if peak is not None)


@dataclass(frozen=True)
class Foreseeing:
    """Knows better than anybody what the network will cost."""

    cost: Complexity

    def attach(self, trial: LiveTrial, steps: int) -> Companion:  # noqa: ARG002 - as `Attaches` calls it
        foreseen = self.cost

        class Foresees(Companion):
            def projected(self) -> Complexity | None:
                return foreseen

        return Foresees()


def test_a_companion_that_foresees_the_cost_is_believed(trial: LiveTrial) -> None:
    foreseen = replace(trial.cost(), layers={"all": LayerCost(macs=123, params=45)})
    run_recipe((Train(1, during=Foreseeing(foreseen)), Prune(0.5)), trial)
    (report,) = reports_of(trial)
    assert (report.macs_projected, report.params_projected) == (123, 45)


def test_a_removal_says_how_far_the_smaller_network_is_from_the_masked_one(trial: LiveTrial) -> None:
    run_recipe((Prune(0.5, granularity="filter"), Remove()), trial)
    assert 0 <= trial.measured["removal_disagreement"] <= TOLERANCE
    assert not trial.plan


@pytest.mark.parametrize("width", [3, 40])
def test_widths_are_set_to_one_number_and_the_network_still_works(trial: LiveTrial, width: int) -> None:
    run_recipe((SetWidths(width),), trial)
    assert {group.size for group in trial.groups} == {width}
    assert evaluate_on(trial, "validation", keep_logits=True).logits is not None


@pytest.mark.parametrize("factor", [0.5, 1.5, 1e-9])
def test_widths_are_scaled_by_one_factor_and_none_becomes_zero(trial: LiveTrial, factor: float) -> None:
    before = {group.name: group.size for group in trial.groups}
    run_recipe((ScaleWidths(factor),), trial)
    for group in trial.groups:
        assert abs(group.size - max(1, factor * before[group.name])) <= 0.5


def test_moments_of_weights_are_those_of_the_last_training_alone(context: MemoryContext) -> None:
    spec = replace(SPEC, ensemble=EnsembleSpec(members=2, window=0.5))
    trial = LiveTrial(spec, data.load(SPEC.data), context)
    first = Train(1)
    train(first, trial, (first, Train(1)))
    assert trial.moments is None
    trial.end_stage()
    train(Train(1), trial, (first, Train(1)))
    assert trial.moments is not None


def test_the_macs_of_training_are_those_of_the_network_that_each_epoch_trained(trial: LiveTrial) -> None:
    dense = trial.cost().macs
    run_recipe((Train(2), Prune(0.5), Train(1)), trial)
    assert trial.position.macs == 2 * dense + trial.cost().macs
    assert trial.position.trained == 3
    assert trial.cost().macs < dense
