"""Faces of packages: public names are offered, and imported when one is used."""

import re
import sys
from importlib import import_module
from pathlib import Path

import pytest


@pytest.fixture
def face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of two modules whose face offers three names; importing the second module fails."""
    package = tmp_path / "a_face"
    package.mkdir()
    held = 'from trainables.faces import lazily\n__getattr__ = lazily(__name__, good="ONE TWO", bad="THREE")\n'
    (package / "__init__.py").write_text(held)
    (package / "good.py").write_text("ONE, TWO, THREE = 1, 2, 'of good'\n")
    (package / "bad.py").write_text("raise RuntimeError('imported too early')\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield_name = "a_face"
    for name in [name for name in sys.modules if name.partition(".")[0] == yield_name]:
        del sys.modules[name]
    return yield_name


def test_names_come_from_the_modules_that_define_them(face: str) -> None:
    package = import_module(face)
    assert (package.ONE, package.TWO) == (1, 2)


def test_nothing_is_imported_before_a_name_is_used(face: str) -> None:
    package = import_module(face)
    assert f"{face}.good" not in sys.modules
    assert package.ONE == 1
    assert f"{face}.good" in sys.modules
    with pytest.raises(RuntimeError, match="imported too early"):
        _ = package.THREE


def test_an_unknown_name_is_an_attribute_error_with_the_package_s_name(face: str) -> None:
    with pytest.raises(AttributeError, match="module 'a_face' has no attribute 'FOUR'"):
        _ = import_module(face).FOUR
    assert not hasattr(import_module(face), "FOUR")


@pytest.mark.parametrize("package", ["trainables.recipes", "trainables.export"])
def test_every_name_that_a_face_declares_is_there(package: str) -> None:
    face = import_module(package)
    declared = [name for name in vars(face) if not name.startswith("_")]
    source = Path(str(face.__file__)).read_text()
    offered = re.findall(r"import (\w+) as \1\b", source)
    assert offered
    assert all(getattr(face, name) is not None for name in (*declared, *offered))
