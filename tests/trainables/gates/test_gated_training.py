"""Complexity-aware training and its relatives, on real trials."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.conftest import Interrupted, MemoryContext, computed
from tests.trainables.stages import run_epoch
from trainables import data, paradigms
from trainables.checkpoint import CHECKPOINT
from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.gates.gated_training import GatedTraining
from trainables.recipes.gating import Gating
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe
from trainables.spec import DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import measure
from trainables.trial import run_trial


def spec(
    paradigm: str = "complexity_aware", model: str = "digits_cnn", epochs: int = 6, subset: int = 320, **values: Any
) -> TrialSpec:
    return TrialSpec(
        data=DataSpec(name="digits", subset=subset),
        model=ModelSpec(name=model),
        training=TrainingSpec(batch_size=32, precision="float32"),
        paradigm=paradigm,
        hyperparameters=values,
        epochs=epochs,
    )


def metrics(context: MemoryContext, trial: TrialSpec) -> dict[str, float]:
    run_trial(trial, context)
    return dict(context.reports[-1].metrics)


def trial_state(context: MemoryContext, model: str = "digits_cnn") -> LiveTrial:
    own = spec(model=model)
    return LiveTrial(own, data.load(own.data), context)


@pytest.mark.parametrize("target", [0.7, 0.3])
@pytest.mark.parametrize("paradigm", ["complexity_aware", "unit_only"])
def test_a_budget_is_met_and_expected_from_the_first_epoch(
    paradigm: str, target: float, context: MemoryContext
) -> None:
    measured = metrics(context, spec(paradigm, target_macs=target))
    assert measured["macs"] == measured["macs_physical"]
    assert measured["macs"] / measured["macs_dense"] == pytest.approx(target, rel=0.02)
    for report in context.reports:
        assert report.macs_projected == pytest.approx(measured["macs"], rel=0.05)


def test_layers_alone_go_where_only_layers_are_gated(context: MemoryContext) -> None:
    own = spec("layer_only", "resnet20", target_macs=0.5)
    trial = LiveTrial(own, data.load(own.data), context)
    run_recipe(paradigms.find("layer_only").create(own.hyperparameters).recipe(6), trial)
    widths = {m.out_channels for m in trial.model.modules() if isinstance(m, nn.Conv2d)}
    assert trial.dropped
    assert widths == {16, 32, 64}
    dense = measure(trial.build(), trial.dataset.input_shape)
    assert abs(measure(trial.model, trial.dataset.input_shape).macs / dense.macs - 0.5) < 0.06


def test_the_final_network_has_no_gate_and_every_removal_was_checked(context: MemoryContext) -> None:
    trial = trial_state(context, "resnet20")
    run_recipe((Train(4, during=Gating(epochs=2, target_macs=0.4)),), trial)
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in trial.model.modules())
    assert trial.measured["removal_disagreement"] < 1e-4
    assert 0 <= trial.measured["worth_kept_below_price"] <= 1
    assert trial.cost().macs < 0.5 * measure(trial.build(), trial.dataset.input_shape).macs


@pytest.mark.parametrize("model", ["digits_cnn", "resnet20"])
def test_every_gate_has_decided_when_the_window_ends(model: str, tmp_path: Path) -> None:
    undecided = {}
    for settle in (0.0, 4.0):
        trial = trial_state(MemoryContext(tmp_path / str(settle)), model)
        run_recipe((Train(8, during=Gating(epochs=8, nu=2.0, every=1, settle=settle)),), trial)
        undecided[settle] = trial.measured["gates_undecided"]
    assert undecided[0.0] > 0
    assert undecided[4.0] == 0


@pytest.mark.parametrize(("price", "deleted"), [(-1e3, 0), (1e3, 20)])
def test_an_audit_keeps_what_is_shut_but_worth_its_price(price: float, deleted: int, context: MemoryContext) -> None:
    trial = trial_state(context)
    units = sum(group.size for group in trial.groups)
    companion = GatedTraining(Gating(epochs=20, nu=price, warmup=1.0, audit=True), trial, 20 * len(trial.batches()))
    theta = torch.full((units,), 0.98, dtype=torch.float64)
    theta[:20] = 0.01
    nothing = torch.zeros(0, dtype=torch.float64)
    companion.load_state_dict(companion.state_dict() | {"theta": [theta, nothing], "speed": [1 - theta, nothing]})
    run_epoch(companion, trial)
    assert sum(group.size for group in trial.groups) == units - deleted


@pytest.mark.parametrize("own", [{"target_macs": 0.5}, {"nu": 30.0}])
def test_layers_have_multiples_of_units_after_every_removal(own: dict[str, float], tmp_path: Path) -> None:
    seen: list[set[int]] = []
    context = MemoryContext(tmp_path)
    trial = trial_state(context)

    class Watch(GatedTraining):
        def after_epoch(self) -> None:
            super().after_epoch()
            seen.append({m.out_channels for m in trial.model.modules() if isinstance(m, nn.Conv2d)})

    class Watched(Gating):
        def attach(self, trial: LiveTrial, steps: int) -> Watch:
            return Watch(self, trial, steps)

    run_recipe((Train(8, during=Watched(epochs=6, every=1, round_to=8, **own)),), trial)  # type: ignore[arg-type]
    assert {size % 8 for sizes in seen for size in sizes} == {0}
    assert sum(seen[-1]) < 32 + 32 + 64


def test_a_price_of_nothing_prunes_nothing(context: MemoryContext) -> None:
    measured = metrics(context, spec(nu=0.0))
    assert measured["macs"] == measured["macs_dense"]


def test_a_forbidding_price_leaves_one_unit_a_layer_of_a_plain_network(context: MemoryContext) -> None:
    measured = metrics(context, spec(nu=1000.0, ramp=0.0))
    assert measured["macs"] < 0.01 * measured["macs_dense"]


def test_a_forbidding_price_leaves_the_shortcuts_of_a_residual_network(context: MemoryContext) -> None:
    trial = trial_state(context, "resnet20")
    run_recipe((Train(5, during=Gating(epochs=4, nu=1000.0, ramp=0.0)),), trial)
    assert len(trial.dropped) == 9
    left = {name for name, module in trial.model.named_modules() if isinstance(module, nn.Conv2d)}
    assert left == {"conv1"}


def test_optimizer_and_network_agree_after_removal(context: MemoryContext) -> None:
    trial = trial_state(context)
    seen = []

    class Watching(Gating):
        def attach(self, trial: LiveTrial, steps: int) -> GatedTraining:
            companion = GatedTraining(self, trial, steps)
            end = companion.after_epoch

            def after_epoch() -> None:
                end()
                seen.append([p is q for p, q in zip(_stepped(trial), trial.model.parameters(), strict=True)])
                shapes = [trial.optimizer.state[p]["momentum_buffer"].shape == p.shape for p in _stepped(trial)]  # type: ignore[union-attr]
                seen.append(shapes)

            companion.after_epoch = after_epoch  # type: ignore[method-assign]
            return companion

    run_recipe((Train(4, during=Watching(epochs=3, target_macs=0.4)),), trial)
    assert len(seen) == 8
    assert all(all(row) for row in seen)


def _stepped(trial: LiveTrial) -> list[torch.Tensor]:
    assert trial.optimizer is not None
    return [parameter for group in trial.optimizer.param_groups for parameter in group["params"]]


def test_a_trial_that_samples_nothing_after_it_was_interrupted_judges_what_is_left_by_the_same_price(
    tmp_path: Path,
) -> None:
    own = spec(
        subset=96, epochs=4, window=1.0, warmup=0.0, target_macs=0.4
    )  # of 12 steps, gates are sampled in 0, 4, 8
    whole, first = MemoryContext(tmp_path / "whole"), MemoryContext(tmp_path / "first", stop_after=3)
    run_trial(own, whole)
    with pytest.raises(Interrupted):
        run_trial(own, first)
    second = MemoryContext(tmp_path / "second", resume_from=first.checkpoints[-1])
    run_trial(own, second)
    assert computed(second.reports[-1]) == computed(whole.reports[-1])


@pytest.mark.parametrize(
    "values",
    [
        {"target_macs": 0.4},
        {"nu": 3.0, "ramp": 0.0, "beta": 0.25, "alpha": 0.5},
        {"target_macs": 0.5, "branch_estimator": "trapezoid", "shared": True, "restart": 0.5, "placement": "all"},
        {"target_macs": 0.3, "path": "fade", "placement": "streams"},
    ],
    ids=["budget", "price", "sampled branches and stream", "all streams, faded"],
)
def test_a_trial_interrupted_while_it_prunes_ends_in_the_same_network(values: dict[str, Any], tmp_path: Path) -> None:
    own = spec(model="resnet20", subset=160, epochs=4, window=0.75, warmup=0.0, **values)
    whole = MemoryContext(tmp_path / "whole")
    run_trial(own, whole)
    first = MemoryContext(tmp_path / "first", stop_after=1)
    with pytest.raises(Interrupted):
        run_trial(own, first)
    for epoch, checkpoint in enumerate((first.checkpoints[-1], whole.checkpoints[1]), start=1):
        second = MemoryContext(tmp_path / f"second{epoch}", resume_from=checkpoint)
        run_trial(own, second)
        assert computed(second.reports[-1]) == computed(whole.reports[-1])
        expected, resumed = (torch.load(c.checkpoints[-1] / CHECKPOINT, weights_only=True) for c in (whole, second))
        assert expected["dropped"] == resumed["dropped"]
        assert str(expected["companion"]) == str(resumed["companion"])


def test_gates_are_sampled_only_in_every_so_manieth_step_and_statistics_are_not_moved_by_measuring(
    context: MemoryContext,
) -> None:
    trial = trial_state(context, "resnet20")
    run_recipe((Train(2, during=Gating(epochs=1, every=1, nu=0.0)),), trial)
    counts = [int(value) for name, value in trial.model.state_dict().items() if name.endswith("num_batches_tracked")]
    assert set(counts) == {2 * len(trial.batches())}


@pytest.mark.parametrize(
    ("paradigm", "values"),
    [
        ("complexity_aware", {"nu": -0.1}),
        ("complexity_aware", {"beta": 1.1}),
        ("complexity_aware", {"beta": -0.1}),
        ("complexity_aware", {"alpha": 2.0}),
        ("unit_only", {"alpha": -1.0}),
        ("layer_only", {"target_macs": 1.5}),
        ("complexity_aware", {"unit_estimator": "two_point"}),
        ("complexity_aware", {"placement": "everywhere"}),
    ],
)
def test_values_that_mean_nothing_are_refused(paradigm: str, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue, match=next(iter(values))):
        paradigms.find(paradigm).create(values)


def test_a_batch_of_one_image_is_refused() -> None:
    with pytest.raises(InvalidValue, match="batch_size"):
        TrainingSpec(batch_size=1)


def test_a_network_without_anything_to_gate_is_refused(context: MemoryContext) -> None:
    with pytest.raises(InfeasibleTrial, match="digits_cnn has no residual branches to gate"):
        run_trial(spec("layer_only"), context)


def test_a_budget_below_what_cannot_be_removed_is_refused(context: MemoryContext) -> None:
    with pytest.raises(InfeasibleTrial, match="target_macs"):
        run_trial(spec(model="resnet20", target_macs=0.002), context)


def test_the_learning_rate_starts_again_after_the_window_if_asked() -> None:
    recipe = paradigms.find("complexity_aware").create({"restart": 0.5}).recipe(10)
    assert [(stage.epochs, stage.lr_scale) for stage in recipe if isinstance(stage, Train)] == [(4, 1.0), (6, 0.5)]
