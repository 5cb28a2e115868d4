"""A device that knows shapes and no values: what would be recorded on a GPU is tried on it, where there is none.

It finds what a processor cannot: tensors that a step makes on the host, or copies from there, and numbers that it reads
back. torch registers the device for the whole process, so this runs in one of its own, `python -m` this module, which
prints for each way to train how much was recorded, and what a GPU could not have recorded.
"""

import json
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.contract.test_training_steps import DURING
from tests.trainables.stages import a_trial
from tests.trainables.training.epochs import CompanionOf, alone, device_batches, doing, falling_rate
from trainables.gates.deletion_worth import DeletionWorth
from trainables.gates.estimator import Differences, Slopes
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.fading import FadingPath
from trainables.gates.gated_network import GatedNetwork
from trainables.gates.rounding import Rounding
from trainables.gates.sampling import SampledPath
from trainables.recipes.gating import Gating
from trainables.state import LiveTrial
from trainables.training.acts import Act, Acts
from trainables.training.captured import CapturedSteps
from trainables.training.captured_judging import CapturedJudging
from trainables.training.companion import Companion
from trainables.training.optimizers import optimizer_for
from trainables.training.recorder import Recorder, Replay, Result
from trainables.training.training import evaluate, train_epoch

SHADOW: Final = "shadow"
ATEN: Final = torch.ops.aten

NEED_VALUES: Final = ("train_once", "envelope")
"""Ways to train that look at values, or keep numbers on the host, between their steps."""

DECIDING: Final = (GatedNetwork, SampledPath, FadingPath, Slopes, Differences, DeletionWorth)
"""What decides on the host, by numbers in double precision, which gates close."""

NETWORKS: Final = ("resnet20", "vit", "torchvision/mobilenet_v3_small")


@dataclass
class Tried:
    """How often steps and evaluations were recorded and replayed, and what a GPU could not have recorded."""

    recorded: int = 0
    replayed: int = 0
    faults: list[str] = field(default_factory=list)


class Module(backend_registration._DummyBackendModule):
    """What torch asks of a device's module; autocast asks even when it is off."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return []


class Values(TorchDispatchMode):
    """Answers what the host asks of tensors that have no values; notes what no recording may do."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # TorchDispatchMode's has no annotations
        self.faults: list[str] | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func is ATEN._local_scalar_dense.default and self.faults is None:
            return args[0].dtype == torch.bool or 1
        result = None if "_fused_" in str(func) else func(*args, **given)  # fused steps are for real devices only
        if self.faults is not None and _is_on_host(args, given, result):
            self.faults.append(f"{func} on the host")
        return result


class Copies(TorchFunctionMode):
    """Brings tensors of the host to the device, which needs no values of them; no recording may do that."""

    def __init__(self, values: Values) -> None:
        super().__init__()
        self._values = values

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if getattr(func, "__name__", "") in ("tensor", "as_tensor") and _is_shadow(given.get("device")):
            return self._brought(func(*args, **{**given, "device": "cpu"}), None)
        if func is Tensor.to and args[0].device.type == "cpu":
            device, dtype = _destination(*args[1:], **given)
            if _is_shadow(device):
                return self._brought(args[0], dtype)
        return func(*args, **given)

    def _brought(self, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
        if self._values.faults is not None:
            self._values.faults.append("a copy from the host")
        return shadow_of(tensor, dtype)


class Shadow(Recorder):
    """Tries what would be recorded, and notes in `tried` what no GPU could record."""

    def __init__(self, values: Values, tried: Tried) -> None:
        self._values, self._tried = values, tried

    def warm_up(self, run: Callable[[], Result]) -> Result:
        return run()

    def record(self, run: Callable[[], None]) -> Replay:
        self._tried.recorded += 1
        self._values.faults = self._tried.faults
        try:
            run()
        except Exception as error:
            self._tried.faults.append(f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
            raise
        finally:
            self._values.faults = None
        return self._replay

    def _replay(self) -> None:
        self._tried.replayed += 1


def shadow_of(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Return a tensor of the device with the shape and the layout of another.

    It is made anew: one that was made of a number cannot be sent (`findings/torch_fake_constants.sh`).
    """
    like = torch.empty_strided(tuple(tensor.shape), tensor.stride(), dtype=dtype or tensor.dtype, device=SHADOW)
    return nn.Parameter(like, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else like


def move(*roots: object) -> None:
    """Put shadows in the place of all tensors that can be reached from objects; the same one for the same tensor.

    By what gates are decided stays on the host: probabilities, the worth and the costs of structures.
    """
    shadows: dict[int, Tensor] = {}
    seen: dict[int, object] = {}
    left: list[object] = list(roots)

    def moved(value: object) -> object:
        match value:
            case FakeTensor():
                return value
            case Tensor():
                seen[id(value)] = value
                return shadows.setdefault(id(value), shadow_of(value))
            case torch.device():
                return torch.device(SHADOW, 0)
            case tuple() if not hasattr(value, "_fields"):
                return tuple(map(moved, value))
        left.append(value)
        return value

    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one  # held, so that no other object gets its number
        match one:
            case dict():
                items = [(moved(key), moved(value)) for key, value in one.items()]
                one.clear()
                one.update(items)
            case list():
                one[:] = map(moved, one)
            case types.FunctionType():
                for cell in one.__closure__ or ():
                    cell.cell_contents = moved(cell.cell_contents)
            case types.MethodType():
                left.append(one.__self__)
            case partial():
                left += [one.func, *one.args, *one.keywords.values()]
            case str() | type() | types.ModuleType() | types.BuiltinFunctionType() | torch.Generator():
                pass
            case ExpectedComplexity() | Rounding():
                pass
            case _:
                for name, value in getattr(one, "__dict__", {}).items():
                    if not (isinstance(one, DECIDING) and _is_exact(value)):
                        object.__setattr__(one, name, moved(value))


def tried(companion: CompanionOf, model: str, batch_size: int = 32, **training: Any) -> Tried:
    """Train an epoch on the device, and evaluate until an evaluation is recorded."""
    result = Tried()
    with TemporaryDirectory() as folder:
        trial = a_trial(Path(folder), model, subset=220, batch_size=batch_size, weight_decay=1e-3, **training)
        trial.optimizer = optimizer_for(trial.model, trial.spec.training)
        acting, batches = companion(trial), device_batches(trial)
        trial.optimizer.register_step_post_hook(lambda *_: trial.masks.apply())
        task, exact = trial.task, torch.float32
        data, validation = trial.dataset, trial.dataset.validation
        with shadowed() as values:
            move(trial, acting, batches, validation)
            batches._device = SHADOW
            recorder = Shadow(values, result)
            steps = CapturedSteps(recorder, lambda: trial.masks.pattern)
            rate = partial(falling_rate, 0)
            train_epoch(
                trial.model, batches, trial.optimizer, rate, task=task, precision=exact, companion=acting, steps=steps
            )
            judging = CapturedJudging(recorder, lambda: None)
            for _ in range(2):
                evaluate(
                    trial.model,
                    validation,
                    data.mean,
                    data.std,
                    batch_size=10,
                    task=task,
                    precision=exact,
                    judging=judging,
                )
    return result


@contextmanager
def shadowed() -> Iterator[Values]:
    """Let tensors of the device be made, and yield what answers for them."""
    values = Values()
    with FakeTensorMode(allow_non_fake_inputs=True), Copies(values), values:
        yield values


class Reading(Companion):
    """Reads a number back, though it says that its steps are all the same."""

    acts = Acts(before_step=Act.SAME)

    def __init__(self, trial: LiveTrial) -> None:
        self._model = trial.model

    def before_step(self) -> None:
        weight = next(iter(self._model.parameters()))
        assert weight.grad is not None
        if float(weight.grad.norm()) > 0:
            weight.grad.mul_(2)


class Making(Reading):
    """Makes a tensor where the host is."""

    def before_step(self) -> None:
        weight = next(iter(self._model.parameters()))
        assert weight.grad is not None
        weight.grad.mul_(torch.full((), 2.0))


class Sending(Reading):
    """Sends a number of the host to the device."""

    def before_step(self) -> None:
        weight = next(iter(self._model.parameters()))
        assert weight.grad is not None
        weight.grad.mul_(torch.tensor(2.0, device=weight.device))


FAULTY: Final[Mapping[str, CompanionOf]] = {"reading": Reading, "making": Making, "sending": Sending}


def main() -> None:
    """Print what was tried of every way to train."""
    torch.set_num_threads(1)
    backend_registration._setup_privateuseone_for_python_backend(SHADOW, Module())
    ways = {name: during for name, during in DURING.items() if name not in NEED_VALUES}
    each = {name: tried(doing(way), "digits_cnn") for name, way in ways.items() if not isinstance(way, Gating)}
    each |= {
        name: tried(doing(replace(way, warmup=1.0)), "resnet20", batch_size=10)  # gates rest: no value is needed
        for name, way in ways.items()
        if isinstance(way, Gating)
    }
    each |= {network: tried(alone, network) for network in NETWORKS}
    each["adamw"] = tried(alone, "digits_cnn", optimizer="adamw")
    each["rate of the readout"] = tried(alone, "digits_cnn", readout_lr=0.5)
    each |= {name: tried(companion, "digits_cnn") for name, companion in FAULTY.items()}
    print(json.dumps({name: asdict(one) for name, one in each.items()}))


def _is_on_host(*values: object) -> bool:
    return any(tensor.device.type != SHADOW for tensor in tree_leaves(values) if isinstance(tensor, Tensor))


def _is_exact(value: object) -> bool:
    return any(isinstance(one, Tensor) and one.dtype == torch.float64 for one in tree_leaves(value))


def _is_shadow(device: str | torch.device | None) -> bool:
    return device is not None and torch.device(device).type == SHADOW


def _destination(*args: Any, **kwargs: Any) -> tuple[torch.device | None, torch.dtype | None]:
    """Return the device and the type that arguments of `Tensor.to` name."""
    if args and isinstance(args[0], Tensor):
        return args[0].device, args[0].dtype
    device, dtype, *_ = torch._C._nn._parse_to(*args, **{key: kwargs[key] for key in kwargs if key != "copy"})
    return device, dtype


if __name__ == "__main__":
    main()
