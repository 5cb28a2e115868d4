"""The JSON schema of study files: with it, editors complete keys, names of paradigms and their hyper-parameters."""

import inspect
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from orchestrator.spec import searched_training
from orchestrator.spec.study_spec import HISTORY, StudySpec
from trainables import data, models, paradigms
from trainables.metrics import AT, EVALUATED, OBJECTIVES, TABLE, VALIDATION
from trainables.paradigms.base import HyperParameter, Paradigm
from trainables.spec import TrainingSpec

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_RANGE: Final[Schema] = {"$ref": "#/$defs/Range"}
_SCALAR: Final[Schema] = {"type": ["boolean", "number", "string"]}


def study_schema() -> Schema:
    """Return the schema, with the paradigms, networks, data sets and metrics that are installed here.

    It says what an editor can say. `StudySpec` checks more: what has an effect, what fits together, what exists.
    """
    schema: Schema = _without_titles(StudySpec.model_json_schema())
    definitions, properties = schema["$defs"], schema["properties"]
    definitions["DataSpec"]["properties"]["name"] = _named(data.names(), "a data set")
    definitions["ModelSpec"]["properties"]["name"] = _named(models.names(), "a network")
    definitions["Resources"]["properties"]["workers"] = {"anyOf": [{"type": "integer", "minimum": 1}, _ref("Elastic")]}
    definitions["Search"]["properties"]["training"] = _object(
        {f.name: _searched() for f in fields(TrainingSpec) if searched_training.may_be_searched(f.name)}
    )
    one = {"anyOf": [_named(models.names(), "a network"), _ref("ModelSpec")]}
    properties["model"] = {"anyOf": [*one["anyOf"], {"type": "array", "items": one, "minItems": 2}]}
    on_images = {name: f"^{name}{AT}{VALIDATION}" for name in EVALUATED}
    sought = {pattern: _direction(name) for name, pattern in on_images.items()}
    bounded = {pattern: _bound(name) for name, pattern in on_images.items()}
    properties["objectives"] = _object({name: _direction(name) for name in OBJECTIVES}, sought) | {"minProperties": 1}
    properties["constraints"] = _object({name: _bound(name) for name in OBJECTIVES}, bounded)
    properties["paradigms"] = _object({name: _paradigm(paradigms.find(name)) for name in paradigms.names()})
    properties[HISTORY] = {"description": "how a stored study was extended; no setting"}
    kept = {key: schema[key] for key in ("type", "additionalProperties", "required")}
    about = {"$schema": DIALECT, "title": "espalier study", "description": inspect.getdoc(StudySpec)}
    return {**about, **kept, "properties": properties, "$defs": definitions}


def _without_titles(value: Any) -> Any:
    """Return a schema without the titles that pydantic makes of names, which editors would show instead of them."""
    if isinstance(value, dict):
        return {k: _without_titles(v) for k, v in value.items() if k != "title" or isinstance(v, dict)}
    return [_without_titles(item) for item in value] if isinstance(value, list) else value


def _named(names: tuple[str, ...], kind: str) -> Schema:
    """Return a text for which some names are known, and others are allowed."""
    return {"anyOf": [{"enum": list(names)}, {"type": "string", "description": f"the name of {kind}, or a reference"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _object(properties: Mapping[str, Schema], patterns: Mapping[str, Schema] | None = None) -> Schema:
    schema: Schema = {"type": "object", "additionalProperties": False, "properties": dict(properties)}
    return schema | ({"patternProperties": dict(patterns)} if patterns else {})


def _searched() -> Schema:
    return {"anyOf": [{"type": "array", "items": _SCALAR, "minItems": 1}, _RANGE]}


def _direction(metric: str) -> Schema:
    return {"description": TABLE[metric].words, "enum": [TABLE[metric].direction]}


def _bound(metric: str) -> Schema:
    return {"description": f'{TABLE[metric].words}, as ">= 0.8"', "type": "string", "pattern": r"^\s*(>=|<=|>|<)"}


def _paradigm(paradigm: type[Paradigm]) -> Schema:
    described = {"description": f"{inspect.getdoc(paradigm)}\n\n{paradigm.source}"}
    defaults = {field.name: field.default for field in fields(paradigm)}
    chosen = {name: _hyper(domain, defaults[name]) for name, domain in paradigm.hyperparameters().items()}
    return {**described, "anyOf": [_object(chosen), {"type": "null"}]}


def _hyper(domain: HyperParameter, default: Any) -> Schema:
    value = _value(domain)
    ranges = [] if domain.choices is not None else [_RANGE]
    choices = {"type": "array", "items": value, "minItems": 1}
    return {"description": domain.doc, "default": default, "anyOf": [value, choices, *ranges]}


def _value(domain: HyperParameter) -> Schema:
    if domain.choices is not None:
        return {"enum": list(domain.choices)}
    bounds = {"minimum": domain.low, "maximum": domain.high}
    return {"type": "number", **{key: bound for key, bound in bounds.items() if bound is not None}}
