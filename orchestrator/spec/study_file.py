"""Read a study file: YAML by the safe loader, in which nothing is ambiguous and nothing is executed."""

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from orchestrator.spec.spec_errors import Problem, StudyError
from trainables.errors import nearest

_CORE_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}
_FLOAT = re.compile(r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$")


class _Loader(yaml.SafeLoader):
    """The safe loader without dates and sets, with the numbers of YAML 1.2 (`1e-3` is one), and every key once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} stands twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_constructors = {
    tag: construct for tag, construct in yaml.SafeLoader.yaml_constructors.items() if tag in _CORE_TAGS or not tag
}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag in _CORE_TAGS and not tag.endswith(":float")]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))


def read_mapping(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds; raises StudyError where there is none."""
    try:
        text = _text(path)
        _refuse_aliases(text)
        found = yaml.load(text, _Loader)  # a subclass of the safe loader
    except yaml.YAMLError as error:
        raise StudyError([Problem("", _explain(error))], path) from None
    if not isinstance(found, dict):
        raise StudyError([Problem("", "is not a study: must be a mapping with keys such as name, data, model")], path)
    return {str(key): value for key, value in found.items()}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        beside = [found.name for found in path.parent.glob("*.y*ml")]
        raise StudyError([Problem("", f"there is no such file{nearest(path.name, beside)}")], path) from None
    except UnicodeDecodeError:
        raise StudyError([Problem("", "is not text in UTF-8")], path) from None
    except OSError as error:
        raise StudyError([Problem("", f"cannot be read: {error.strerror}")], path) from None


def _refuse_aliases(text: str) -> None:
    """Raise for the first alias: a few of them can stand for gigabytes."""
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"aliases such as *{event.anchor} are not read; write the value out")


def _explain(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    mark = error.problem_mark
    comparison = any(sign in str(error.problem) for sign in ("chomping", "'>'"))
    hint = '; a comparison stands in quotes: ">= 0.8"' if comparison else ""
    return f"is not YAML in line {mark.line + 1}, column {mark.column + 1}: {error.problem}{hint}"
