"""What a node runs, and how two nodes differ."""

import re

import pytest

from orchestrator.execution import software


def test_builds_for_other_hardware_are_the_same_software(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "version", lambda _: "2.13.0+cu130")
    there = software.software()
    monkeypatch.setattr(software, "version", lambda _: "2.13.0")
    assert {name: there[name] for name in software.PACKAGES} == dict.fromkeys(software.PACKAGES, "2.13.0")
    assert software.software().keys() == there.keys()


def test_our_own_code_is_told_apart_by_its_content() -> None:
    here = software.software()
    assert here == software.software()
    assert list(here) == [*software.PACKAGES, "espalier"]
    assert re.fullmatch(r"\d.* with the code [0-9a-f]{10}", here["espalier"])


def test_a_package_that_is_missing_is_named_as_such() -> None:
    assert software._release("no-such-package") == "missing"


def test_only_what_differs_is_named_with_both_releases() -> None:
    here = {"torch": "2.13.0", "numpy": "2.1.0", "ray": "2.55.0"}
    there = {**here, "torch": "2.12.0", "ray": "missing"}
    assert software._differences(there, here) == (
        "torch 2.12.0 where this one has 2.13.0, ray missing where this one has 2.55.0"
    )


def test_of_a_traceback_the_last_line_is_shown() -> None:
    assert software._last_line(ValueError("Traceback:\n  File a\nModuleNotFoundError: no espalier\n")) == (
        "ModuleNotFoundError: no espalier"
    )


@pytest.mark.parametrize("package", software.OWN)
def test_a_change_in_any_of_our_packages_is_another_hash(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = software.software()["espalier"]
    monkeypatch.setattr(software, "OWN", tuple(name for name in software.OWN if name != package))
    assert software.software()["espalier"] != before


def test_packages_that_a_study_is_referred_to_are_compared_as_well() -> None:
    there = software.software(["filelock", "nowhere_to_be_found"])
    assert list(there)[-2:] == ["filelock", "nowhere_to_be_found"]
    assert there["nowhere_to_be_found"] == "missing"
