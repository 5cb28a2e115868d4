"""Paradigms found by name: those of this package, those of other packages, and names that nobody has."""

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from trainables import paradigms
from trainables.errors import InvalidValue
from trainables.paradigms.random import Random
from trainables.paradigms.set import SparseEvolutionaryTraining
from trainables.spec import ModelSpec


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another package brings the paradigm ``sparse_at_heart``."""
    entry = EntryPoint("sparse_at_heart", f"{Random.__module__}:PARADIGM", paradigms.GROUP)

    def installed(*, group: str, name: str | None = None) -> EntryPoints:
        return EntryPoints([entry] if group == paradigms.GROUP and name in (None, entry.name) else [])

    monkeypatch.setattr(paradigms, "entry_points", installed)
    paradigms.names.cache_clear()
    yield
    monkeypatch.undo()
    paradigms.names.cache_clear()
    paradigms.find.cache_clear()


def test_every_public_module_is_a_paradigm_and_no_other() -> None:
    folder = Path(paradigms.__file__).parent
    modules = {file.stem for file in folder.glob("*.py")}
    assert set(paradigms.names()) == {name for name in modules if not name.startswith("_")} - {"base"}
    assert list(paradigms.names()) == sorted(paradigms.names())


@pytest.mark.parametrize("name", paradigms.names())
def test_no_two_names_stand_for_one_class(name: str) -> None:
    assert [other for other in paradigms.names() if paradigms.find(other) is paradigms.find(name)] == [name]


@pytest.mark.parametrize("name", ["base", "_gated", "lottery_tickets", ""])
def test_what_is_no_paradigm_is_refused_with_all_that_are(name: str) -> None:
    with pytest.raises(
        InvalidValue, match="must be one of auto_train_once, channel_search, complexity_aware"
    ) as refused:
        paradigms.find(name)
    assert (refused.value.key, refused.value.value) == ("paradigm", name)


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(InvalidValue, match="did you mean 'lottery_ticket'"):
        paradigms.find("lottery_tickets")


@pytest.mark.usefixtures("brought")
def test_another_package_adds_one_under_an_entry_point() -> None:
    assert "sparse_at_heart" in paradigms.names()
    assert paradigms.find("sparse_at_heart") is Random
    assert paradigms.find("set") is SparseEvolutionaryTraining


def test_recipes_of_all_paradigms_are_made_without_torch() -> None:
    code = (
        "import sys; from trainables import paradigms as p; [p.find(n)().recipe(12) for n in p.names()];"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_module_of_a_paradigm_may_be_imported_before_the_names_are_asked_for() -> None:
    """The module ``set`` becomes an attribute of the package, where it hides the builtin."""
    code = "import trainables.paradigms.set, trainables.paradigms as p; print('set' in p.names())"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "True"


def test_the_network_is_the_study_s_unless_a_paradigm_that_is_installed_brings_its_own() -> None:
    given = ModelSpec(name="resnet20", weights="imagenet")
    assert paradigms.network("magnitude", {"sparsity": 0.5}, given) is given
    assert paradigms.network("of_a_package_that_is_gone", {"anything": 1}, given) is given
    with pytest.raises(InvalidValue, match="unknown key"):
        paradigms.network("magnitude", {"anything": 1}, given)
