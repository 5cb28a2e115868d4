"""The public face: its names, what importing it costs, the command behind it, and that users' types are checked."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import espalier

ROOT = Path(__file__).parent.parent.parent
NAMES = {
    "Budget",
    "DataSpec",
    "EspalierError",
    "Fidelity",
    "InvalidValue",
    "ModelSpec",
    "Outcome",
    "Range",
    "Resources",
    "Search",
    "Store",
    "StudyError",
    "StudySpec",
    "Task",
    "TrainingSpec",
    "TrialExport",
    "export",
    "extend",
    "figure",
    "front",
    "launch",
    "load",
    "load_file",
    "resume",
    "trials",
}


def test_these_are_the_public_names() -> None:
    source = Path(espalier.__file__).read_text(encoding="utf-8")
    assert sorted(re.findall(r"import (\w+) as \1$", source, flags=re.MULTILINE)) == sorted(NAMES)
    assert dir(espalier) == sorted(NAMES)
    assert all(getattr(espalier, name) is not None for name in NAMES)


def test_an_unknown_name_names_the_nearest() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'Studyspec'; did you mean 'StudySpec'\?"):
        _ = espalier.Studyspec


def test_importing_it_imports_neither_torch_nor_ray_nor_pydantic() -> None:
    program = "import sys, espalier; print([name for name in ('torch', 'ray', 'pydantic') if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"


def test_the_package_is_the_command_line() -> None:
    command = [sys.executable, "-m", "espalier", "--version"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"espalier \d+\.\d+.*\n", ended.stdout)


SCRIPT = """
import torch
import espalier

spec: espalier.StudySpec = espalier.StudySpec.load("study.yaml")
outcome: espalier.Outcome = espalier.launch(spec, espalier.Store.at("store"), exist_ok=True)
network: torch.nn.Module = espalier.load("store", spec.name, 0)
written = espalier.export("store", spec.name, 0, "onnx")
print(espalier.front("store", spec.name), written.file.path)
espalier.load("store", spec.name, "zero")
"""


def test_the_types_of_a_user_s_script_are_checked(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    mypy = [str(Path(sys.executable).with_name("mypy")), str(tmp_path / "script.py")]
    ended = subprocess.run(mypy, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 'Argument 3 to "load" has incompatible type "str"; expected "int"' in ended.stdout
    assert "Found 1 error in 1 file" in ended.stdout


def test_every_package_is_marked_as_typed() -> None:
    assert all((ROOT / package / "py.typed").exists() for package in ("espalier", "orchestrator", "trainables"))
