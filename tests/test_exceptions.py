"""Every exception of the packages is a branch of one tree, and the command line prints each in one sentence."""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator

import pytest

import orchestrator
import search_spaces
import trainables
from orchestrator import cli
from trainables import errors
from trainables.errors import EspalierError

PACKAGES = (orchestrator, trainables, search_spaces)


def modules() -> Iterator[str]:
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield found.name


def exceptions() -> dict[str, type[BaseException]]:
    """Return the exceptions that the packages define, by name."""
    kinds = (
        kind
        for name in modules()
        for kind in vars(importlib.import_module(name)).values()
        if inspect.isclass(kind) and issubclass(kind, BaseException) and kind.__module__ == name
    )
    return {kind.__name__: kind for kind in kinds}


def test_every_exception_derives_from_one_and_is_drawn() -> None:
    found = exceptions()
    assert len(found) >= 14
    assert [name for name, kind in found.items() if not issubclass(kind, EspalierError)] == []
    drawn = set(re.findall(r"(?:── |^    )([A-Z]\w+)", str(errors.__doc__), flags=re.MULTILINE))
    assert set(found) == drawn


class Unheard(errors.RequestRefused):
    """An error that nobody has told the command line about."""


@pytest.mark.parametrize(
    "kind", [EspalierError, errors.StudyStopped, errors.TrialError, errors.RequestRefused, Unheard]
)
def test_the_command_line_prints_an_error_in_one_sentence_with_its_status(
    kind: type[EspalierError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise kind("the key is not allowed; name another one")

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(sys, "argv", ["espalier"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == kind.exit_status
    assert capsys.readouterr().err == "espalier: the key is not allowed; name another one\n"


def test_a_file_that_cannot_be_used_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise PermissionError(13, "Permission denied", "/somewhere/study.yaml")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "espalier: /somewhere/study.yaml: Permission denied\n"
