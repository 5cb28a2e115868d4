"""A trial's network as a file: what is said about it, and that three lines load it where espalier is missing."""

import copy
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from orchestrator.commands.networks import lines
from orchestrator.networks.formats import Format
from orchestrator.networks.loading import load
from orchestrator.networks.trial_export import TrialExport, architecture, export
from orchestrator.store.store import StudyFolder
from tests.orchestrator.trained import FILTERS, WEIGHTS
from tests.trainables.instance_gated import with_gates
from trainables.errors import InvalidValue
from trainables.export import exporting
from trainables.masking.masks import prunable_weights


def test_the_formats_are_those_that_can_be_written() -> None:
    assert list(exporting.FORMATS) == list(Format)


@pytest.fixture(scope="module")
def exported(study: StudyFolder, tmp_path_factory: pytest.TempPathFactory) -> TrialExport:
    return export(study.store, study.path.name, FILTERS, "pt2", tmp_path_factory.mktemp("out") / "net.pt2")


def test_an_export_says_what_was_written_and_measured(exported: TrialExport) -> None:
    told = json.loads(json.dumps(exported.as_object()))
    assert told["bytes"] == Path(told["path"]).stat().st_size
    assert told["largest_deviation"] < 1e-5
    assert (told["input_shape"], told["output_shape"]) == ([None, 1, 8, 8], [None, 10])
    assert len(told["mean"]) == len(told["std"]) == 1
    assert 0 < told["macs_share_of_dense"] < 1
    assert told["latency"] > 0
    assert told["latency_dense"] > 0
    assert told["sparse"] == []


def test_an_export_says_of_a_network_with_gates_that_it_computes_all_channels(exported: TrialExport) -> None:
    assert exported.dynamic is None
    gated = replace(exported.network, model=with_gates("digits_cnn")[0])
    dynamic = replace(exported, network=gated)
    assert dynamic.as_object()["dynamic"] == dynamic.dynamic
    assert [line for line in lines(dynamic) if line.startswith("dynamic:   its gates choose channels for each image")]
    assert [site["writer"] for site in architecture(gated)["gates"]] == ["conv1", "conv2", "conv3"]


def test_an_export_says_of_unified_blocks_that_it_holds_all_their_weights(exported: TrialExport) -> None:
    assert exported.expanded is None
    unified = copy.deepcopy(exported.network.model)
    with torch.no_grad():
        for weight in prunable_weights(unified).values():
            weight.copy_(torch.where(weight < 0, -0.1, 0.1))
    of_blocks = replace(exported, network=replace(exported.network, model=unified))
    assert of_blocks.as_object()["expanded"] == of_blocks.expanded
    assert [line for line in lines(of_blocks) if re.match(r"expanded:  \d[\d,]* blocks of weights share one", line)]
    packed = replace(of_blocks, file=replace(exported.file, format=Format.PACKED))
    assert packed.expanded is None
    assert "load it:   (with espalier)" in lines(packed)


def test_the_file_says_where_it_comes_from(exported: TrialExport) -> None:
    extra = {"architecture.json": ""}
    torch.export.load(exported.file.path, extra_files=extra)
    about = json.loads(extra["architecture.json"])
    known = ("name", "study", "trial", "paradigm")
    assert [about[key] for key in known] == ["digits_cnn", "small", FILTERS, "magnitude"]
    assert about["shapes"]["conv2.weight"] == list(exported.network.model.get_parameter("conv2.weight").shape)


WITHOUT = """
import sys
for package in ("trainables", "orchestrator", "search_spaces", "espalier"):
    sys.modules[package] = None  # importing it raises ImportError
import torch as t
images = t.load("images.pt", weights_only=True)
"""


@pytest.mark.parametrize("format", ["pt2", "onnx"])
def test_the_three_lines_run_where_espalier_cannot_be_imported(
    format: str, study: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = torch.rand(3, 1, 8, 8)
    torch.save(images, "images.pt")
    written = export(study.store, study.path.name, FILTERS, format)
    assert written.file.path == Path(f"small-{FILTERS}.{format}")
    assert len(written.load.splitlines()) == 3
    program = f"{WITHOUT}{written.load}\nt.save(t.as_tensor(logits), 'logits.pt')"
    subprocess.run([sys.executable, "-c", program], check=True)
    expected = load(study.store, study.path.name, FILTERS)(images)
    assert torch.allclose(torch.load("logits.pt", weights_only=True), expected, atol=1e-5)


def test_of_masked_weights_it_says_what_sparse_layers_would_do(study: StudyFolder, tmp_path: Path) -> None:
    written = export(study.store, study.path.name, WEIGHTS, "torch", tmp_path / "net.pt")
    assert written.zeros == pytest.approx(0.9, abs=0.02)
    assert [gain.layout for gain in written.gains] == ["CSR", "2:4"]
    assert all((gain.speedup is None) == bool(gain.why) for gain in written.gains)


def test_a_format_whose_packages_are_missing_names_the_extra(
    study: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InvalidValue, match=re.escape("pip install 'espalier[export]'")):
        export(study.store, study.path.name, FILTERS, "onnx", tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
