"""Generate the page on all keys of a study file: ``python -m orchestrator.study_keys > docs/study_keys.md``."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from orchestrator.spec.json_schema import study_schema

Node = Mapping[str, Any]

_INTRODUCTION: Final = """\
# Study files, key by key

Written from the code by `make docs`. [The study file](study_file.md) explains them; [Paradigms](paradigms.md) has the
hyper-parameters; `espalier schema` prints the same for editors, which then complete and check keys.
"""

_ELSEWHERE: Final = {
    "objectives": "metrics to `maximize` or `minimize`: [objectives](study_file.md#objectives-and-constraints)",
    "constraints": "bounds on metrics: [constraints](study_file.md#objectives-and-constraints)",
    "paradigms": "[paradigms](paradigms.md), each with its hyper-parameters",
    "model": "a network by name, [more about it](#model), or a list of both to search over",
}
"""Keys whose own keys are too many for a table."""

_BOUNDS: Final = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
}


def keys_page() -> str:
    """Return the Markdown page on every key that a study file may have."""
    schema = study_schema()
    top = {name: node for name, node in schema["properties"].items() if name != "history"}
    sections = (_section(name, node) for name, node in _sections(top, schema["$defs"]))
    return "\n".join([_INTRODUCTION, _table(top, schema.get("required", ())), *sections])


def _sections(top: Mapping[str, Node], definitions: Mapping[str, Node]) -> Iterator[tuple[str, Node]]:
    """Yield the name and the definition of each section, and of each section within one."""
    for name, node in top.items():
        for part in (node, *node.get("anyOf", ())):
            if "$ref" in part:
                definition = definitions[part["$ref"].rpartition("/")[2]]
                yield name, definition
                inner = {f"{name}.{key}": one for key, one in definition["properties"].items() if key not in _ELSEWHERE}
                yield from _sections(inner, definitions)


def _section(name: str, definition: Node) -> str:
    table = _table(definition["properties"], definition.get("required", ()))
    return f"## {name}\n\n{definition['description']}\n\n{table}"


def _table(properties: Mapping[str, Node], required: Iterable[str]) -> str:
    needed = set(required)
    rows = [
        f"| `{name}` | {_ELSEWHERE.get(name) or _allowed(node)} | {_default(node, name in needed)} |"
        for name, node in properties.items()
    ]
    return "\n".join(["| key | what it may be | default |", "| --- | --- | --- |", *rows, ""])


def _allowed(node: Node) -> str:
    """Return in words what a value may be."""
    if "$ref" in node:
        return "keys of its own, below"
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    options = node.get("anyOf") or node.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(_allowed(option) for option in options if option.get("type") != "null"))
    return _typed(node)


def _typed(node: Node) -> str:
    kind = node.get("type", "anything")
    if "prefixItems" in node:
        return f"{len(node['prefixItems'])} values: " + ", ".join(map(_allowed, node["prefixItems"]))
    if kind == "array":
        return f"a list: {_allowed(node['items'])}"
    if kind == "object":
        of = node.get("additionalProperties")
        return f"values by name: {_allowed(of)}" if isinstance(of, Mapping) else "values by name"
    if "description" in node:
        return str(node["description"])
    words = {"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "`true` or `false`"}
    bounds = " ".join(phrase.format(f"{node[key]:,}") for key, phrase in _BOUNDS.items() if key in node)
    return f"{words.get(kind, str(kind))} {bounds}".strip()


def _default(node: Node, needed: bool) -> str:
    if needed:
        return "needed"
    value = node.get("default")
    if isinstance(value, Mapping):
        return "those below" if value else "none"
    if value is None or value == []:
        return "none"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


if __name__ == "__main__":
    print(keys_page(), end="")
