"""Compiles the network of training steps where that pays, and falls back to the network as it is written."""

import logging
import os
import platform
import tempfile
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from operator import le
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn

from trainables import parallel
from trainables.data.batches import Batches
from trainables.spec import Compile
from trainables.training.logits import Network
from trainables.training.step import Rate, Step, Steps

LOG = logging.getLogger(__name__)

COST: Final = 30.0
"""The most seconds that compiling a network took on an H200: 15 to 30."""

GAIN: Final = 0.2
"""The share of a step's seconds that is saved at least: 0.22 to 0.23 of captured steps of ResNet-20 and -56 there."""

MOST: Final = 3
"""How many networks ``auto`` compiles in a stage, in which a method may change the network again and again."""

CLOSE: Final = {torch.float32: (0.001, 0.1), torch.bfloat16: (0.5, 2.0)}
"""How far outputs, and gradients, may lie from those of the network as it is written: shares of their norms.

Rounding alone, as between two layouts, moves outputs of networks at their start by up to 3e-5 and gradients by up to
0.017 in float32 (MobileNetV2, 16 images of CIFAR-10's shape); bfloat16 moves them by up to 0.12 and 1.06.
"""

_PLAINLY: Final = "steps run the network as it is written: %s"

CACHE: Final = "TORCHINDUCTOR_CACHE_DIR"
THREADS: Final = "TORCHINDUCTOR_COMPILE_THREADS"


def is_wanted(mode: Compile, device: str, left: float) -> bool:
    """Return whether a network is compiled on a kind of device, such as ``"cuda"``.

    `left` are the seconds that the rest of the stage takes without, 0 if that is not known yet. ``auto`` never compiles
    on a CPU, where the same seed gives the same bits, and `left` is a matter of the clock.
    """
    return mode == "always" or (mode == "auto" and device == "cuda" and left * GAIN > COST)


def inductor(network: nn.Module) -> Network:
    """Compile a network as a whole, for one shape of batches, with the random numbers of the network as it is written.

    What was compiled before is forgotten: torch compiles a function for eight networks at most, and then no more.
    """
    from torch._inductor import config  # the name under which torch documents it

    if _is_left_to_torch(os.environ.get(CACHE)):
        folder = cache_folder()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.environ[CACHE] = str(folder)
    if THREADS not in os.environ:
        config.compile_threads = torch.get_num_threads()  # else each trial starts one process for every processor
    torch.compiler.reset()
    return torch.compile(network, fullgraph=True, dynamic=False, options={"fallback_random": True})


def cache_folder() -> Path:
    """Return the folder in which the user's trials on this machine find what others of them have compiled.

    It holds programs that are run. torch's own default lies where other users can write, and a store may come from
    somebody else. Home folders may be shared by machines with other processors.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "espalier" / "compiled" / (platform.node() or "machine")


def _is_left_to_torch(folder: str | None) -> bool:
    """Return whether nobody has chosen a folder: torch itself writes its default into the environment early on."""
    return folder is None or folder.startswith(os.path.join(tempfile.gettempdir(), "torchinductor_"))


class CompiledSteps:
    """Takes the steps of a stage's epochs with a compiled network, as `steps` takes them.

    It is compiled anew where the network has other modules or shapes. `left` gives the seconds for which the stage
    will train without; `compiled` compiles a network, at its first batch.
    """

    def __init__(
        self,
        steps: Steps,
        mode: Compile,
        left: Callable[[], float],
        compiled: Callable[[nn.Module], Network] = inductor,
    ) -> None:
        self._steps, self._mode, self._left, self._compile = steps, mode, left, compiled
        self._shape: Hashable = None
        self._made: CompiledNetwork | None = None
        self._count = 0
        self._said: str | None = None

    def __call__(self, step: Step, batches: Batches, rate: Rate, skip: int) -> list[Tensor]:
        """Take the steps of an epoch from number `skip` on; return tensors that add up to the sum of their losses."""
        if self._mode == "never" or not isinstance(step.network, nn.Module):
            return self._steps(step, batches, rate, skip)
        network = self._compiled(step.network, step.precision, batches) or step.network
        return self._steps(replace(step, network=network), batches, rate, skip)

    def _compiled(self, network: nn.Module, precision: torch.dtype, batches: Batches) -> "CompiledNetwork | None":
        shape = structure(network), precision
        if shape != self._shape:
            self._shape, self._made = shape, None
        if self._made is None and is_wanted(self._mode, batches.device.type, self._left()):
            refusal = self._refusal()
            if refusal is None:
                self._count += 1
                self._made = CompiledNetwork(network, self._compile, batches.images(0), precision)
            elif refusal != self._said:
                LOG.info(_PLAINLY, refusal)
                self._said = refusal
        return self._made

    def _refusal(self) -> str | None:
        if parallel.size() > 1:
            return "several processes train it together"
        return f"it has changed {MOST} times in a stage" if self._mode == "auto" and self._count == MOST else None


class CompiledNetwork:
    """Computes what a network does: by what was compiled of it for batches of so many `images`, and plainly for others.

    At the first such batch outputs and gradients of both are compared; where they differ, where compiling fails, and as
    long as hooks act on its modules, which compiled code would not notice when they change, it is the network itself.
    """

    def __init__(
        self, network: nn.Module, compiled: Callable[[nn.Module], Network], images: int, precision: torch.dtype
    ) -> None:
        self._network, self._compile, self._images, self._precision = network, compiled, images, precision
        self._modules = list(network.modules())
        self._compiled: Network | None = None
        self.refusal: str | None = None
        self._said: str | None = None

    def __call__(self, inputs: Tensor) -> Tensor:
        """Return the outputs for inputs [B, C, H, W]."""
        if self.refusal is not None or len(inputs) != self._images or not self._network.training:
            return self._plain(inputs)
        if _are_hooked(self._modules):
            self._say("hooks act on its modules")
            return self._plain(inputs)
        try:
            return self._found(inputs)(inputs)
        except Exception as error:  # noqa: BLE001 - compilers raise anything; an error of the network comes again below
            self.refusal = _short(error)
            self._say(self.refusal)
            return self._plain(inputs)

    def _plain(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self._network(inputs)
        return outputs

    def _found(self, inputs: Tensor) -> Network:
        """Return what is compiled, after compiling and comparing it if it is the first time."""
        if self._compiled is None:
            begin = time.perf_counter()
            compiled = self._compile(self._network)
            expected, found = (_computed(run, self._network, inputs) for run in (self._plain, compiled))
            outputs, gradients = distance(expected[:1], found[:1]), distance(expected[1:], found[1:])
            if not all(map(le, (outputs, gradients), CLOSE[self._precision])):
                off = f"its outputs are off by {outputs:.1e} of their norm, its gradients by {gradients:.1e}"
                raise RuntimeError(f"compiled, {off}")
            self._compiled = compiled
            LOG.info("compiled the network in %.1f seconds", time.perf_counter() - begin)
        return self._compiled

    def _say(self, why: str) -> None:
        if why != self._said:
            LOG.info(_PLAINLY, why)
            self._said = why


def structure(network: nn.Module) -> Hashable:
    """Return what equals itself as long as a network has the same modules, and parameters of the same shapes."""
    modules = tuple(map(id, network.modules()))
    return modules, tuple((name, p.shape, p.stride(), p.requires_grad) for name, p in network.named_parameters())


@torch.no_grad()
def distance(expected: Sequence[Tensor], found: Sequence[Tensor]) -> float:
    """Return how far tensors lie from those expected, all together: a share of their norm, NaN if a number is none.

    Of zeros, as the outputs of a network whose last layer begins with them, equal ones lie at 0.
    """
    apart = torch.stack([(one.float() - other.float()).norm() for one, other in zip(expected, found, strict=True)])
    sizes = torch.stack([one.float().norm() for one in expected])
    return float(apart.norm() / sizes.norm().clamp_min(torch.finfo(torch.float32).tiny))


def _computed(run: Network, network: nn.Module, inputs: Tensor) -> list[Tensor]:
    """Return a run's outputs, and the gradients of a weighted sum of them; the network stays as it is."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    devices = [inputs.device] if inputs.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), _buffers_kept(network):
        outputs = run(inputs)
        weights = torch.linspace(-1, 1, outputs.numel(), device=outputs.device).reshape(outputs.shape)
        total = (outputs.float() * weights).sum()
        slopes = torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True)
    torch.clear_autocast_cache()  # it holds narrow weights whose way back to the weights is used up
    return [outputs.detach(), *slopes]


@contextmanager
def _buffers_kept(network: nn.Module) -> Iterator[None]:
    """Give a network back the running statistics that it has now."""
    kept = [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, before in kept:
                buffer.copy_(before)


def _short(error: Exception) -> str:
    """Return the beginning of what an error says; torch's first line may only say that there is one."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]


def _are_hooked(modules: Sequence[nn.Module]) -> bool:
    """Return whether hooks act on modules; torch has no public way to ask."""
    return any(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks for module in modules)
