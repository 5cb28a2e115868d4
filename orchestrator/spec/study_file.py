"""Read and write a study file: the core schema of YAML 1.2, in which nothing is ambiguous and nothing is executed.

What only YAML 1.1 reads as a number or a truth value (`1:30`, `010`, `1_000`, `0b11`, `yes`) is text here, so that an
error about it shows it as it was typed.
"""

import copy
import re
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import yaml

from orchestrator.spec.spec_errors import Problem, StudyError, key_of
from trainables.errors import nearest

LONGEST: Final = 256 * 1024
"""The largest size of a study file in bytes, a hundred times that of the longest study shipped with espalier."""
DEEPEST: Final = 20
"""How deep lists and mappings may be nested; a study has four levels."""
DIGITS: Final = 18
"""The most digits of a whole number: these fit into 64 bits, and pyarrow and Optuna keep no more."""

_TAG: Final = "tag:yaml.org,2002:"


class _TooLong(str):
    """A whole number of more digits than `DIGITS`, as it was typed."""


def _integer(text: str) -> int | str:
    return _TooLong(text) if len(text) > DIGITS + 2 else int(text, 0)


def _float(text: str) -> float:
    lower = text.lower()
    return float(lower.replace(".inf", "inf")) if lower.endswith("inf") else float(lower.replace(".nan", "nan"))


_SCALARS: Final[Mapping[str, tuple[str, str, Callable[[str], Any]]]] = {
    "null": (r"(~|null|Null|NULL)?", "~nN", lambda _: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text.lower() == "true"),
    "int": (r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789", _integer),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
        _float,
    ),
}
"""By type: the pattern of its texts, the characters with which they begin, and how they are read.

A whole number has no leading zeros: with them it would be octal to one reader and decimal to another.
"""


class _Loader(yaml.SafeLoader):
    """The safe loader with the scalars of YAML 1.2's core schema, where every key is text and stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _refused(f"expected a mapping, not {node.value!r}", node)
        mapping: dict[Hashable, Any] = {}
        for key, value in node.value:
            name = _checked_key(key)
            if name in mapping:
                raise _refused(f"the key {name!r} stands twice", key)
            mapping[name] = self.construct_object(value, deep=deep)
        return mapping


def _checked_key(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _refused("a key is unhashable: it must be a word", node)
    if node.value == "<<":
        raise _refused("merge keys (<<) are not read; write out what is to be merged", node)
    if not node.value.strip():
        raise _refused("a key is empty", node)
    return _encodable(node)


def _encodable(node: yaml.ScalarNode) -> str:
    text: str = node.value
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise _refused("half of a surrogate pair stands for no sign", node)
    return text


def _refused(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _scalar(name: str) -> Callable[[yaml.SafeLoader, yaml.Node], Any]:
    """Return the reader of scalars of a type; it refuses text of another form, which can only have an explicit tag."""
    pattern, _, read = _SCALARS[name]

    def construct(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
        if not isinstance(node, yaml.ScalarNode) or not re.fullmatch(pattern, node.value):
            raise _refused(f"the tag !!{name} stands on what is none", node)
        return read(loader.construct_scalar(node))

    return construct


def _text_of(_: yaml.SafeLoader, node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _refused("the tag !!str stands on what is none", node)
    return _encodable(node)


_Loader.yaml_constructors = {
    **{f"{_TAG}{name}": _scalar(name) for name in _SCALARS},
    f"{_TAG}str": _text_of,
    **{key: yaml.SafeLoader.yaml_constructors[key] for key in (f"{_TAG}seq", f"{_TAG}map", None)},
}
_Loader.yaml_implicit_resolvers = {}
for _name, (_pattern, _first, _) in _SCALARS.items():
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"(?:{_pattern})\Z"), list(_first))
_Loader.yaml_implicit_resolvers[""] = [(f"{_TAG}null", re.compile(r"\Z"))]


class _Dumper(yaml.SafeDumper):
    """The safe dumper, which quotes all text that a reader of YAML 1.1 or 1.2 would not read as text."""


_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *_Loader.yaml_implicit_resolvers.get(first, [])]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_Loader.yaml_implicit_resolvers}
}


def as_text(mapping: Mapping[str, Any]) -> str:
    """Return a mapping of plain values as YAML, from which `read_mapping` reads an equal one."""
    text: str = yaml.dump(dict(mapping), Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def read_mapping(path: Path, longest: int | None = None) -> dict[str, Any]:
    """Return the mapping in a YAML file; raises StudyError if it holds none, or more than `longest` bytes."""
    try:
        text = _text(path, longest)
        mapping = copy.deepcopy(_parsed(text))
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise StudyError([Problem("", _explain(error))], path) from None
    if not isinstance(mapping, dict):
        raise StudyError([Problem("", "is not a study: must be a mapping with keys such as name, data, model")], path)
    too_long = [Problem(key, f"must have at most {DIGITS} digits", text) for key, text in _too_long(mapping)]
    if too_long:
        raise StudyError(too_long, path)
    return mapping


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """Parse a text, once: a command reads its study's file several times, and the parser is slow."""
    _check_structure(text)
    return yaml.load(text, _Loader)  # a subclass of the safe loader


def _text(path: Path, longest: int | None) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(-1 if longest is None else longest + 1)
    except FileNotFoundError:
        neighbours = [file.name for file in path.parent.glob("*.y*ml")]
        raise StudyError([Problem("", f"there is no such file{nearest(path.name, neighbours)}")], path) from None
    except OSError as error:
        raise StudyError([Problem("", f"cannot be read: {error.strerror}")], path) from None
    if longest is not None and len(content) > longest:
        allowed = f"is not a study: it has more than {longest // 1024} KiB, of which a study needs a few"
        raise StudyError([Problem("", allowed)], path)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise StudyError([Problem("", "is not text in UTF-8")], path) from None


def _check_structure(text: str) -> None:
    """Raise YAMLError for an alias, since a few of them can expand to gigabytes, and for too deep nesting."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"aliases such as *{event.anchor} are not read; write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise yaml.YAMLError(f"has more than {DEEPEST} lists and mappings inside each other in line {line}")


def _too_long(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str, str]]:
    if isinstance(value, _TooLong):
        yield key_of(path), value
    items = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    for key, below in items:
        yield from _too_long(below, (*path, key))


def _explain(error: Exception) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        return f"is not YAML: the sign #x{error.character:04x} at position {error.position} is not allowed"
    if not isinstance(error, yaml.YAMLError):
        return f"is not YAML: {error}"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    mark = error.problem_mark
    if error.context and "single document" in error.context:
        return f"is not YAML in line {mark.line + 1}: a second document begins here, and a study is one"
    comparison = any(sign in str(error.problem) for sign in ("chomping", "'>'"))
    hint = '; a comparison stands in quotes: ">= 0.8"' if comparison else ""
    return f"is not YAML in line {mark.line + 1}, column {mark.column + 1}: {error.problem}{hint}"
