"""What a network cannot do is found before its first trial."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.search.network_check import NetworkCheck
from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from orchestrator.study import extend
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier
from trainables.errors import InvalidValue


def study(model: str, **paradigms: Any) -> StudySpec:
    return small.study(trials=20, epochs=20, model={"name": model}, paradigms=paradigms)


@pytest.mark.parametrize(
    ("model", "paradigms", "words"),
    [
        ("mlp", {"layer_only": {}}, "no residual branches to gate"),
        ("mlp", {"magnitude": {"granularity": "layer"}}, "no residual blocks that could be dropped"),
        ("torchvision/squeezenet1_1", {"magnitude": {"granularity": "layer"}}, "no residual blocks"),
        ("torchvision/shufflenet_v2_x0_5", {"orthp": {}}, "cannot be removed"),
    ],
)
def test_a_study_of_which_nothing_can_run_is_refused_with_the_reason(
    model: str, paradigms: dict[str, Any], words: str
) -> None:
    data: dict[str, Any] = {"name": "cifar10", "root": "data", "download": True}
    spec = small.study(trials=20, epochs=20, data=data, model={"name": model}, paradigms=paradigms)
    with pytest.raises(StudyError, match=words) as refused:
        NetworkCheck(spec).require_work()
    assert [problem.key for problem in refused.value.problems] == [f"paradigms.{next(iter(paradigms))}"]


def test_a_choice_that_cannot_work_is_named_and_the_others_are_not() -> None:
    check = NetworkCheck(
        study("mlp", dense={}, magnitude={"granularity": ["weight", "filter", "layer"]}, layer_only={})
    )
    check.require_work()
    assert [(problem.key, problem.value) for problem in check.impossible()][:1] == [
        ("paradigms.magnitude.granularity", "layer")
    ]
    assert [problem.key for problem in check.impossible()][1:] == ["paradigms.layer_only"]


def test_a_network_that_can_do_everything_is_not_mentioned() -> None:
    check = NetworkCheck(study("resnet20", dense={}, magnitude={}, layer_only={}, unit_only={}, orthp={}))
    check.require_work()
    assert check.impossible() == []


def test_the_share_of_macs_that_filters_take_with_them_is_counted() -> None:
    assert NetworkCheck(study("mlp", magnitude={"granularity": "weight"})).removable_macs() is None
    whole = 64 * 300 + 300 * 100 + 100 * 10  # the two hidden layers of the perceptron on 8x8 images
    left = 64 * 1 + 1 * 1 + 1 * 10
    found = NetworkCheck(study("mlp", magnitude={"granularity": "filter", "stream": True})).removable_macs()
    assert found == pytest.approx(1 - left / whole)


def test_the_share_is_counted_beside_paradigms_that_demand_other_things() -> None:
    check = NetworkCheck(study("resnet20", consensus={}, polarization={}, manifold_dynamic={}, channel_search={}))
    assert check.removable_macs() == NetworkCheck(study("resnet20", polarization={})).removable_macs()


DEQ = {"channels": 32, "evaluations": 12, "jacobian": 3.0}
"""One network for all configurations of `equilibrium`."""


def test_the_network_that_a_paradigm_brings_must_suit_the_scaling() -> None:
    scaled = {"scaling": "architecture_aware"}
    spec = small.study(model={"name": "mlp"}, paradigms={"equilibrium": DEQ}, training=scaled)
    with pytest.raises(StudyError, match=r"name = 'deq': has an equilibrium, .*; use scaling: none") as refused:
        NetworkCheck(spec).require_work()
    assert [problem.key for problem in refused.value.problems] == ["paradigms.equilibrium"]


@pytest.mark.parametrize(("model", "paradigms"), [("mlp", {"equilibrium": DEQ}), ("deq", {"dense": {}})])
def test_a_searched_scaling_that_a_network_cannot_have_is_named(model: str, paradigms: dict[str, Any]) -> None:
    search = {"training": {"scaling": ["none", "architecture_aware"]}}
    check = NetworkCheck(small.study(trials=20, model={"name": model}, paradigms=paradigms, search=search))
    check.require_work()
    assert [problem.value for problem in check.impossible()] == ["architecture_aware"]


def test_images_that_the_network_cannot_take_are_refused() -> None:
    with pytest.raises(InvalidValue, match=r"model\.name = 'lenet'.*needs images"):
        NetworkCheck(study("lenet", magnitude={"granularity": "filter"})).require_work()


def test_corruptions_that_the_images_do_not_fit_are_refused() -> None:
    spec = small.study(data={"name": "digits", "corruptions": {"kinds": ["fog", "snow"]}})
    with pytest.raises(InvalidValue, match=r"data\.corruptions\.kinds = 'snow': needs images of at least 16 pixels"):
        NetworkCheck(spec).require_work()


@pytest.mark.parametrize("command", ["plan", "launch"])
def test_plan_and_launch_refuse_and_write_nothing(espalier: Espalier, tmp_path: Path, command: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(study("mlp", layer_only={}).as_yaml(), encoding="utf-8")
    status, out, err = espalier(command, str(file))
    assert (status, out) == (2, "")
    assert "paradigms.layer_only: mlp has no residual branches to gate" in err
    assert not (tmp_path / "espalier-store" / "studies").exists()


def test_plan_says_what_the_network_cannot_do_and_what_filters_can_take(espalier: Espalier, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    text = study("mlp", dense={}, magnitude={"granularity": "filter"}, layer_only={}).as_yaml()
    file.write_text(text, encoding="utf-8")
    status, out, _ = espalier("plan", str(file), "--no-probe")
    assert status == 0
    assert "Network: paradigms.layer_only: mlp has no residual branches to gate" in out
    assert "Filters: removing them can save at most 99.9% of the network's MACs" in out


def test_an_extension_names_what_the_network_cannot_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = study("mlp", dense={})
    small.launched(before, tmp_path).close()
    more = study("mlp", dense={}, layer_only={}).model_copy(update={"seed": 1})
    with pytest.raises(StudyError, match="seed = 1: cannot change"):
        extend(more, Store(tmp_path))
    assert "paradigms.layer_only: mlp has no residual branches to gate" in caplog.text
    assert "such trials will fail" in caplog.text


def over_networks(*networks: object, **searched: Any) -> StudySpec:
    paradigms: dict[str, Any] = {"dense": {}, "layer_only": {}}
    return small.study(trials=20, epochs=20, model=networks, paradigms=paradigms, search={"options": searched})


def test_of_several_networks_those_are_named_that_cannot_do_what_a_paradigm_does() -> None:
    check = NetworkCheck(over_networks("mlp", "resnet20"))
    check.require_work()
    (problem,) = check.impossible()
    assert (problem.key, problem.value) == ("paradigms.layer_only.model", "mlp")
    assert "no residual branches to gate" in problem.allowed


def test_a_network_that_cannot_be_built_is_named_with_its_place_in_the_list() -> None:
    with pytest.raises(InvalidValue, match=r"model\[1\]\.options\.width = -1"):
        NetworkCheck(over_networks("mlp", {"name": "resnet20", "options": {"width": -1}})).require_work()


def test_every_value_that_is_named_for_an_option_must_build_the_networks_that_take_it() -> None:
    NetworkCheck(over_networks("mlp", "resnet20", width=[0.25, 0.5])).require_work()
    with pytest.raises(InvalidValue, match=r"search\.options\.width = 99: .*, for resnet20"):
        NetworkCheck(over_networks("mlp", "resnet20", width=[0.25, 99])).require_work()


def test_a_graph_is_learnt_from_the_layers_of_one_network() -> None:
    searched = {"sampler": "graph", "options": {"widths.0": {"low": 8, "high": 32}}}
    network = {"name": "digits_cnn", "options": {"widths": [32, 32, 64]}}
    NetworkCheck(small.study(search=searched, model=network)).require_work()
    with pytest.raises(InvalidValue, match=r"search.sampler = 'graph': learns from the layers of one network, and the"):
        NetworkCheck(small.study(search=searched, model=[network, {"name": "mlp"}])).require_work()
