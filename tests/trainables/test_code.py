"""Which code a reference means, found without importing it."""

import sys
from pathlib import Path

import pytest

from trainables.code import MISSING, code_of, digest, package_of


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which Python looks for modules."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("reference", ["nets:build", "nets.deep.er:build", "nets"])
def test_the_package_is_the_outermost_part(reference: str) -> None:
    assert package_of(reference) == "nets"


def test_a_changed_line_of_a_module_is_other_code_and_nothing_is_run(elsewhere: Path) -> None:
    module = elsewhere / "a_module_for_hashes.py"
    module.write_text("raise AssertionError('is not imported')\n")
    before = code_of(module.stem)
    assert before.startswith("the code ")
    assert code_of(module.stem) == before
    module.write_text("raise AssertionError('is never imported')\n")
    assert code_of(module.stem) != before
    assert module.stem not in sys.modules


def test_every_module_of_a_package_counts(elsewhere: Path) -> None:
    package = elsewhere / "a_package_for_hashes"
    (package / "below").mkdir(parents=True)
    for file in (package / "__init__.py", package / "below" / "nets.py"):
        file.touch()
    before = code_of(package.name)
    (package / "below" / "nets.py").write_text("WIDTH = 2\n")
    assert code_of(package.name) != before


def test_an_installed_package_is_told_with_its_release() -> None:
    assert code_of("filelock").partition(" with the code ")[0].count(".") >= 1


@pytest.mark.parametrize("package", ["no_such_package_anywhere", "sys"])
def test_what_has_no_files_is_missing(package: str) -> None:
    assert code_of(package) == MISSING


def test_a_digest_is_of_contents_and_not_of_names(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("same")
    (tmp_path / "b").write_text("same")
    assert digest([tmp_path / "a"]) == digest([tmp_path / "b"]) != digest([])
