"""What a plan says of learning rates."""

from typing import Any

import yaml

from orchestrator.plan.learning_rates import rate_lines
from orchestrator.search.network_check import NetworkCheck
from tests.orchestrator.small import study


def lines(**given: Any) -> tuple[str, ...]:
    spec = study(**given)
    return rate_lines(spec, NetworkCheck(spec).networks)


def test_the_file_that_a_store_keeps_names_how_training_is_scaled() -> None:
    chosen = {"scaling": "architecture_aware", "lr_after_pruning": "scaled", "paths": "average"}
    kept = yaml.safe_load(study(training=chosen).as_yaml())["training"]
    assert {name: kept[name] for name in chosen} == chosen


def test_a_study_that_scales_nothing_has_none() -> None:
    assert lines() == ()


def test_each_network_has_its_factor_and_the_paths_that_it_comes_from() -> None:
    four, three = lines(model=["digits_cnn", "mlp"], training={"scaling": "architecture_aware"})
    assert four == "times 0.65 for digits_cnn (1 path of 4 layers in the mean; paths: sum)"
    assert three == "times 1 for mlp (1 path of 3 layers in the mean; paths: sum)"


def test_what_is_searched_is_shown_for_each_choice() -> None:
    searched = {"scaling": ["none", "architecture_aware"], "paths": ["average", "sum"], "lr_after_pruning": ["scaled"]}
    every = lines(model={"name": "resnet20"}, search={"trials": 2, "training": searched})
    assert every == (
        "times 0.00569 for resnet20 (512 paths of 11 layers in the mean; paths: sum)",
        "times 0.129 for resnet20 (512 paths of 11 layers in the mean; paths: average)",
        "scaled once more when residual blocks are gone (training.lr_after_pruning: scaled)",
    )


def test_readouts_with_a_rate_of_their_own_have_a_line_unless_it_is_searched() -> None:
    (line,) = lines(training={"readout_lr": 0.01})
    assert line == "times 0.01 for layers that no other layer follows (training.readout_lr)"
    wide = {"low": 0.001, "high": 1.0, "log": True}
    assert lines(training={"readout_lr": 0.01}, search={"trials": 2, "training": {"readout_lr": wide}}) == ()


def test_a_network_whose_options_are_searched_is_shown_without_them() -> None:
    (line,) = lines(
        model={"name": "dag"},
        training={"scaling": "architecture_aware"},
        search={"trials": 2, "options": {"graph": ["linear~0"]}},
    )
    assert line.startswith("times 0.545 for dag before its options are searched (2 paths of 3.5 layers")


def test_a_network_that_cannot_be_scaled_is_named_with_the_reason_where_other_choices_are_left() -> None:
    searched = {"scaling": ["none", "architecture_aware"]}
    (line,) = lines(model={"name": "deq"}, search={"trials": 2, "training": searched})
    assert line.startswith("not scaled for deq, which has an equilibrium, whose paths have no length")
