"""Networks and data of another package are found by its entry points, as an installer lays them out."""

from pathlib import Path

import pytest
import torch

from trainables import data, models
from trainables.data import sources
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

PACKAGE = """
import torch
from torch import nn
from torch.utils.data import TensorDataset


def network(classes: int, width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, width), nn.ReLU(), nn.Linear(width, classes))


def stripes() -> TensorDataset:
    labels = torch.arange(40) % 2
    images = torch.zeros(40, 1, 4, 4, dtype=torch.uint8)
    images[labels == 1, :, ::2] = 255
    return TensorDataset(images, labels)
"""

ENTRY_POINTS = """
[espalier.models]
stripes_net = theirs_of_stripes:network
broken_net = theirs_of_stripes:no_such_network
lost_net = theirs_of_nothing:network

[espalier.data]
stripes = theirs_of_stripes:stripes
broken_stripes = theirs_of_stripes:no_such_data
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    information = tmp_path / "stripes-1.2.dist-info"
    information.mkdir()
    (tmp_path / "theirs_of_stripes.py").write_text(PACKAGE, encoding="utf-8")
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: stripes\nVersion: 1.2\n", encoding="utf-8")
    (information / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))


def test_a_network_and_data_of_another_package_work_by_their_names() -> None:
    dataset = data.load(DataSpec(name="stripes", validation=0.2, test=0.2))
    assert (dataset.classes, dataset.input_shape) == (2, (1, 4, 4))
    model = models.build("stripes_net", classes=2, input_shape=dataset.input_shape, options={"width": 5})
    assert model(torch.zeros(3, 1, 4, 4)).shape == (3, 2)
    assert (models.reference_of("stripes_net"), data.reference_of("stripes")) == (
        "theirs_of_stripes:network",
        "theirs_of_stripes:stripes",
    )


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken_net", r"theirs_of_stripes:no_such_network of stripes 1\.2, which cannot be loaded \(AttributeError: "),
        ("lost_net", r"theirs_of_nothing:network of stripes 1\.2, which cannot be loaded \(ModuleNotFoundError: "),
    ],
)
def test_a_network_that_cannot_be_loaded_is_named_in_one_sentence(name: str, reason: str) -> None:
    with pytest.raises(InvalidValue, match=rf"^name = '{name}': is the entry point {reason}") as refused:
        models.build(name, classes=2, input_shape=(1, 4, 4))
    assert "\n" not in str(refused.value)


def test_data_that_cannot_be_loaded_are_named_in_one_sentence() -> None:
    with pytest.raises(InvalidValue, match=r"^name = 'broken_stripes': is the entry point .* of stripes 1\.2"):
        data.load(DataSpec(name="broken_stripes", validation=0.2, test=0.2))


def test_a_name_that_is_nearly_theirs_is_shown_it() -> None:
    with pytest.raises(InvalidValue, match="did you mean 'stripes'"):
        sources.find("stripe")
    with pytest.raises(InvalidValue, match="did you mean 'stripes_net'"):
        models.check("stripes_nett")
