"""What the code looks like from outside, as numbers: packages, imports, circles, sizes, types, tests.

    python benchmarks/house.py [COMMIT ...]

Prints a column for each commit, and one for the working tree where none is named. Needs git and nothing else.

A *room* is what lies directly below a root package: a package or a module. An *arrow* is an import from one room to
another of the same root, counted once however many names it brings; imports inside functions and those for type
checkers count too. A *circle* is a set of rooms, or of modules, which import each other. *Upward* is an import against
the layers in today's pyproject.toml; where a commit has its files elsewhere, git finds where they lie in the last
commit named. Lines of a function are those of its code: no blank lines, no comments, no docstring. Arguments are all
but `self` and `cls`.
"""

import ast
import io
import math
import subprocess
import sys
import tarfile
import tokenize
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOTS: Final = ("orchestrator", "trainables", "search_spaces", "espalier")
TESTS: Final = "tests"
REPOSITORY: Final = Path(__file__).parents[1]

Graph = dict[str, set[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef
SILENT: Final = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


@dataclass(frozen=True)
class Code:
    """The Python files of one state of the repository, by path."""

    files: Mapping[str, str]

    def modules(self, root: str) -> dict[str, str]:
        """Return the source of each module below a root, by dotted name."""
        return {_dotted(path): text for path, text in self.files.items() if Path(path).parts[0] == root}

    @property
    def product(self) -> dict[str, str]:
        """The source of all modules but the tests'."""
        return {name: text for root in ROOTS for name, text in self.modules(root).items()}

    def size(self, root: str) -> int:
        """Return the bytes of Python below a root."""
        return sum(len(text.encode()) for text in self.modules(root).values())


def read(commit: str | None) -> Code:
    """Return the code of a commit, or of the working tree without one."""
    named = ["ls-files"] if commit is None else ["ls-tree", "-r", "--name-only", commit]
    paths = [path for path in _git(*named).decode().splitlines() if path.endswith(".py")]
    paths = [path for path in paths if Path(path).parts[0] in (*ROOTS, TESTS)]
    if commit is None:
        there = (path for path in paths if (REPOSITORY / path).exists())
        return Code({path: (REPOSITORY / path).read_text(encoding="utf-8") for path in there})
    with tarfile.open(fileobj=io.BytesIO(_git("archive", commit))) as archive:
        contents = ((path, archive.extractfile(path)) for path in paths)
        return Code({path: held.read().decode() for path, held in contents if held is not None})


def _git(*words: str) -> bytes:
    return subprocess.run(("git", *words), cwd=REPOSITORY, check=True, capture_output=True).stdout


def _dotted(path: str) -> str:
    return ".".join(Path(path).with_suffix("").parts).removesuffix(".__init__")


def imports(modules: Mapping[str, str]) -> Graph:
    """Return which modules each module imports, of the same mapping."""
    return {name: set(_imported(text, modules)) - {name} for name, text in modules.items()}


def _imported(text: str, modules: Mapping[str, str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            targets = (f"{node.module}.{alias.name}" for alias in node.names)
            found = (target if target in modules else node.module for target in targets)
            yield from (name for name in found if name in modules)


def rooms(graph: Graph) -> Graph:
    """Return which rooms import which other ones; a root package itself is none."""
    arrows: Graph = {_room(name): set() for name in graph if "." in name}
    for name, imported in graph.items():
        for other in imported:
            if "." in name and "." in other and _room(name) != _room(other):
                arrows[_room(name)].add(_room(other))
    return arrows


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def circles(graph: Graph) -> list[set[str]]:
    """Return the sets of nodes that reach each other."""
    reach = {node: _reachable(graph, node) for node in graph}
    groups = {
        frozenset(other for other in reach[node] if node in reach[other]) for node in graph if node in reach[node]
    }
    return [set(group) for group in groups]


def _reachable(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(graph[start])
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += graph[node]
    return seen


def floors() -> dict[str, int]:
    """Return the layer of each module or package that pyproject.toml gives one; the lowest is 0."""
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layered = (contract["layers"] for contract in contracts["contracts"] if contract["type"] == "layers")
    return {
        name.strip(): floor
        for layers in layered
        for floor, layer in enumerate(reversed(layers))
        for name in layer.replace(":", "|").split("|")
    }


def upward(graph: Graph, where: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the imports that run against the layers; `where` says by which name a module is known to them."""
    layers = floors()

    def floor(module: str) -> int | None:
        return layers.get(_room(where.get(module, module)))

    pairs = ((name, other) for name, imported in graph.items() for other in imported)
    known = ((name, other, floor(name), floor(other)) for name, other in pairs)
    return [(name, other) for name, other, low, high in known if low is not None and high is not None and low < high]


def moved(commit: str | None, latest: str) -> dict[str, str]:
    """Return the names that the modules of a commit have in the latest one, where git finds that they moved."""
    if commit is None:
        return {}
    changes = _git("diff", "--name-status", "--find-renames=40%", "-l0", commit, latest).decode().splitlines()
    renamed = (line.split("\t") for line in changes if line.startswith("R"))
    return {_dotted(old): _dotted(new) for _, old, new in renamed if old.endswith(".py")}


def functions(modules: Mapping[str, str]) -> Iterator[tuple[Function, int]]:
    """Yield each function with the lines of its code."""
    for text in modules.values():
        speaking = _lines_of_code(text)
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, Function):
                span = set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
                yield node, len(span & speaking - _docstring(node))


def _lines_of_code(text: str) -> set[int]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    spans = (range(one.start[0], one.end[0] + 1) for one in tokens if one.type not in SILENT)
    return {line for span in spans for line in span}


def _docstring(node: Function) -> set[int]:
    first = node.body[0]
    said = ast.get_docstring(node, clean=False) is not None
    return set(range(first.lineno, (first.end_lineno or first.lineno) + 1)) if said else set()


def arguments(node: Function) -> list[ast.arg]:
    """Return a function's arguments but `self` and `cls`."""
    several = [node.args.vararg, node.args.kwarg]
    plain = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, *(one for one in several if one)]
    return [one for one in plain if one.arg not in ("self", "cls")]


def sizes(values: Iterable[int]) -> str:
    """Return the median, the 90th percentile and the greatest of some values."""
    ordered = sorted(values)
    middle, high = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.9))
    return f"{middle} / {high} / {ordered[-1]}"


def figures(commit: str | None, latest: str = "HEAD") -> dict[str, str]:
    """Return all that is printed of one state of the repository; modules are placed as in the `latest` one."""
    code = read(commit)
    packages = {str(Path(path).parent) for path in code.files if Path(path).parts[0] in ROOTS}
    every = {root: imports(code.modules(root)) for root in ROOTS}
    measured = [(lines, arguments(node)) for node, lines in functions(code.product)]
    given = [one for _, some in measured for one in some]
    graphs = {root: rooms(every[root]) for root in ROOTS[:2]}
    against = [pair for graph in every.values() for pair in upward(graph, moved(commit, latest))]
    return {
        "modules": str(len(code.product)),
        "packages": str(len(packages)),
        **{f"rooms of {root}": str(len(graph)) for root, graph in graphs.items()},
        **{f"arrows between rooms of {root}": str(sum(map(len, graph.values()))) for root, graph in graphs.items()},
        "circles of rooms": str(sum(len(circles(graph)) for graph in graphs.values())),
        "circles of modules": str(sum(len(circles(graph)) for graph in every.values())),
        "upward imports": str(len(against)),
        "lines of a file: median / 90 % / longest": sizes(len(text.splitlines()) for text in code.product.values()),
        "functions": str(len(measured)),
        "lines of a function: median / 90 % / longest": sizes(lines for lines, _ in measured),
        "arguments with a type": f"{sum(one.annotation is not None for one in given) / len(given):.1%}",
        "tests : code, by bytes": f"{code.size(TESTS) / sum(map(code.size, ROOTS)):.2f}",
    }


def main() -> None:
    """Print the table."""
    commits: list[str | None] = [*sys.argv[1:]] or [None]
    columns = [figures(commit, commits[-1] or "HEAD") for commit in commits]
    print("| |", " | ".join(commit or "working tree" for commit in commits), "|")
    print("| --- |", " | ".join("---" for _ in commits), "|")
    for name in columns[0]:
        print(f"| {name} |", " | ".join(column[name] for column in columns), "|")


if __name__ == "__main__":
    main()
