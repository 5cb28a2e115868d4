import importlib
from types import ModuleType

import pytest
import torch

from trainables import vision
from trainables.vision import torchvision


def test_models_datasets_and_transforms_work() -> None:
    transforms = importlib.import_module("torchvision.transforms.v2")
    images = torchvision.datasets.FakeData(size=1, transform=transforms.ToImage())
    assert images[0][0].shape == (3, 224, 224)
    assert torchvision.models.get_model("squeezenet1_0", weights=None) is not None


def test_a_normal_install_takes_the_plain_import_and_declares_no_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = ModuleType("torchvision")
    declared = []
    monkeypatch.setattr(importlib, "import_module", lambda _: installed)
    monkeypatch.setattr(vision, "_library", lambda: declared.append(1))
    assert vision._import_torchvision() is installed
    assert not declared


def test_another_error_of_the_import_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> ModuleType:
        raise RuntimeError("another trouble")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="another trouble"):
        vision._import_torchvision()


def test_a_second_import_statement_gets_the_same_module() -> None:
    assert importlib.import_module("torchvision") is torchvision
    assert torch.ops.torchvision.nms is not None
