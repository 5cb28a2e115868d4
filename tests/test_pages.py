"""Every block of code in the documentation is run, against one study that was trained for it."""

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
import yaml
from PIL import Image
from typer.core import TyperGroup

from orchestrator import cli
from orchestrator.ledger import ledger
from orchestrator.ledger.trials_table import write_table
from orchestrator.results.standings import standings
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from tests.orchestrator.commands import Espalier
from tests.orchestrator.trained import a_trained_study, train
from tests.pages import PAGES, ROOT, Block, blocks_of, read

YOUR_NETWORK = ROOT / "docs" / "your_network.md"
BLOCKS = [block for page in PAGES for block in blocks_of(page)]
RUN = sorted({block.page for block in BLOCKS if block.language in ("python", "sh")})
MINIMAL = {
    "name": "fragment",
    "data": {"name": "digits"},
    "model": {"name": "digits_cnn"},
    "paradigms": {"dense": None},
    "fidelity": {"epochs": 4},
}
"""The study that a fragment of a study file is completed to."""

STUDIES = ("first", "digits", "shapes", "from-python", "my-first-study", "NAME")
"""The studies that pages speak of: in the tests each is a copy of the trained one."""

SHOWN_ONLY = {"text", "toml", "mermaid"}
"""What is not code: what a command prints, a formula, a package's declaration, a drawing."""

FEW = 15
"""How many blocks may stand in pages without being run."""

NOT_STARTED = {"launch", "resume", "extend", "ui"}
"""Commands that start Ray or a server: what is typed is parsed, a study file is planned. `test_cli.py` runs them."""

CHEAPER = {
    "plan": ["--no-probe", "--store", "unlaunched"],
    "evaluate": ["--images", "8", "--device", "cpu", "--trial", "1"],
}
"""Options that tests add, so that a command takes less."""

SHELL = {"make", "source", "export", "pip", "cp", "ray", "docker", "optuna-dashboard"}
"""Programs that a block of commands may also name; what they are given is for other tests to look at."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def of(*languages: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.language in languages and block.reason is None]
    return pytest.mark.parametrize("block", chosen, ids=str)


def test_every_block_says_its_language_and_few_are_not_run() -> None:
    assert [str(block) for block in BLOCKS if block.language not in SHOWN_ONLY | {"python", "yaml", "sh"}] == []
    unrun = [f"{block}: {block.reason}" for block in BLOCKS if block.reason is not None]
    assert len(unrun) <= FEW, "\n".join(unrun)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reader's folder: the data, networks and study files that the pages assume."""
    folder = tmp_path_factory.mktemp("pages") / "reader"
    shutil.copytree(ROOT / "studies", folder / "studies")
    shutil.copy(ROOT / "studies" / "first.yaml", folder / "STUDY.yaml")
    for images in (folder / "shapes", folder.parent / "flowers"):
        for kind, grey in {"circle": 60, "square": 180}.items():
            (images / "train" / kind).mkdir(parents=True)
            for number in range(12):
                Image.new("RGB", (32, 32), (grey, number, number)).save(images / "train" / kind / f"{number}.png")
    (folder / "diabetes.csv").write_text("age,target\n" + "".join(f"{row},{row % 7}\n" for row in range(40)))
    (folder / "book.txt").write_text("It was the best of times. " * 40)
    (folder / "trained").mkdir()
    (folder / "trained" / "best.pt").touch()
    module, dense, prune = (block for block in blocks_of(YOUR_NETWORK) if block.reason is None and is_file(block))
    for file, block in {"nets.py": module, "dense.yaml": dense, "prune.yaml": prune}.items():
        (folder / file).write_text(block.text, encoding="utf-8")
    return folder


def is_file(block: Block) -> bool:
    return block.language == "yaml" or "def build" in block.text


@pytest.fixture
def reader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    return folder


@of("yaml")
@pytest.mark.usefixtures("reader")
def test_study_files_and_fragments_are_accepted(block: Block, tmp_path: Path) -> None:
    plain = yaml.safe_load(block.text)
    (tmp_path / "study.yaml").write_text(yaml.safe_dump({**MINIMAL, **plain}), encoding="utf-8")
    assert StudySpec.load(tmp_path / "study.yaml").paradigms


@pytest.fixture(scope="module")
def store(folder: Path) -> Path:
    """Their store: one study of three trials on digits under each name, and the one that makes `trial:` weights."""
    store = folder / "espalier-store"
    spec = a_trained_study(store)
    trained = Store(store).study(spec.name)
    records = ledger.read(trained)
    write_table(records, trained.table, standings(records, spec.objectives, spec.means_within))
    for study in STUDIES:
        shutil.copytree(trained.path, store / "studies" / study)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        train(StudySpec.load("dense.yaml"), folder / "unlaunched")
    return store


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield the words of each line of a block of commands."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line.removeprefix("$ "), comments=True):
            yield words


def is_parsed(words: list[str]) -> str:
    """Return the command that `espalier WORDS` would run; exits or raises where it cannot be typed like this."""
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    context = group.make_context("espalier", list(words))
    name, command, rest = group.resolve_command(context, list(words))
    assert name is not None
    assert command is not None
    command.make_context(name, rest, parent=context)
    return name


def options_of(command: str) -> set[str]:
    group = typer.main.get_command(cli.app)
    assert isinstance(group, TyperGroup)
    return {option for param in group.commands[command].params for option in [*param.opts, *param.secondary_opts]}


def to_run(words: list[str]) -> list[str]:
    """Return what is run for a command: itself, made cheaper; the plan of what would start Ray; or nothing."""
    name = words[0]
    if name not in NOT_STARTED:
        return [] if "--watch" in words else [*words, *CHEAPER.get(name, [])]
    return ["plan", words[1], *CHEAPER["plan"]] if words[-1].endswith(".yaml") else []


@pytest.mark.parametrize("page", RUN, ids=name)
@pytest.mark.usefixtures("store")
def test_a_page_runs_from_its_first_block_to_its_last(
    page: Path, folder: Path, espalier: Espalier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    names: dict[str, Any] = {"__name__": "page", "images": torch.zeros(2, 1, 8, 8)}
    for block in blocks_of(page):
        if block.reason is None and block.language == "python":
            exec(compile(block.text, str(block), "exec"), names)
        elif block.reason is None and block.language == "sh":
            run(block, espalier)


def run(block: Block, espalier: Espalier) -> None:
    for program, *words in commands_in(block.text):
        assert program in SHELL | {"espalier"}, program
        if program == "espalier":
            is_parsed(words)
            if line := to_run(words):
                status, out, err = espalier(*line)
                assert status == 0, f"{block}: espalier {shlex.join(line)}: {out}{err}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_options_named_in_a_sentence_are_there(page: Path) -> None:
    for command, rest in re.findall(r"`espalier ([a-z]\w*) ([^`\n]*)`", read(page)):
        typed = {word.partition("=")[0] for word in rest.split() if word.startswith("--")}
        assert typed <= options_of(command) | {"--help"}, f"espalier {command} {rest}"


@pytest.mark.parametrize("example", [example for row in cli.COMMANDS.values() for _, _, example in row])
def test_the_examples_of_the_help_are_parsed(example: str) -> None:
    words = shlex.split(example.partition(">")[0])
    assert is_parsed(words) == words[0]
