"""Files of weights: what they may look like, and how they come into a network."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from trainables import models
from trainables.errors import InvalidValue
from trainables.models.weight_files import adopt, load, other_head, read
from trainables.spec import ModelSpec

State = dict[str, Tensor]


def network(classes: int = 10, seed: int = 0, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    return models.build("digits_cnn", classes=classes, input_shape=(1, 8, 8), options=options)


def same(one: nn.Module, state: State) -> list[bool]:
    return [torch.equal(tensor, state[name]) for name, tensor in one.state_dict().items()]


@pytest.mark.parametrize(
    ("file", "save"),
    [
        ("weights.safetensors", lambda state, path: save_file(state, path)),
        ("plain.pt", torch.save),
        ("nested.pt", lambda state, path: torch.save({"epoch": 3, "state_dict": state}, path)),
        ("deeper.pth", lambda state, path: torch.save({"model": {"state_dict": state}}, path)),
        ("old.pt", lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False)),
        ("parallel.pt", lambda state, path: torch.save({f"module.{k}": v for k, v in state.items()}, path)),
        ("both.pt", lambda state, path: torch.save({f"module._orig_mod.{k}": v for k, v in state.items()}, path)),
    ],
)
def test_weights_are_read_from_every_usual_file(file: str, save: Callable[[State, Path], None], tmp_path: Path) -> None:
    trained, other = network(seed=1).state_dict(), network()
    save(trained, tmp_path / file)
    assert not all(same(other, trained))
    assert adopt(other, read(tmp_path / file), 10, file) == ()
    assert all(same(other, trained))


class Stranger:
    """An object, as whoever pickles a whole network keeps it."""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (Stranger(), r"holds Python objects, .* torch.save\(network.state_dict\(\), FILE\)"),
        ({"epoch": 3}, "holds no state dict, neither itself nor under state_dict, model_state_dict, model"),
        ({}, "holds no state dict"),
        ([torch.zeros(1)], "holds no state dict"),
    ],
)
def test_a_file_without_a_state_dict_is_refused_with_the_reason(content: Any, reason: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "file.pt")
    with pytest.raises(InvalidValue, match=reason):
        read(tmp_path / "file.pt")


@pytest.mark.parametrize("file", ["text.pt", "text.safetensors", "empty.pt", "empty.safetensors", "cut.pt"])
def test_a_damaged_file_is_refused_in_one_sentence(file: str, tmp_path: Path) -> None:
    path = tmp_path / file
    path.write_text("no weights at all" if file.startswith("text") else "")
    if file == "cut.pt":
        torch.save(network().state_dict(), path)
        path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(InvalidValue) as refused:
        read(path)
    assert "\n" not in str(refused.value)


def test_a_head_for_other_classes_stays_as_it_was_and_is_named() -> None:
    trained, other = network(classes=7, seed=1).state_dict(), network()
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    head = adopt(other, trained, 10, "file")
    assert len(head) == 2
    assert all(torch.equal(other.state_dict()[name], before[name]) for name in head)
    assert all(torch.equal(other.state_dict()[name], trained[name]) for name in trained if name not in head)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (
            lambda: network(widths=[4, 4, 8]).state_dict(),
            r"has other shapes than this network: .* instead of .* more; a network made smaller is taken from ",
        ),
        (
            lambda: {"a": torch.zeros(1)},
            r"does not belong to .*: it lacks .* and \d+ more, and has besides a$",
        ),
        (lambda: {k: v * torch.nan for k, v in network().state_dict().items()}, "not finite, as in "),
    ],
)
def test_weights_of_another_network_are_refused_and_change_nothing(state: Callable[[], State], reason: str) -> None:
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InvalidValue, match=reason):
        adopt(model, state(), 10, "file")
    assert all(same(model, before))


def test_a_layer_within_the_network_that_is_as_wide_as_there_are_classes_is_no_head() -> None:
    def stack(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 10))

    with pytest.raises(InvalidValue, match=r"other shapes .*: 2.weight \[10, 12\] instead of \[10, 10\]"):
        other_head(stack(10), stack(12).state_dict(), 10, "file")


def test_counters_that_old_files_lack_are_not_missed() -> None:
    model = network()
    state = {name: tensor for name, tensor in network(seed=1).state_dict().items() if "num_batches" not in name}
    assert len(state) < len(model.state_dict())
    assert adopt(model, state, 10, "file") == ()


@pytest.mark.parametrize(("channels", "sums"), [(3, False), (1, True), (4, False)])
def test_a_library_s_weights_are_those_in_its_cache_and_take_other_channels(
    channels: int, sums: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torchvision looks for its file under TORCH_HOME before it downloads."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    trained = models.build("torchvision/squeezenet1_1", classes=1000, input_shape=(3, 64, 64)).state_dict()
    torch.save(trained, folder / "squeezenet1_1-b8a52dc0.pth")
    random = torch.get_rng_state()
    state = load(ModelSpec(name="torchvision/squeezenet1_1", weights="imagenet"), (channels, 64, 64))
    assert torch.equal(torch.get_rng_state(), random)
    model = models.build("torchvision/squeezenet1_1", classes=10, input_shape=(channels, 64, 64))
    assert adopt(model, state, 10, "imagenet") == ("classifier.1.weight", "classifier.1.bias")
    given, stem = trained["features.0.weight"], model.get_parameter("features.0.weight")
    expected = given.sum(1, keepdim=True) if sums else given[:, torch.arange(channels) % 3] * 3 / channels
    torch.testing.assert_close(stem.data, expected)


def test_weights_that_cannot_be_downloaded_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    model = ModelSpec(name="torchvision/squeezenet1_1", weights="imagenet")
    with pytest.raises(InvalidValue, match=r"weights = 'imagenet': of torchvision/squeezenet1_1 cannot be had: ") as no:
        load(model, (3, 64, 64))
    assert "\n" not in str(no.value)
