"""`list`, `show`, `init`, `schema` and completion as they are typed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from orchestrator.commands.arguments import _study_names
from orchestrator.spec.study_spec import StudySpec
from tests.orchestrator.commands import Espalier, a_study


def test_studies_and_trials_are_shown_for_people_and_programs(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "store")
    status, out, _ = espalier("list", "--store", "store")
    assert (status, "small" in out, "unfinished" in out) == (0, True, True)
    assert [line["name"] for line in json.loads(espalier("list", "--store", "store", "--json")[1])] == ["small"]
    status, out, _ = espalier("show", "small", "1", "--store", "store")
    assert (status, "trial 1 of small: COMPLETE" in out) == (0, True)
    shown = json.loads(espalier("show", "small", "1", "--store", "store", "--json")[1])
    assert {"hyperparameters", "metrics", "curve", "checkpoint", "started", "finished"} <= set(shown)
    failed = json.loads(espalier("show", "small", "3", "--store", "store", "--json")[1])
    assert (failed["state"], failed["reason"], failed["checkpoint"]) == ("FAIL", "ValueError: unlucky", None)
    status, _, err = espalier("show", "small", "9", "--store", "store")
    assert (status, "TRIAL = 9: is not a trial of this study: there are 0 to 5" in err) == (2, True)


def test_the_file_of_init_is_accepted_at_once_and_nothing_is_overwritten(espalier: Espalier, tmp_path: Path) -> None:
    status, out, _ = espalier("init", "mine.yaml")
    assert (status, "espalier plan mine.yaml" in out) == (0, True)
    assert StudySpec.load(tmp_path / "mine.yaml").name == "mine"
    (tmp_path / "mine.yaml").write_text("kept")
    status, _, err = espalier("init", "mine.yaml")
    assert (status, "FILE = 'mine.yaml': exists, and is left as it is" in err) == (2, True)
    assert (tmp_path / "mine.yaml").read_text() == "kept"
    assert espalier("init", "nowhere/mine.yaml")[0] == 2
    espalier("init")
    assert StudySpec.load(tmp_path / "study.yaml").name == "study"


def test_the_schema_is_printed_as_json(espalier: Espalier) -> None:
    status, out, _ = espalier("schema")
    assert status == 0
    assert "paradigms" in json.loads(out)["properties"]


def test_a_shell_completes_the_names_of_studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_study(tmp_path)
    context = typer.Context(typer.main.get_command(typer.Typer(callback=lambda: None)))
    context.params = {"store": str(tmp_path)}
    assert _study_names(context, "sm") == ["small"]
    assert _study_names(context, "x") == []
    context.params = {"store": "s3://bucket/prefix"}
    assert _study_names(context, "") == []
    monkeypatch.setenv("ESPALIER_STORE", str(tmp_path))
    context.params = {}
    assert _study_names(context, "") == ["small"]


def test_commands_that_train_nothing_import_neither_torch_nor_ray(tmp_path: Path) -> None:
    a_study(tmp_path / "espalier-store")
    program = """
import sys
from orchestrator.cli import main
for words in (["list"], ["show", "small", "1"], ["init"], ["schema"]):
    sys.argv = ["espalier", *words]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, words
print([name for name in ("torch", "ray", "mlflow") if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"
