"""What a newcomer relies on: what README and docs name is there, pins, the walls between the packages."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import espalier
from orchestrator import cli
from tests.pages import PAGES, ROOT, blocks, read

README = ROOT / "README.md"
OWN = ("espalier", "orchestrator", "trainables", "search_spaces")
MOST_WORDS = 1300

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def project() -> dict[str, Any]:
    return tomllib.loads(read(ROOT / "pyproject.toml"))


def commands() -> set[str]:
    named = (command.name or getattr(command.callback, "__name__", "") for command in cli.app.registered_commands)
    return set(named)


def targets() -> set[str]:
    return set(re.findall(r"^(\w+):", read(ROOT / "Makefile"), flags=re.MULTILINE))


def pins() -> Mapping[str, str]:
    lines = read(ROOT / "requirements.lock").splitlines()
    pinned = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pinned}


def test_the_readme_is_short() -> None:
    assert len(read(README).split()) <= MOST_WORDS


def test_the_study_of_the_readme_is_the_file_that_it_names() -> None:
    assert blocks(README, "yaml") == [read(ROOT / "studies/first.yaml")]


def named_by(code: str) -> Iterator[tuple[str, str]]:
    """Yield each module of ours that a piece of Python imports from, with each name that it takes of it."""
    tree = ast.parse(code)
    bound = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OWN:
            for alias in node.names:
                yield node.module, alias.name
                bound[alias.asname or alias.name] = node.module, alias.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in bound:
            yield ".".join(bound[node.value.id]), node.attr


@every_page
def test_python_in_a_page_names_what_is_there(page: Path) -> None:
    for code in blocks(page, "python"):
        for module, name in named_by(code):
            assert resolved(f"{module}.{name}"), f"{module}.{name}"


def resolved(dotted: str) -> bool:
    """Return whether a dotted name is a module, or a name in one."""
    parts = dotted.split(".")
    if is_module(dotted):
        return True
    for length in range(len(parts) - 1, 0, -1):
        if is_module(".".join(parts[:length])):
            found: Any = import_module(".".join(parts[:length]))
            for attribute in parts[length:]:
                found = getattr(found, attribute, None)
            return found is not None
    return False


def is_module(dotted: str) -> bool:
    try:
        return find_spec(dotted) is not None
    except ModuleNotFoundError:
        return False


@every_page
def test_modules_and_names_in_a_page_are_there(page: Path) -> None:
    for dotted in re.findall(rf"`((?:{'|'.join(OWN)})(?:[.:]\w+)+)`", read(page)):
        assert dotted in entry_points() or resolved(dotted.replace(":", ".")), dotted


def entry_points() -> set[str]:
    """Return the groups of entry points that are looked for: their names begin like those of modules."""
    sources = (path for package in OWN for path in (ROOT / package).rglob("*.py"))
    return {group for path in sources for group in re.findall(r'"(espalier\.\w+)"', read(path))}


@every_page
def test_files_in_a_page_are_there(page: Path) -> None:
    for path in re.findall(r"`((?:[\w.]+/)+[\w.]+\.(?:py|yaml|md|png))`", read(page)):
        if any(Path(part).stem.isupper() and part != "README.md" for part in Path(path).parts):
            continue  # stands for a name that a reader chooses
        around = (ROOT, ROOT / "orchestrator", ROOT / "tests", page.parent)
        assert any((folder / path).exists() for folder in around), path


@every_page
def test_links_in_a_page_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        if not link.startswith(("http://", "https://")):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as Git's web hosts make them."""
    headings = re.findall(r"^#+ (.*)$", read(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_commands_in_a_page_are_there(page: Path) -> None:
    text = read(page)
    typed = "\n".join([*blocks(page, "sh", "text"), *re.findall(r"`([^`\n]+)`", text)])
    named = set(re.findall(r"(?:^|')(?:\.venv/bin/)?espalier ([a-z]\w*)", typed, flags=re.MULTILINE))
    assert named <= commands()
    assert set(re.findall(r"^make ([a-z]\w*)", typed, flags=re.MULTILINE)) <= targets()
    for script in re.findall(r"python ((?:benchmarks|docs)/\w+\.py)", text):
        assert (ROOT / script).exists(), script
        assert "\nfrom benchmarks" not in read(ROOT / script), f"{script} runs as a module only: python -m"
    for module in re.findall(r"python -m ((?:benchmarks|orchestrator)[\w.]*)", text):
        assert is_module(module), module


def test_every_public_name_is_on_the_page_of_python() -> None:
    headings = re.findall(r"^::: ([\w.]+)\.(\w+)$", read(ROOT / "docs/api.md"), flags=re.MULTILINE)
    assert {name for _, name in headings} == set(dir(espalier))
    for module, name in headings:
        assert getattr(import_module(module), name) is getattr(espalier, name)


def test_every_page_is_in_the_menu_of_the_site() -> None:
    menu = set(re.findall(r"[\w/-]+\.md", read(ROOT / "mkdocs.yml").partition("\nnav:")[2]))
    assert {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")} <= menu


def test_every_benchmark_has_its_row() -> None:
    page = read(ROOT / "benchmarks/README.md")
    for script in sorted((ROOT / "benchmarks").rglob("*.py")):
        if '__name__ == "__main__"' in read(script):
            path = script.relative_to(ROOT)
            module = ".".join(path.with_suffix("").parts)
            assert f"| `python {path}" in page or f"| `python -m {module}" in page, path


def test_the_readme_lists_every_command_once() -> None:
    listed = re.findall(r"^\| `espalier (\w+)", read(README), flags=re.MULTILINE)
    assert sorted(listed) == sorted(commands())


def test_the_architecture_shows_the_layers_that_are_held() -> None:
    text = read(ROOT / "ARCHITECTURE.md")
    shown = [
        re.findall(r"`([\w]+)`", row) for row in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", text, flags=re.MULTILINE)
    ]
    contracts = project()["tool"]["importlinter"]["contracts"]
    for contract in contracts:
        if contract["type"] == "layers":
            held = [[name.strip().split(".")[1] for name in layer.split("|")] for layer in contract["layers"]]
            assert any(shown[start : start + len(held)] == held for start in range(len(shown))), contract["name"]


def test_a_commit_is_held_against_what_make_check_runs() -> None:
    recipe = read(ROOT / "Makefile").partition("\ncheck:")[2].partition("\n\n")[0].splitlines()[1:]
    hooks = yaml.safe_load(read(ROOT / ".pre-commit-config.yaml"))["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe]


def test_every_file_that_packages_hold_is_installed_with_them() -> None:
    declared = project()["tool"]["setuptools"]["package-data"]
    listed = subprocess.run(["git", "ls-files", *OWN], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for path in map(Path, listed.splitlines()):
        if path.suffix != ".py":
            package = ".".join(path.parent.parts)
            assert any(fnmatch(path.name, pattern) for pattern in declared.get(package, [])), path


def test_every_requirement_is_pinned_to_a_version_that_satisfies_it() -> None:
    for text in [*project()["project"]["dependencies"], *project()["project"]["optional-dependencies"]["dev"]]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pins()[canonicalize_name(wanted.name)]), text


def test_pins_name_neither_hosts_nor_builds_of_one_machine() -> None:
    for name, version in pins().items():
        assert re.fullmatch(r"[0-9][0-9a-z.]*", version), (name, version)


def test_nobody_reaches_through_the_walls() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
