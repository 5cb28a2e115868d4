"""Diagnosing a trial's network: on validation images, in words, as JSON and as a picture."""

import json
from pathlib import Path

import pytest

from orchestrator.evaluation.diagnosis import diagnosed
from orchestrator.store.store import StudyFolder
from tests.orchestrator.commands import Espalier
from tests.orchestrator.trained import DENSE, FILTERS
from trainables.errors import InvalidValue


def test_a_removed_network_is_probed_at_its_own_widths_on_validation_images(study: StudyFolder) -> None:
    found = [
        diagnosed(study, study.path / "cache", number, probes=2, images=None, seed=0, device="cpu")
        for number in (DENSE, FILTERS)
    ]
    assert [group.channels for group in found[0].groups] == [32, 32, 64]
    assert sum(group.channels for group in found[1].groups) < 128
    assert found[0].images == found[1].images == 144


def test_fewer_images_are_taken_where_that_is_asked_for(study: StudyFolder) -> None:
    found = diagnosed(study, study.path / "cache", DENSE, probes=2, images=10, seed=0, device="cpu")
    assert found.images == 10


def test_a_trial_that_does_not_exist_is_refused(study: StudyFolder) -> None:
    with pytest.raises(InvalidValue, match="TRIAL = 7: is not a trial of this study"):
        diagnosed(study, study.path / "cache", 7, probes=2, images=None, seed=0, device="cpu")


@pytest.mark.parametrize("device", ["tpu", "cuda:99"])
def test_a_device_that_is_not_here_is_refused(study: StudyFolder, espalier: Espalier, device: str) -> None:
    where = ("--store", str(study.store), "--device", device)
    for words in (("diagnose", study.path.name, str(DENSE)), ("evaluate", study.path.name, "--kinds", "none")):
        status, _, err = espalier(*words, *where)
        assert status == 2
        assert err.startswith(f"espalier: --device = '{device}': must be cpu, or cuda with a GPU, and PyTorch sees")


def test_the_command_prints_a_line_for_each_group_and_draws_it(study: StudyFolder, espalier: Espalier) -> None:
    where = ("--store", str(study.store), "--probes", "2")
    status, out, err = espalier("diagnose", study.path.name, str(DENSE), *where, "--figures", "drawn")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "trial 0 (dense): growth of the loss on 144 validation images"
    assert [line.split()[0] for line in lines if line.startswith("conv")] == ["conv1", "conv2", "conv3"]
    assert {path.name for path in Path("drawn").iterdir()} == {
        f"utilisation-0.{kind}" for kind in ("pdf", "png", "svg")
    }
    assert "growth of the loss in thousandths" in Path("drawn/utilisation-0.svg").read_text()


def test_for_programs_it_says_the_same(study: StudyFolder, espalier: Espalier) -> None:
    status, out, err = espalier("diagnose", study.path.name, str(FILTERS), "--store", str(study.store), "--json")
    assert (status, err) == (0, "")
    plain = json.loads(out)
    assert (plain["trial"], plain["images"], plain["figures"]) == (FILTERS, 144, [])
    assert [group["name"] for group in plain["groups"]] == ["conv1", "conv2", "conv3"]
    assert plain["groups"][0].keys() == {"name", "writers", "channels", "macs", "rate", "fur", "error"}
