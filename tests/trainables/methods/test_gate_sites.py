"""Where gates can choose channels, image by image."""

from pathlib import Path

import pytest
from torch import nn

from tests.trainables.stages import a_trial
from trainables.errors import InfeasibleTrial
from trainables.methods.gate_sites import gate_sites


def test_gated_are_the_convolutions_of_branches_and_neither_stem_nor_projections(tmp_path: Path) -> None:
    sites = gate_sites(a_trial(tmp_path, "resnet20"))
    assert [site.writer for site in sites][:3] == ["layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1"]
    assert [(site.end, site.along) for site in sites][:2] == [
        ("layer1.0.conv2", ("layer1.0.bn1",)),
        ("layer1.0.bn2", ("layer1.0.bn2",)),
    ]
    assert len(sites) == 18
    assert {(site.size, site.hidden) for site in sites} == {(16, 16), (32, 32), (64, 64)}
    assert {site.ceiling for site in sites} == {3.0}


def test_what_the_gathered_network_could_not_leave_out_has_no_gate(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    assert [(site.writer, site.end) for site in gate_sites(trial)] == [
        ("conv1", "conv2"),
        ("conv2", "conv3"),
        ("conv3", "fc"),
    ]
    reader = trial.model.get_submodule("conv2")
    assert isinstance(reader, nn.Conv2d)
    reader.padding_mode = "circular"
    assert [site.writer for site in gate_sites(trial)] == ["conv3"]
    trial.model.set_submodule("bn3", nn.InstanceNorm2d(64, affine=True))
    with pytest.raises(InfeasibleTrial, match="no convolutions whose channels gates could choose"):
        gate_sites(trial)
