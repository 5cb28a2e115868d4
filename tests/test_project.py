"""What a newcomer relies on: the README's examples, the pins, the walls between the packages."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from orchestrator import cli
from orchestrator.spec.study_spec import StudySpec

ROOT = Path(__file__).parent.parent


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def pins() -> Mapping[str, str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pinned}


def test_the_study_files_of_the_readme_are_accepted(tmp_path: Path) -> None:
    for text in blocks("yaml"):
        (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
        assert StudySpec.load(tmp_path / "study.yaml").paradigms


def test_the_python_of_the_readme_builds_a_study() -> None:
    names: dict[str, Any] = {}
    build, run = blocks("python")
    exec(build, names)
    assert isinstance(names["spec"], StudySpec)
    compile(run, "README.md", "exec")


def test_the_readme_tells_of_every_command() -> None:
    told = set(re.findall(r"^\| `espalier (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert told == {str(command.callback.__name__) for command in cli.app.registered_commands if command.callback}


def test_every_requirement_is_pinned_to_a_version_that_satisfies_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for text in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(pins()[canonicalize_name(wanted.name)]), text


def test_pins_name_neither_hosts_nor_builds_of_one_machine() -> None:
    for name, version in pins().items():
        assert re.fullmatch(r"[0-9][0-9a-z.]*", version), (name, version)


def test_nobody_reaches_through_the_walls() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
