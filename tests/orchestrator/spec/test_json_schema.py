"""The schema of study files: it is the published one, accepts what is right, and knows every key."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from orchestrator.spec.json_schema import study_schema
from orchestrator.spec.study_spec import StudySpec
from trainables import paradigms

ROOT = Path(__file__).parent.parent.parent.parent
SCHEMA = study_schema()
PLAIN = {
    "name": "s",
    "data": {"name": "digits"},
    "model": {"name": "mlp"},
    "paradigms": {"dense": None},
    "fidelity": {"epochs": 3},
}


def accepts(study: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(SCHEMA).is_valid(study))


def test_the_published_file_is_what_the_command_prints() -> None:
    published = json.loads((ROOT / "docs/study.schema.json").read_text(encoding="utf-8"))
    assert published == json.loads(json.dumps(SCHEMA)), "make docs writes it again"


def test_it_is_a_schema_and_knows_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(StudySpec.model_fields) <= set(SCHEMA["properties"])
    assert set(SCHEMA["properties"]["paradigms"]["properties"]) == set(paradigms.names())


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_it_accepts_every_study_of_the_project(path: Path) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "mlp"},
        {"model": ["mlp", {"name": "my.nets:build"}]},
        {"paradigms": {"magnitude": {"sparsity": [0.5, 0.9], "granularity": "filter"}}},
        {"paradigms": {"magnitude": {"sparsity": {"low": 0.3, "high": 0.9}}}},
        {"search": {"training": {"lr": {"low": 0.1, "high": 0.5}}}},
        {"resources": {"workers": 2}},
        {"resources": {"workers": {"min": 1, "max": 4}}},
        {"constraints": {"accuracy": ">= 0.9"}},
    ],
)
def test_it_accepts_what_a_study_accepts(changed: dict[str, Any]) -> None:
    assert accepts({**PLAIN, **changed})


@pytest.mark.parametrize(
    "changed",
    [
        {"paradigm": {}},
        {"paradigms": {"magnitud": {}}},
        {"paradigms": {"magnitude": {"sparsty": 0.5}}},
        {"paradigms": {"magnitude": {"sparsity": 1.5}}},
        {"paradigms": {"magnitude": {"granularity": "filters"}}},
        {"objectives": {"accuracy": "minimize"}},
        {"search": {"training": {"lrr": [0.1, 0.2]}}},
    ],
)
def test_it_refuses_what_a_study_refuses(changed: dict[str, Any]) -> None:
    assert accepts(PLAIN)
    assert not accepts({**PLAIN, **changed})
