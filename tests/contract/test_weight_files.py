"""What every format does that holds weights alone."""

from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from trainables.export import safetensors_weights, torch_weights

every_format = pytest.mark.parametrize("form", [safetensors_weights, torch_weights])


def a_network(classes: int = 3) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, classes), nn.BatchNorm1d(classes)).eval()


@every_format
def test_what_is_read_is_a_copy_with_the_weights_of_the_file(form: ModuleType, tmp_path: Path) -> None:
    model, path, images = a_network(), tmp_path / "net", torch.rand(3, 1, 2, 2)
    form.write(model, images, path, {})
    expected = model(images)
    with torch.no_grad():
        model.get_parameter("1.weight").zero_()
    assert torch.equal(form.read(path, model)(images), expected)
    assert not model.get_parameter("1.weight").any()


@every_format
def test_a_file_of_another_network_is_refused(form: ModuleType, tmp_path: Path) -> None:
    form.write(a_network(), torch.rand(2, 1, 2, 2), tmp_path / "net", {})
    with pytest.raises(RuntimeError, match="size mismatch"):
        form.read(tmp_path / "net", a_network(classes=5))
