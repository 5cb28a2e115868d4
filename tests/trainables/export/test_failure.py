"""Why an export fails, in the tree of errors."""

from pathlib import Path

import pytest
from torch import nn

from trainables.errors import EspalierError
from trainables.export import export, torch_weights
from trainables.export.failure import ExportFailed


def test_a_failed_export_is_one_of_espalier_s_errors_and_a_runtime_error() -> None:
    assert issubclass(ExportFailed, EspalierError)
    assert issubclass(ExportFailed, RuntimeError)
    assert ExportFailed.exit_status == 1


def test_a_file_that_computes_something_else_is_told_from_one_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    monkeypatch.setattr(torch_weights, "read", lambda _, model: lambda batch: 1.01 * model(batch))
    with pytest.raises(ExportFailed, match=r"what torch computes differs from the network by 1\.0e-02 of its largest"):
        export(model, (1, 2, 2), tmp_path / "net.pt", "torch")
    monkeypatch.setattr(torch_weights, "read", lambda _, model: lambda batch: model(batch)[:1])
    with pytest.raises(
        ExportFailed, match=r"cannot be written as torch: ValueError: 2 inputs give \[1, 2\] instead of"
    ):
        export(model, (1, 2, 2), tmp_path / "net.pt", "torch")
    assert not list(tmp_path.iterdir())
