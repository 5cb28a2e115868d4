"""Networks that become small without chance: gates that fade over an epoch, after exact measurements."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Interrupted, MemoryContext, computed
from tests.trainables.gates.test_gated_training import spec
from tests.trainables.stages import a_trial, run_epoch, run_step
from trainables.checkpoint import CHECKPOINT
from trainables.errors import InfeasibleTrial
from trainables.gates.gated_training import GatedTraining
from trainables.gates.structures import find_structures
from trainables.recipes.gating import Gating
from trainables.recipes.recipe import Train
from trainables.runner import run_recipe
from trainables.spec import TrialSpec
from trainables.state import LiveTrial
from trainables.structure.complexity import measure
from trainables.trial import run_trial


def faded(model: str = "digits_cnn", epochs: int = 4, paradigm: str = "complexity_aware", **values: Any) -> TrialSpec:
    return spec(paradigm, model, epochs, subset=96, **{"path": "fade", "window": 0.75, **values})


@pytest.mark.parametrize(
    ("values", "quantity"),
    [
        ({"target_macs": 0.4}, "macs"),
        ({"target_params": 0.4, "alpha": 0.0}, "params"),
        ({"target_macs": 0.4, "window": 0.05}, "macs"),
    ],
    ids=["macs", "parameters", "in one epoch"],
)
def test_a_budget_is_met_and_expected_from_the_first_epoch(
    values: dict[str, Any], quantity: str, context: MemoryContext
) -> None:
    run_trial(faded(**values), context)
    measured = context.reports[-1].metrics
    assert measured[quantity] / measured[f"{quantity}_dense"] == pytest.approx(0.4, rel=0.02)
    assert measured[quantity] == measured[f"{quantity}_physical"]
    assert measured["removal_disagreement"] < 1e-4
    assert 0 <= measured["worth_kept_below_price"] <= 1
    for report in context.reports:
        assert getattr(report, f"{quantity}_projected") == pytest.approx(measured[quantity], rel=0.05)


def test_layers_alone_go_where_only_layers_are_gated(tmp_path: Path) -> None:
    trial = a_trial(tmp_path, "resnet20")
    dense = measure(trial.model, trial.dataset.input_shape).macs
    run_recipe((Train(4, during=Gating(epochs=3, path="fade", units=False, target_macs=0.5)),), trial)
    assert trial.dropped
    assert abs(trial.cost().macs / dense - 0.5) < 0.06
    assert all(not m._forward_hooks and not m._forward_pre_hooks for m in trial.model.modules())


def test_attention_heads_and_feed_forward_units_fade_too(context: MemoryContext) -> None:
    run_trial(faded("vit", 2, target_macs=0.6), context)
    measured = context.reports[-1].metrics
    assert measured["macs"] / measured["macs_dense"] == pytest.approx(0.6, rel=0.02)


def test_layers_keep_multiples_of_units(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    run_recipe((Train(3, during=Gating(epochs=3, path="fade", target_macs=0.4, round_to=8)),), trial)
    sizes = {group.size for group in trial.groups}
    assert {size % 8 for size in sizes} == {0}
    assert sizes != {group.size for group in a_trial(tmp_path).groups}


def test_a_higher_price_leaves_less_and_none_leaves_everything(tmp_path: Path) -> None:
    left = []
    for nu in (0.0, 0.3, 30.0):
        trial = a_trial(tmp_path, lr=0.05)
        run_recipe((Train(4, during=Gating(epochs=4, path="fade", nu=nu, ramp=0.0)),), trial)
        left.append(trial.cost().macs)
    assert left[0] == measure(trial.build(), trial.dataset.input_shape).macs
    assert left == sorted(left, reverse=True)
    assert left[2] < left[0]


def test_a_budget_below_what_cannot_be_removed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfeasibleTrial, match=r"target_params = 0\.001: .* parameters"):
        GatedTraining(Gating(epochs=1, path="fade", target_params=0.001), a_trial(tmp_path, "resnet20"), 3)


@pytest.fixture
def trial(tmp_path: Path) -> LiveTrial:
    return a_trial(tmp_path, precision="float32")


def leaving(trial: LiveTrial, structures: list[int], price: float) -> GatedTraining:
    """Return gated training in which `structures` were chosen at the end of the first of many epochs."""
    companion = GatedTraining(Gating(epochs=20, path="fade"), trial, 60)
    state = companion.state_dict() | {"leaving": torch.tensor(structures), "price": price, "epoch": 1}
    companion.load_state_dict(state)
    trial.model.train()
    return companion


def test_gates_of_what_leaves_go_evenly_from_one_to_zero(trial: LiveTrial) -> None:
    """The last layer reads features: those of a closing unit shrink by a third in each of three steps."""
    structures = find_structures(trial.model, trial.groups)
    last = structures.groups[-1]
    (unit,) = [structures.slices()[-1].start + 5]
    companion, seen = leaving(trial, [unit], 1.0), []
    reader = trial.model.get_submodule(last.readers[0].module)
    columns = [column for column, root in enumerate(last.readers[0].roots) if root == 5]
    handle = reader.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()[:, columns]))
    for images, labels in list(trial.batches()):
        companion.before_forward(images, labels)
        trial.model(images)
        companion.load_state_dict(companion.state_dict() | {"leaving": torch.zeros(0, dtype=torch.long)})
        run_step(companion, trial, images, labels)
        companion.load_state_dict(companion.state_dict() | {"leaving": torch.tensor([unit])})
    handle.remove()
    shares = [
        float((closing.sum() / whole.sum()).detach()) for closing, whole in zip(seen[::2], seen[1::2], strict=True)
    ]
    assert shares == pytest.approx([1, 2 / 3, 1 / 3], abs=1e-5)


def test_what_costs_more_than_its_price_once_it_has_closed_is_opened_again(trial: LiveTrial) -> None:
    before = [group.size for group in trial.groups]
    companion = leaving(trial, list(range(30)), price=-1e3)
    run_epoch(companion, trial)
    assert [group.size for group in trial.groups] == before
    assert companion.state_dict()["leaving"].tolist() == []


def test_what_costs_less_than_its_price_is_deleted_once_it_has_closed(trial: LiveTrial) -> None:
    before = sum(group.size for group in trial.groups)
    companion = leaving(trial, list(range(20)), price=1e3)
    run_epoch(companion, trial)
    assert sum(group.size for group in trial.groups) == before - 20


@pytest.mark.parametrize(
    "values",
    [{"target_macs": 0.4}, {"nu": 30.0}, {"model": "resnet20", "placement": "hidden", "target_macs": 0.4}],
    ids=["budget", "price", "hidden"],
)
def test_a_trial_interrupted_while_gates_fade_ends_in_the_same_network(values: dict[str, Any], tmp_path: Path) -> None:
    own = faded(epochs=5, window=0.8, **values)
    whole = MemoryContext(tmp_path / "whole")
    run_trial(own, whole)
    assert whole.reports[-1].metrics["macs"] < whole.reports[-1].metrics["macs_dense"]
    first = MemoryContext(tmp_path / "first", stop_after=3)
    with pytest.raises(Interrupted):
        run_trial(own, first)
    interrupted = torch.load(first.checkpoints[-1] / CHECKPOINT, weights_only=True)
    assert len(interrupted["companion"]["0"]["leaving"])
    second = MemoryContext(tmp_path / "second", resume_from=first.checkpoints[-1])
    run_trial(own, second)
    assert computed(second.reports[-1]) == computed(whole.reports[-1])
    expected, resumed = (torch.load(c.checkpoints[-1] / CHECKPOINT, weights_only=True) for c in (whole, second))
    assert str(expected["companion"]) == str(resumed["companion"])
