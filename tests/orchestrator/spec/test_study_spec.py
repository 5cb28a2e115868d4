"""Study files: everything wrong in one is told at once, and nothing wrong gets through."""

import json
import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec import study_spec
from orchestrator.spec.choices import cannot_fit
from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_spec import Choice, Fidelity, Range, Search, StudySpec
from trainables import data
from trainables.spec import CorruptionSpec, DataSpec, EnsembleSpec, EvaluationSpec, LatencySpec, ModelSpec, TrainingSpec

PLAIN: Mapping[str, Any] = {
    "name": "small",
    "data": {"name": "digits"},
    "model": {"name": "digits_cnn"},
    "paradigms": {"dense": None, "magnitude": {"sparsity": {"low": 0.2, "high": 0.9}}},
    "search": {
        "trials": 4,
        "training": {"lr": {"low": 0.01, "high": 1.0, "log": True}, "batch_size": {"low": 16, "high": 256}},
    },
    "fidelity": {"epochs": 10, "rungs": [3]},
}


def changed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return PLAIN with values replaced, keyed by their path."""
    plain: dict[str, Any] = yaml.safe_load(yaml.safe_dump(dict(PLAIN)))
    for key, value in changes.items():
        *parents, last = key.split(".")
        place = plain
        for parent in parents:
            place[parent] = place.get(parent) or {}
            place = place[parent]
        place[last] = value
    return plain


def load(folder: Path, changes: Mapping[str, Any]) -> StudySpec:
    return load_text(folder, yaml.safe_dump(changed(changes)))


def load_text(folder: Path, text: str) -> StudySpec:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return StudySpec.load(path)


def problems(folder: Path, changes: Mapping[str, Any]) -> dict[str, str]:
    with pytest.raises(StudyError) as raised:
        load(folder, changes)
    return {one.key: str(one) for one in raised.value.problems}


def test_a_file_gives_the_object_that_python_builds(tmp_path: Path) -> None:
    built = StudySpec(
        name="small",
        data=DataSpec(name="digits"),
        model=ModelSpec(name="digits_cnn"),
        paradigms={"dense": {}, "magnitude": {"sparsity": Range(low=0.2, high=0.9)}},
        search=Search(
            trials=4, training={"lr": Range(low=0.01, high=1.0, log=True), "batch_size": Range(low=16, high=256)}
        ),
        fidelity=Fidelity(epochs=10, rungs=[3]),
    )
    assert load(tmp_path, {}) == built
    assert pickle.loads(pickle.dumps(built)) == built


@given(
    trials=st.integers(2, 10_000),
    lr=st.floats(1e-9, 10),
    milestones=st.lists(st.floats(0.01, 0.99), unique=True).map(sorted),
    sparsity=st.one_of(st.floats(0, 0.999), st.lists(st.floats(0, 0.999), min_size=1, unique=True)),
    decays=st.one_of(
        st.lists(st.floats(0, 1), min_size=1, unique=True), st.floats(0, 1).map(lambda low: Range(low=low, high=2))
    ),
    bound=st.floats(0, allow_nan=False, allow_infinity=False),
)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory,
    trials: int,
    lr: float,
    milestones: list[float],
    sparsity: Choice,
    decays: Choice,
    bound: float,
) -> None:
    spec = StudySpec(
        name="small",
        data=DataSpec(name="digits", subset=300),
        model=ModelSpec(name="mlp"),
        training=TrainingSpec(lr=lr, milestones=tuple(milestones)),
        constraints={"loss": f"<= {bound}"},
        paradigms={"dense": {}, "magnitude": {"sparsity": sparsity, "stream": True}},
        search=Search(trials=trials, training={"weight_decay": decays}),
        fidelity=Fidelity(epochs=10),
    )
    assert load_text(tmp_path_factory.getbasetemp(), spec.as_yaml()) == spec


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("name", "../escape", "letters, digits"),
        ("name", 7, "must be text"),
        ("seed", -1, "at least 0"),
        ("seed", 1.5, "whole number"),
        ("data", "digits", "must be a mapping"),
        ("data.name", "digit", "did you mean 'digits'?"),
        ("data.validation", 1.5, "strictly between 0 and 1"),
        ("data.validation", "0.1", "must be a number"),
        ("data.subset", 0, "at least 1"),
        ("data.download", 1, "true or false"),
        ("data.corruptions", ["fog"], "must be a mapping"),
        ("model.name", "resnett20", "did you mean 'resnet20'?"),
        ("training.lr", -0.1, "greater than 0"),
        ("training.lr", True, "must be a number"),
        ("training.lr", math.inf, "finite"),
        ("training.optimizer", "sdg", "did you mean 'sgd'?"),
        ("training.milestones", [0.5, 0.2], "rising"),
        ("training.batch_size", 128.5, "whole number"),
        ("objectives", {}, "at least one"),
        ("objectives.acuracy", "maximize", "did you mean 'accuracy'?"),
        ("objectives.accuracy", "maximise", "did you mean 'maximize'?"),
        ("constraints.acuracy", ">= 0.8", "did you mean 'accuracy'?"),
        ("constraints.accuracy", "0.8", '">= 0.8"'),
        ("constraints.accuracy", ">= high", '">= 0.8"'),
        ("constraints.accuracy", ">= 2", "can be met by no network: accuracy lies in [0, 1]"),
        ("constraints.accuracy", "> 1", "can be met by no network"),
        ("constraints.macs", "< 0", "can be met by no network: macs is at least 0"),
        ("constraints.loss", "<= 1e999", "can be met by no network"),
        ("objectives.accuracy", "minimize", "must be maximize"),
        ("objectives.macs", "maximize", "must be minimize"),
        ("data.root", "somewhere", "digits comes along with espalier: leave it out"),
        ("data.download", True, "digits comes along with espalier: leave it out"),
        ("ledger", "postgresql://me@one:5432,two:99999/db", "must name a port between 1 and 65535"),
        ("tracking", "http://host:65536", "must name a port between 1 and 65535"),
        ("search.trials", 10**9, "at most 1e+06"),
        ("fidelity.epochs", 10**7, "at most 1e+06"),
        ("budget.hours", 1e12, "at most 1e+06"),
        ("resources.cpus", 1e9, "at most 100000"),
        ("resources.workers", 10**8, "at most 100000"),
        ("training.batch_size", 10**12, "at most 1048576"),
        ("training.lr", 1e30, "at most 1000"),
        ("model.name", "resnet18", "did you mean 'torchvision/resnet18'?"),
        ("paradigms.magnitude.sparsity", [0, 0.0], "twice"),
        ("constraints.accuracy", 0.8, "must be text"),
        ("paradigms", {}, "at least one"),
        ("paradigms", None, "must be a mapping"),
        ("paradigms.magnitud", {}, "did you mean 'magnitude'?"),
        ("paradigms.dense.sparsity", 0.5, "unknown key"),
        ("paradigms.magnitude.sparsty", 0.5, "did you mean 'sparsity'?"),
        ("paradigms.magnitude.sparsity", None, "must be a number"),
        ("paradigms.magnitude.sparsity", 1.5, "[0.0, 0.999]"),
        ("paradigms.magnitude.sparsity", "most", "[0.0, 0.999]"),
        ("paradigms.magnitude.sparsity", [], "at least one choice"),
        ("paradigms.magnitude.sparsity", [0.5, 0.5], "twice"),
        ("paradigms.magnitude.rounds", 2.5, "an integer"),
        ("paradigms.magnitude.granularity", "filtr", "filter, layer"),
        ("paradigms.magnitude.granularity", {"low": 1, "high": 2}, "no range of numbers"),
        ("paradigms.magnitude.sparsity.lo", 0.1, "did you mean 'low'?"),
        ("paradigms.magnitude.sparsity.low", 0.95, "must lie below high"),
        ("paradigms.magnitude.sparsity.low", "0.1", "must be a finite number"),
        ("paradigms.magnitude.sparsity.high", 1.5, "[0.0, 0.999]"),
        ("paradigms.magnitude.sparsity.low", -0.1, "[0.0, 0.999]"),
        ("search.sampler", "tpee", "did you mean 'tpe'?"),
        ("search.training.lrr", [0.1], "did you mean 'lr'?"),
        ("search.training.milestones", [0.1, 0.2], "unknown key"),
        ("search.training.lr", 0.1, "one value for all trials is training.lr"),
        ("search.training.lr", [], "at least one choice"),
        ("search.training.lr", [0.1, 0.1], "twice"),
        ("search.training.lr.low", 0.0, "greater than 0"),
        ("search.training.lr.high", "1", "must be a finite number"),
        ("search.training.lr.lo", 0.1, "did you mean 'low'?"),
        ("search.training.batch_size.low", 16.5, "whole number"),
        ("search.training.optimizer", {"low": 1, "high": 2}, "no range of numbers"),
        ("search.training.nesterov", {"low": 1, "high": 2}, "no range of numbers"),
        ("search.trials", 0, "at least 1"),
        ("search.trials", 1, "at least 2: each paradigm"),
        ("fidelity.epochs", 0, "at least 1"),
        ("fidelity.rungs", [3, 1], "rising"),
        ("fidelity.rungs", [10], "between 1 and 9"),
        ("fidelity.reduction", 1, "at least 2"),
        ("budget.hours", 0, "greater than 0"),
        ("budget.hours", math.inf, "finite"),
        ("resources.cpus", 0, "greater than 0"),
        ("resources.gpus", -1, "at least 0"),
        ("resources.workers", 0, "must be at least 1"),
        ("resources.workers", "two", ""),
        ("resources.gpus", 1.5, "whole number, or a share of one GPU"),
        ("resources.mps", True, "needs gpus between 0 and 1"),
    ],
)
def test_a_wrong_value_is_told_by_its_key(tmp_path: Path, key: str, value: object, allowed: str) -> None:
    found = problems(tmp_path, {key: value})
    assert list(found) == [key]
    assert allowed in found[key]
    assert "pydantic" not in found[key]


@pytest.mark.parametrize(
    ("corruptions", "key", "allowed"),
    [
        ({"kinds": ["fog"], "severities": [1]}, "severities", "did you mean 'severity'?"),
        ({"severity": [1, 2]}, "kinds", "is required"),
        ({"kinds": "fog"}, "kinds", "must be a list"),
        ({"kinds": ["fogg"]}, "kinds", "did you mean 'fog'?"),
        ({"kinds": ["fog"], "severity": [1, 6]}, "severity", "from 1 to 5"),
        ({"kinds": ["fog"], "share": 0}, "share", "greater than 0"),
    ],
)
def test_a_mistake_in_corruptions_is_told_by_its_key(
    tmp_path: Path, corruptions: dict[str, Any], key: str, allowed: str
) -> None:
    found = problems(tmp_path, {"data.corruptions": corruptions})
    assert list(found) == [f"data.corruptions.{key}"]
    assert allowed in found[f"data.corruptions.{key}"]


def test_corruptions_come_back_from_the_stored_study(tmp_path: Path) -> None:
    spec = load(tmp_path, {"data.corruptions": {"kinds": ["fog", "snow"], "severity": [2, 3]}})
    assert spec.data.corruptions == CorruptionSpec(kinds=("fog", "snow"), severity=(2, 3), share=0.5)
    stored = tmp_path / "stored.yaml"
    stored.write_text(spec.as_yaml(), encoding="utf-8")
    assert StudySpec.stored(stored) == spec


def test_the_fewest_workers_are_no_more_than_the_most(tmp_path: Path) -> None:
    assert problems(tmp_path, {"resources.workers": {"min": 3, "max": 2}}) == {
        "resources.workers.max": "resources.workers.max = 2: must be at least min, 3"
    }


@pytest.mark.parametrize("key", ["name", "data", "model", "paradigms", "fidelity", "data.name", "fidelity.epochs"])
def test_what_is_missing_is_required(tmp_path: Path, key: str) -> None:
    plain = changed({})
    *parents, last = key.split(".")
    del (plain[parents[0]] if parents else plain)[last]
    with pytest.raises(StudyError, match=f"{key}: is required"):
        load_text(tmp_path, yaml.safe_dump(plain))


@pytest.mark.parametrize(
    "section",
    ["", "data", "model", "training", "search", "fidelity", "budget", "resources", "ensemble", "evaluation"],
)
def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path, section: str) -> None:
    sections: dict[str, Any] = {name: field.annotation for name, field in StudySpec.model_fields.items()}
    optional = {"ensemble": EnsembleSpec, "evaluation": EvaluationSpec}
    owner = {"": StudySpec, **sections, "model": ModelSpec, **optional}[section]
    for name in owner.__annotations__:
        slip = f"{section}.{name}x".removeprefix(".")
        assert f"did you mean {name!r}?" in problems(tmp_path, {slip: 1})[slip]


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    wrong = {
        "nmae": "x",
        "seed": "one",
        "data.validation": 3,
        "training.lr": -1,
        "training.gamma": 2,
        "paradigms.lottery": {},
        "paradigms.magnitude.sparsity.high": 2,
        "paradigms.magnitude.scope": [],
        "fidelity.rungs": [50],
        "budget.hours": -1,
    }
    assert set(problems(tmp_path, wrong)) == set(wrong)


def test_a_date_or_a_version_is_a_name_like_any_other(tmp_path: Path) -> None:
    text = yaml.safe_dump({key: value for key, value in changed({}).items() if key != "name"})
    assert load_text(tmp_path, f"{text}name: 2026-11-20\n").name == "2026-11-20"
    assert load_text(tmp_path, f"{text}name: 1.5.2\n").name == "1.5.2"


def test_the_folder_of_the_data_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = {"name": "cifar10", "root": "../data", "download": True}
    root = load(tmp_path, {"data": data}).data.root
    assert root == str(tmp_path.parent / "data")


def test_data_that_are_not_there_are_told_unless_the_study_was_stored(tmp_path: Path) -> None:
    changes = {"data": {"name": "cifar10", "root": str(tmp_path / "nowhere")}}
    assert "data.root" in problems(tmp_path, changes)
    assert StudySpec.stored(tmp_path / "study.yaml").data.name == "cifar10"


@pytest.mark.parametrize("section", ["data", "training", "paradigms"])
def test_python_is_told_the_same_as_a_file(section: str) -> None:
    parts: dict[str, Any] = {
        "data": DataSpec(name="digits", download=3),  # type: ignore[arg-type]
        "training": TrainingSpec(nesterov=7),  # type: ignore[arg-type]
        "paradigms": {"magnitude": {"sparsity": Range(low=0.9, high=0.1)}},
    }
    whole = {"data": DataSpec(name="digits"), "training": TrainingSpec(), "paradigms": {"dense": {}}}
    with pytest.raises(StudyError, match=f"{section}."):
        StudySpec(
            name="x", model=ModelSpec(name="mlp"), fidelity=Fidelity(epochs=4), **{**whole, section: parts[section]}
        )


def test_a_trial_measures_what_the_study_seeks_and_what_it_bounds(tmp_path: Path) -> None:
    constraints = {"latency": "< 1", "params": "> 2"}
    latency = {"batch": 3, "device": "cpu"}
    spec = load(tmp_path, {"objectives": {"params": "minimize"}, "constraints": constraints, "latency": latency})
    trial = spec.trial("magnitude", {"sparsity": 0.5}, seed=3)
    assert trial.objectives == ("params", "latency")
    assert trial.latency == LatencySpec(batch=3, device="cpu")
    assert (trial.epochs, trial.seed, trial.hyperparameters) == (10, 3, {"sparsity": 0.5})


def test_a_budget_of_latency_is_measured_as_the_study_says(tmp_path: Path) -> None:
    budget = {"complexity_aware": {"target_latency": 0.5}}
    spec = load(tmp_path, {"paradigms": budget, "latency": {"batch": 64}})
    assert spec.trial("complexity_aware", {"target_latency": 0.5}, seed=0).latency == LatencySpec(batch=64)


@pytest.mark.parametrize("shipped", sorted(Path("studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_studies_that_come_along_are_accepted(shipped: Path) -> None:
    assert StudySpec.stored(shipped).name == shipped.stem


def test_a_file_is_validated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    check_data, fit = data.check, cannot_fit

    def counted_check(spec: DataSpec) -> None:
        calls.append("data")
        check_data(spec)

    def counted_fit(name: str, chosen: Mapping[str, Choice], epochs: int) -> str | None:
        calls.append(name)
        return fit(name, chosen, epochs)

    monkeypatch.setattr(data, "check", counted_check)
    monkeypatch.setattr(study_spec, "cannot_fit", counted_fit)
    spec = StudySpec.load(Path("studies/paradigms-digits.yaml"))
    assert calls == ["data", *spec.paradigms]


def test_numbers_of_numpy_count_as_pythons_own() -> None:
    number: Any = np.int64
    share: Any = np.float32
    spec = StudySpec(
        name="x",
        seed=number(3),
        data=DataSpec(name="digits", subset=number(300)),
        model=ModelSpec(name="mlp"),
        paradigms={"magnitude": {"sparsity": [share(0.5), share(0.25)], "finetune": Range(low=share(0.25), high=0.5)}},
        fidelity=Fidelity(epochs=number(4)),
    )
    assert (spec.seed, spec.data.subset, spec.fidelity.epochs) == (3, 300, 4)
    assert spec.paradigms["magnitude"]["sparsity"] == [0.5, 0.25]
    assert StudySpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize("pretrain", [0, [1, 0]])
def test_a_network_that_nobody_has_trained_is_not_pruned_at_once(pretrain: Any, tmp_path: Path) -> None:
    at_once = {"paradigms": {"dense": None, "magnitude": {"pretrain": pretrain}}}
    found = problems(tmp_path, at_once)
    assert found.keys() == {"paradigms.magnitude.pretrain"}
    assert "digits_cnn starts untrained: give it `weights`" in found["paradigms.magnitude.pretrain"]
    assert problems(tmp_path, {**at_once, "model.weights": "nowhere.pt"}).keys() == {"model.weights"}
    earlier = load(tmp_path, {**at_once, "model.weights": "trial:first/0"})
    assert earlier.networks[0].weights == "trial:first/0"


def test_how_long_is_finetuned_is_refused_where_all_epochs_follow_pruning(tmp_path: Path) -> None:
    chosen = {"model.weights": "trial:first/0", "paradigms.magnitude": {"pretrain": 0, "finetune": 0.3}}
    found = problems(tmp_path, chosen)
    assert (
        "has no effect in this study: it matters only where pretrain is not 0" in found["paradigms.magnitude.finetune"]
    )


@pytest.mark.parametrize(
    ("model", "key", "problem"),
    [
        ({"name": "mlp", "weights": "no.pt"}, "model.weights", "is not there; must be imagenet, trial:STUDY/NUMBER"),
        ({"name": "mlp", "weights": "imagenet"}, "model.weights", "is for networks of torchvision and timm"),
        ([{"name": "mlp"}, {"name": "mlp", "weights": "no.pt"}], "model[1].weights", "is not there"),
    ],
)
def test_weights_that_cannot_be_there_are_refused_under_their_key(
    model: Any, key: str, problem: str, tmp_path: Path
) -> None:
    assert problem in problems(tmp_path, {"model": model})[key]


def test_a_metric_by_reference_has_the_direction_of_the_file_and_its_package_counts_as_code(tmp_path: Path) -> None:
    for direction in ("minimize", "maximize"):
        changes = {"objectives": {"nets.own:norm": direction}, "constraints": {"nets.own:norm": "> -3"}}
        spec = load(tmp_path, changes)
        assert spec.objectives == {"nets.own:norm": direction}
        assert spec.trial("dense", {}, 0).objectives == ("nets.own:norm",)
        assert spec.referred == ("nets",)
    assert "unknown key" in problems(tmp_path, {"objectives": {"nets.own": "minimize"}})["objectives.nets.own"]


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"latency": {"batch": 2}}, "latency", "name latency under objectives"),
        ({"latency": {"batch": 0}, "objectives": {"latency": "minimize"}}, "latency.batch", "must be from 1"),
        ({"latency": {"device": "tpu"}, "objectives": {"latency": "minimize"}}, "latency.device", "trial"),
        ({"latency": {"device": "cuda"}, "objectives": {"latency": "minimize"}}, "latency.device", "needs a GPU"),
        ({"latency": {"bach": 2}, "objectives": {"latency": "minimize"}}, "latency.bach", "did you mean 'batch'"),
        ({"objectives": {"energy": "minimize"}}, "objectives.energy", "needs resources.gpus: 1, not 0"),
        (
            {"constraints": {"peak_memory": "< 1e9"}, "training": {"shared_dense": True}},
            "constraints.peak_memory",
            "with training.shared_dense one pays for others",
        ),
        (
            {"objectives": {"train_seconds": "minimize"}, "training": {"shared_dense": True}},
            "objectives.train_seconds",
            "with training.shared_dense one pays for others",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(changes: dict[str, Any], key: str, message: str, tmp_path: Path) -> None:
    assert message in problems(tmp_path, changes)[key]


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"objectives": {"accuracy": "maximize"}}, "objectives.accuracy", "this study has task: regression"),
        ({"constraints": {"top5": ">= 0.5"}}, "constraints.top5", "is a metric of task: classification"),
        ({"objectives": {"mae": "maximize"}}, "objectives.mae", "must be minimize"),
        ({"training": {"label_smoothing": 0.1}}, "training.label_smoothing", "is for classification"),
        ({"task": "language_modeling", "objectives": {"perplexity": "minimize"}}, "task", "needs data: {name: text}"),
        ({"task": "regresion", "objectives": {"mae": "minimize"}}, "task", "did you mean 'regression'"),
    ],
)
def test_what_does_not_belong_to_the_task_is_refused_once(
    tmp_path: Path, changes: dict[str, Any], key: str, message: str
) -> None:
    given = {"task": "regression", "objectives": {"mae": "minimize", "macs": "minimize"}, **changes}
    plain = {**yaml.safe_load(Path("studies/digits.yaml").read_text(encoding="utf-8")), "constraints": {}, **given}
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(plain), encoding="utf-8")
    with pytest.raises(StudyError) as refused:
        StudySpec.load(file)
    assert [problem.key for problem in refused.value.problems] == [key]
    assert message in str(refused.value)


@pytest.mark.parametrize(("task", "selects"), [("classification", "accuracy"), ("regression", "mae")])
def test_a_study_without_objectives_seeks_what_selects_in_its_task(task: str, selects: str) -> None:
    plain = yaml.safe_load(Path("studies/digits.yaml").read_text(encoding="utf-8"))
    del plain["objectives"], plain["constraints"]
    assert list(StudySpec.model_validate_json(json.dumps({**plain, "task": task})).objectives) == [selects, "macs"]
