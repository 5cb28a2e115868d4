"""Study files: everything wrong in one is told at once, and nothing wrong gets through."""

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
from orchestrator.spec.study_spec import Choice, Constraint, Fidelity, Range, Search, StudySpec
from trainables import data, paradigms
from trainables.paradigms.dense import Dense
from trainables.recipes.recipe import Recipe
from trainables.spec import DataSpec, ModelSpec, TrainingSpec

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
        ("paradigms.magnitude.rounds", 2.5, "whole"),
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


@pytest.mark.parametrize("section", ["", "data", "model", "training", "search", "fidelity", "budget", "resources"])
def test_an_unknown_key_names_the_nearest_known_one(tmp_path: Path, section: str) -> None:
    owner: Any = StudySpec.model_fields[section].annotation if section else StudySpec
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


def test_a_logarithmic_range_begins_above_zero(tmp_path: Path) -> None:
    found = problems(tmp_path, {"paradigms.magnitude.sparsity": {"low": 0.0, "high": 0.5, "log": True}})
    assert "greater than 0" in found["paradigms.magnitude.sparsity.low"]


@pytest.mark.parametrize(
    ("epochs", "chosen", "names"),
    [
        (1, {"magnitude": None}, "magnitude: finetune"),
        (5, {"dense": None, "lottery_ticket": {"rounds": 5}}, "lottery_ticket: rounds = 5"),
        (5, {"lottery_ticket": {"rounds": [1, 8]}}, "lottery_ticket: rounds = 8"),
        (5, {"lottery_ticket": {"rounds": {"low": 1, "high": 20}}}, "lottery_ticket: rounds = 20"),
        (6, {"magnitude": {"schedule": "iterative", "rounds": 4, "finetune": 0.3}}, "4 rounds of training"),
    ],
)
def test_a_recipe_that_does_not_fit_the_epochs_is_told(
    tmp_path: Path, epochs: int, chosen: dict[str, Any], names: str
) -> None:
    found = problems(tmp_path, {"paradigms": chosen, "fidelity.epochs": epochs})
    assert names in found["fidelity.epochs"]


def test_a_paradigm_that_breaks_over_its_recipe_is_left_to_its_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Dense):
        def recipe(self, epochs: int) -> Recipe:
            raise RuntimeError(f"a bug in a third party's code, at {epochs} epochs")

    monkeypatch.setattr(paradigms, "find", lambda _: Broken)
    assert cannot_fit("dense", {}, 10) is None


def test_a_wide_space_of_which_a_part_fits_the_epochs_is_accepted(tmp_path: Path) -> None:
    spec = load(tmp_path, {"paradigms": {"magnitude": None, "lottery_ticket": None}, "fidelity.epochs": 4})
    assert spec.paradigms == {"magnitude": {}, "lottery_ticket": {}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a study"),
        ("- a list", "is not a study"),
        ("name: [", "is not YAML in line 1"),
        ("name: a\nname: b", "the key 'name' stands twice"),
        ("data: {name: digits, name: cifar10}", "the key 'name' stands twice"),
        ("name: &a x\nmodel: *a", "aliases"),
        ("name: !!python/object/apply:os.getcwd []", "python/object"),
        ("constraints:\n  accuracy: >= 0.8\n", "stands in quotes"),
        ("? [a]\n: 1", "unhashable"),
    ],
)
def test_a_file_that_is_no_plain_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError, match=r"study\.yaml cannot be used") as raised:
        load_text(tmp_path, text)
    assert message in str(raised.value)


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "digits.yaml").touch()
    with pytest.raises(StudyError, match=r"no such file; did you mean 'digits\.yaml'"):
        StudySpec.load(tmp_path / "digit.yaml")
    with pytest.raises(StudyError, match="cannot be read"):
        StudySpec.load(tmp_path)


@pytest.mark.parametrize("number", ["1e-3", "1E-3", ".001", "0.001", "+1.e-3"])
def test_numbers_are_written_as_in_yaml_1_2(tmp_path: Path, number: str) -> None:
    text = yaml.safe_dump(changed({})) + f"training: {{lr: {number}}}\n"
    assert load_text(tmp_path, text).training.lr == 0.001


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
    spec = load(tmp_path, {"objectives": {"params": "minimize"}, "constraints": {"latency": "< 1", "params": "> 2"}})
    trial = spec.trial("magnitude", {"sparsity": 0.5}, seed=3)
    assert trial.objectives == ("params", "latency")
    assert (trial.epochs, trial.seed, trial.hyperparameters) == (10, 3, {"sparsity": 0.5})


@given(comparison=st.sampled_from([">=", "<=", ">", "<"]), bound=st.floats(-1e9, 1e9), value=st.floats(-1e9, 1e9))
def test_a_constraint_is_violated_by_more_than_nothing_or_holds(comparison: str, bound: float, value: float) -> None:
    constraint = Constraint.parse("loss", f" {comparison}{bound!r} ")
    assert constraint.bound == bound
    assert constraint.holds(value) == (constraint.violation(value) < 0 or (value == bound and "=" in comparison))
    assert not constraint.holds(math.nan)


@pytest.mark.parametrize("shipped", sorted(Path("studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_studies_that_come_along_are_accepted(shipped: Path) -> None:
    assert StudySpec.stored(shipped).name == shipped.stem


@pytest.mark.parametrize(
    ("key", "typed"),
    [
        ("budget.hours", "1:30"),
        ("search.trials", "010"),
        ("seed", "0123"),
        ("search.trials", "1_000"),
        ("seed", "0b11"),
        ("data.download", "yes"),
        ("data.download", "on"),
        ("training.nesterov", "No"),
        ("paradigms.magnitude.sparsity", "0_1.5"),
        ("paradigms.magnitude.sparsity.low", "1:30.5"),
        ("paradigms.magnitude.rounds", "010"),
    ],
)
def test_what_only_yaml_1_1_takes_for_a_number_is_refused_as_it_was_typed(tmp_path: Path, key: str, typed: str) -> None:
    text = yaml.safe_dump(changed({key: "TYPED"})).replace("TYPED", typed)
    with pytest.raises(StudyError) as raised:
        load_text(tmp_path, text)
    assert [(one.key, one.value) for one in raised.value.problems] == [(key, typed)]


@pytest.mark.parametrize(("typed", "value"), [("0x1F", 31), ("0o17", 15), ("12", 12), ("+12", 12), ("0", 0)])
def test_whole_numbers_are_those_of_yaml_1_2(tmp_path: Path, typed: str, value: int) -> None:
    assert load_text(tmp_path, yaml.safe_dump(changed({})) + f"seed: {typed}\n").seed == value


@pytest.mark.parametrize("name", ["1e3", "0o7", "010", "1_000", "yes", "null", "0x1F", "2026-11-20", "123"])
def test_a_name_that_some_reader_takes_for_a_number_is_written_so_that_it_stays_text(tmp_path: Path, name: str) -> None:
    spec = StudySpec.model_validate(StudySpec.load(_written(tmp_path, changed({}))).model_copy(update={"name": name}))
    assert load_text(tmp_path, spec.as_yaml()) == spec
    assert yaml.safe_load(spec.as_yaml())["name"] == name


def _written(folder: Path, plain: Mapping[str, Any]) -> Path:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(dict(plain)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base: {a: 1}\nname: {<<: {a: 2}}", "merge keys (<<) are not read"),
        ("seed: !!int abc", "the tag !!int stands on what is none"),
        ("seed: !!float [1]", "the tag !!float stands on what is none"),
        ("seed: !!bool maybe", "the tag !!bool stands on what is none"),
        ("seed: !!null 5", "the tag !!null stands on what is none"),
        ("data: !!map 5", "expected a mapping"),
        ("data: !!seq 5", "expected a sequence"),
        ("data: !!str {a: 1}", "the tag !!str stands on what is none"),
        ("data: !!set {a}", "could not determine a constructor"),
        ("a: " + "[" * 5000, "more than 20 lists and mappings inside each other"),
        ("a: " + "{a: " * 5000, "more than 20 lists and mappings inside each other"),
        ("seed: " + "1" * 300, "seed = '1111"),
        ("seed: -" + "1" * 9000, "must have at most 18 digits"),
        ("a: [1, {b: " + "7" * 50 + "}]", "a[1].b = '7777"),
        ("'': 1", "a key is empty"),
        ("name: a\x00b", "the sign #x0000 at position 7 is not allowed"),
        ('name: "\\UFFFFFFFF"', "is not YAML"),
        ('name: "\\ud800"', "surrogate"),
        ("name: a\n---\nname: b", "in line 2: a second document"),
        ("# " + "x" * 300_000, "has more than 256 KiB"),
    ],
)
def test_what_no_study_needs_is_refused_in_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError) as raised:
        load_text(tmp_path, text)
    assert message in str(raised.value)
    assert str(raised.value).count("\n") == 1


def test_control_codes_of_a_file_do_not_reach_a_terminal(tmp_path: Path) -> None:
    with pytest.raises(StudyError) as raised:
        load_text(tmp_path, yaml.safe_dump(changed({})) + '"\\e[31mred": "\\e[0m"\n')
    assert all(line.isprintable() for line in str(raised.value).splitlines())
    assert "\\x1b[31mred" in str(raised.value)


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


@pytest.mark.parametrize(
    ("chosen", "key", "condition"),
    [
        ({"granularity": "2:4", "sparsity": 0.9}, "sparsity", "only where granularity is weight or filter"),
        ({"granularity": ["2:4", "1:4"], "sparsity": [0.5, 0.9]}, "sparsity", "only where granularity is weight"),
        ({"schedule": "one_shot", "rounds": 3}, "rounds", "only where schedule is iterative"),
        ({"schedule": ["one_shot", "gradual"], "rounds": {"low": 2, "high": 4}}, "rounds", "schedule is iterative"),
        ({"criterion": "magnitude", "batches": 4}, "batches", "only where criterion is taylor or obd or snip"),
    ],
)
def test_a_hyper_parameter_that_no_configuration_uses_is_refused(
    tmp_path: Path, chosen: dict[str, Any], key: str, condition: str
) -> None:
    found = problems(tmp_path, {"paradigms": {"magnitude": chosen}})
    assert list(found) == [f"paradigms.magnitude.{key}"]
    assert condition in found[f"paradigms.magnitude.{key}"]


@pytest.mark.parametrize(
    "chosen",
    [
        {"granularity": ["2:4", "filter"], "sparsity": 0.9},
        {"granularity": "layer", "sparsity": 0.9},
        {"rounds": 3},
        {"criterion": ["magnitude", "snip"], "batches": 4},
    ],
)
def test_a_hyper_parameter_that_some_configuration_uses_is_accepted(tmp_path: Path, chosen: dict[str, Any]) -> None:
    assert load(tmp_path, {"paradigms": {"magnitude": chosen}}).paradigms == {"magnitude": chosen}


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
