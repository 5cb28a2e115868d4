"""Files of weights in few bits: nothing is lost, little is stored, and other files are refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from trainables.errors import InvalidValue
from trainables.export import export
from trainables.export.packed_weights import read, weights_in, write


def a_network() -> nn.Module:
    """Return a network a half of whose blocks of four weights have one magnitude, and a quarter none."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(4, 32, 3, bias=False), nn.BatchNorm2d(32), nn.Flatten(), nn.Linear(32, 10)).eval()
    with torch.no_grad():
        blocks = model.get_parameter("0.weight").view(-1, 4)
        blocks[::2] = blocks[::2].sign() * blocks[::2].abs().mean(1, keepdim=True)
        blocks[1::4] = 0
    return model


def test_the_file_gives_back_every_weight_and_what_it_is_of(tmp_path: Path) -> None:
    model, path = a_network(), tmp_path / "net.packed"
    note = write(model, torch.rand(2, 4, 3, 3), path, {"name": "mine", "classes": 10})
    weights, about = weights_in(path)
    assert about == {"name": "mine", "classes": 10}
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
    images = torch.rand(3, 4, 3, 3)
    assert torch.equal(read(path, model)(images), model(images))
    assert note.startswith(f"packed without loss: {path.stat().st_size:,} bytes")


def test_blocks_are_stored_once(tmp_path: Path) -> None:
    model = a_network()
    packed, plain = (export(model, (4, 3, 3), tmp_path / name, name) for name in ("packed", "safetensors"))
    weights, blocks = 32 * 36, 32 * 9
    saved = 4 * (weights - blocks // 2 - weights // 4) - weights // 2 // 8 - 2 * blocks // 8
    assert plain.bytes - packed.bytes == pytest.approx(saved, abs=300), "the headers differ"
    assert packed.difference == 0


@pytest.mark.parametrize("content", [b"", b"no file of weights", None])
def test_other_files_are_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "net.packed"
    if content is None:
        save_file({"bits": torch.zeros(1), "values": torch.zeros(1)}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidValue, match=r"is no file of `espalier export --format packed`, or damaged"):
        weights_in(path)


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.packed"
    write(a_network(), torch.rand(2, 4, 3, 3), path, {})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidValue, match="damaged"):
        weights_in(path)
