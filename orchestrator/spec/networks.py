"""The section `model` of a study: one network, or several among which it searches."""

import os
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag, ValidationInfo

from orchestrator.spec.forms import is_stored
from orchestrator.spec.spec_errors import at, refuse, refused_by
from trainables import models
from trainables.errors import InvalidValue
from trainables.models import weights
from trainables.spec import ModelSpec


def _how_many(given: object) -> str:
    return "<several>" if isinstance(given, list | tuple) else "<one>"


def _names_are_networks(given: Any) -> Any:
    return tuple(map(_as_network, given)) if isinstance(given, list | tuple) else _as_network(given)


def _as_network(given: Any) -> Any:
    return ModelSpec(name=given) if isinstance(given, str) else given


def _is_a_known_model(given: ModelSpec | tuple[ModelSpec, ...], info: ValidationInfo) -> Any:
    if is_stored(info):
        return given
    if isinstance(given, ModelSpec):
        at("name", models.check, given.name)
        return _with_weights(given)
    if len({network.label for network in given}) < max(2, len(given)):
        labels = ", ".join(network.label for network in given)
        raise InvalidValue("", labels, "must be one network, or a list of several different ones")
    refuse(
        InvalidValue(f"[{index}].{refused.key or 'name'}", refused.value, refused.allowed)
        for index, network in enumerate(given)
        for refused in [*refused_by(models.check, network.name), *refused_by(_with_weights, network)]
    )
    return tuple(map(_with_weights, given))


def _with_weights(spec: ModelSpec) -> ModelSpec:
    """Return a network whose weights, if they lie in a file, have an absolute path; refuse what cannot be there."""
    if spec.weights is not None and weights.is_file(spec.weights):
        spec = replace(spec, weights=os.path.abspath(os.path.expanduser(spec.weights)))
    weights.check(spec)
    return spec


Networks = Annotated[
    Annotated[ModelSpec, Tag("<one>")] | Annotated[tuple[ModelSpec, ...], Tag("<several>")],
    Discriminator(_how_many),
    BeforeValidator(_names_are_networks),
    AfterValidator(_is_a_known_model),
]
"""One network, or those among which a study searches."""
