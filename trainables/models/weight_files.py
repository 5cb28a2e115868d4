"""Weights read from a file, and put into a network whose head may have another size."""

import json
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from trainables.errors import InvalidValue
from trainables.models.torch_attention import with_own_names
from trainables.models.weights import IMAGENET, KEY, library
from trainables.spec import ModelSpec

_NESTED: Final = ("state_dict", "model_state_dict", "model")
"""The keys under which training scripts keep a state dict among other things."""

_WRAPPERS: Final = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile write before each name."""

_COUNTER: Final = "num_batches_tracked"
"""A buffer of batch norms that old files lack, and that nothing here uses."""

_SHOWN: Final = 3
"""How many tensors a refusal names."""

ARCHITECTURE: Final = "architecture"
"""The key under which a file says of which network its weights are."""

_SMALLER: Final = "a network made smaller is taken from trial:STUDY/NUMBER or a file of espalier export"


@dataclass(frozen=True)
class Remainder:
    """What a file says of a network that may have lost channels and blocks: which blocks, and its number of classes.

    `dropped_blocks` are None where an earlier version wrote the file, and `classes` where they are not known.
    """

    dropped_blocks: tuple[str, ...] | None = ()
    classes: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return what `remainder` reads under ARCHITECTURE."""
        return {"dropped_blocks": list(self.dropped_blocks or ()), "classes": self.classes}


def remainder(path: Path) -> Remainder | None:
    """Return what a file of weights says of the network that they are of; None if it says nothing.

    Raises InvalidValue as `read` does.
    """
    described = _metadata(path) if path.suffix == ".safetensors" else _loaded(path)
    plain = described.get(ARCHITECTURE) if isinstance(described, Mapping) else None
    if not isinstance(plain, Mapping):
        return None
    dropped, classes = plain.get("dropped_blocks"), plain.get("classes")
    return Remainder(
        tuple(map(str, dropped)) if isinstance(dropped, list | tuple) else None,
        classes if isinstance(classes, int) else None,
    )


def _metadata(path: Path) -> Mapping[str, Any]:
    """Return the metadata of a file of safetensors; what others wrote there may have any form."""
    try:
        with safe_open(path, "pt") as file:
            return {name: json.loads(text) for name, text in (file.metadata() or {}).items() if name == ARCHITECTURE}
    except (SafetensorError, OSError, ValueError):
        return {}  # reading the weights says what is wrong with the file


def load(model: ModelSpec, input_shape: tuple[int, int, int]) -> dict[str, Tensor]:
    """Return the weights that a network starts from, by name, on the CPU; torch's random state stays as it is.

    Those of ``imagenet`` are downloaded, unless the library has them on this machine. Raises InvalidValue.
    """
    if model.weights != IMAGENET:
        return read(Path(model.weights or ""))
    channels = input_shape[0]
    with torch.random.fork_rng():
        try:
            network: nn.Module = library(model.name).pretrained(
                model.name.partition("/")[2], input_shape, **model.options
            )
        except (OSError, RuntimeError, ValueError, TypeError) as error:
            raise InvalidValue(KEY, IMAGENET, f"of {model.name} cannot be had: {_first_line(error)}") from error
    state = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    return state if channels == 3 else _with_channels(network, state, channels)


def _with_channels(network: nn.Module, state: dict[str, Tensor], channels: int) -> dict[str, Tensor]:
    """Let the first convolution take images of other than three channels.

    A grey image gives what it would as one of three equal channels; more repeat the three, scaled to the same sum.
    """
    stem = next(name for name, module in network.named_modules() if isinstance(module, nn.Conv2d))
    weight = state[f"{stem}.weight"]
    repeated = weight[:, torch.arange(channels) % 3] * (3 / channels)
    return {**state, f"{stem}.weight": weight.sum(1, keepdim=True) if channels == 1 else repeated}


def read(path: Path) -> dict[str, Tensor]:
    """Return the state dict in a file of safetensors, or in a pickle that holds tensors only.

    It may lie under a key such as ``state_dict``, and its names may have the prefix of a wrapper. Raises InvalidValue.
    """
    return _unwrapped(_state(_loaded(path), path))


def _loaded(path: Path) -> Any:
    try:
        return load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except pickle.UnpicklingError as error:
        allowed = "holds Python objects, which could run code, or is damaged; save the state dict alone: "
        raise InvalidValue(KEY, str(path), f"{allowed}torch.save(network.state_dict(), FILE)") from error
    except OSError as error:
        raise InvalidValue(KEY, str(path), f"cannot be read: {error.strerror or error}") from error
    except (KeyError, EOFError, AttributeError) as error:  # their texts say nothing: what the first bytes stand for
        raise InvalidValue(KEY, str(path), "is no file of weights, or damaged") from error
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise InvalidValue(KEY, str(path), f"is no file of weights, or damaged: {_first_line(error)}") from error


def _unpickled(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _state(loaded: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(loaded, Mapping):
        if loaded and all(isinstance(value, Tensor) for value in loaded.values()):
            return {str(name): value for name, value in loaded.items()}
        nested = next((loaded[key] for key in _NESTED if isinstance(loaded.get(key), Mapping)), None)
        if nested is not None:
            return _state(nested, path)
    raise InvalidValue(KEY, str(path), f"holds no state dict, neither itself nor under {', '.join(_NESTED)}")


def _unwrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in state):
            return _unwrapped({name.removeprefix(prefix): value for name, value in state.items()})
    return state


@torch.no_grad()
def adopt(model: nn.Module, state: Mapping[str, Tensor], classes: int, source: str) -> tuple[str, ...]:
    """Give a network, in place, the weights of `state`; return the names of a head of another size, which stays.

    Raises InvalidValue, and changes nothing, as `other_head` does, and for numbers that are not finite.
    """
    state = with_own_names(model, state)
    head = other_head(model, state, classes, source)
    for name, value in state.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise InvalidValue(KEY, source, f"holds numbers that are not finite, as in {name}")
    model.load_state_dict({name: value for name, value in state.items() if name not in head}, strict=False)
    return head


def other_head(model: nn.Module, state: Mapping[str, Tensor], classes: int, source: str) -> tuple[str, ...]:
    """Return the names of a network's head if `state` has another number of classes; raises InvalidValue otherwise.

    A head is a layer that has an output for each class and differs in their number alone: where a layer within the
    network differs so, the one after it differs in its inputs.
    """
    own, state = model.state_dict(), with_own_names(model, state)
    require_names(own, state, source)
    other = {name for name, tensor in own.items() if name in state and state[name].shape != tensor.shape}
    heads = {name for layer, module in model.named_modules() for name in _head(layer, module, state, classes)}
    strangers = [name for name in own if name in other - heads]
    if strangers or len({state[name].shape[0] for name in other}) > 1:
        shapes = _shapes(strangers or sorted(other), own, state)
        raise InvalidValue(KEY, source, f"has other shapes than this network: {shapes}; {_SMALLER}")
    return tuple(name for name in own if name in other)


def require_names(own: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str) -> None:
    """Raise InvalidValue unless weights have the names of a network's own."""
    missing = [name for name in own if name not in state and not name.endswith(_COUNTER)]
    foreign = [name for name in state if name not in own]
    if missing or foreign:
        raise InvalidValue(KEY, source, f"does not belong to this network: {_names(missing, foreign)}")


def _head(layer: str, module: nn.Module, state: Mapping[str, Tensor], classes: int) -> Iterator[str]:
    """Yield the names of a layer's tensors if it could be the head and `state` has it with other outputs."""
    if not isinstance(module, nn.Linear | nn.Conv2d) or module.weight.shape[0] != classes:
        return
    for name, tensor in module.named_parameters(prefix=layer, recurse=False):
        if name in state and state[name].shape[1:] == tensor.shape[1:] and state[name].ndim == tensor.ndim:
            yield name


def _names(missing: list[str], foreign: list[str]) -> str:
    kinds = (("it lacks", missing), ("has besides", sorted(foreign, key=lambda name: name.endswith(_COUNTER))))
    return ", and ".join(f"{verb} {_listed(names)}" for verb, names in kinds if names)


def _shapes(names: list[str], own: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    return _listed([f"{name} {list(state[name].shape)} instead of {list(own[name].shape)}" for name in names])


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0].rstrip(".")
