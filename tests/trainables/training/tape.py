"""Records operations on a CPU as a CUDA graph does on a GPU: what was recorded runs again without Python.

Operations are noted as they reach the dispatcher, with the tensors and the numbers that they were given. Recording
leaves no trace in the tensors that were there before; what would make a GPU wait for the host cannot be recorded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trainables.training.recorder import Recorder, Result

ATEN = torch.ops.aten

WAITS = {
    ATEN._local_scalar_dense.default,
    ATEN.equal.default,
    ATEN.is_nonzero.default,
    ATEN.lift_fresh.default,  # of torch.tensor(number): on a GPU it is copied there
    ATEN.masked_select.default,
    ATEN.nonzero.default,
    ATEN._unique2.default,
}


class NoWaits(TorchDispatchMode):
    """Refuses operations for which the host of a GPU waits."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # TorchDispatchMode's has no annotations

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        by_mask = func is ATEN.index.Tensor and any(i is not None and i.dtype == torch.bool for i in args[1])
        if func in WAITS or by_mask:
            raise RuntimeError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


@dataclass(frozen=True)
class _Noted:
    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: dict[str, Any]
    made: list[Tensor]

    def run(self) -> None:
        again = _tensors(self.function(*self.args, **self.kwargs))
        for kept, result in zip(self.made, again, strict=True) if self.made else ():
            kept.copy_(result)


class _Noting(NoWaits):
    def __init__(self) -> None:
        super().__init__()
        self.noted: list[_Noted] = []
        self._before: list[tuple[Tensor, Tensor]] = []
        self._made: list[Tensor] = []  # held, so that no other tensor gets the memory of one
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = _tensors((args, kwargs))
        self._before += [(tensor, tensor.detach().clone()) for tensor in given if _memory(tensor) not in self._known]
        result = super().__torch_dispatch__(func, types, args, kwargs)
        fresh = [tensor for tensor in _tensors(result) if _memory(tensor) not in set(map(_memory, given))]
        changes = any(argument.alias_info is not None and argument.alias_info.is_write for argument in _arguments(func))
        if fresh or changes or not _tensors(result):
            self.noted.append(_Noted(func, args, kwargs or {}, fresh))
        self._made += fresh
        self._known |= set(map(_memory, fresh))
        return result

    @torch.no_grad()
    def undo(self) -> None:
        for tensor, value in reversed(self._before):
            tensor.copy_(value)


@dataclass
class Tape(Recorder):
    """A recorder of operations on a CPU; counts recordings and replays."""

    warmed: int = 0
    recorded: int = 0
    replayed: int = 0
    refuses: bool = field(default=False, kw_only=True)

    def warm_up(self, run: Callable[[], Result]) -> Result:
        self.warmed += 1
        return run()

    def record(self, run: Callable[[], None]) -> Callable[[], None]:
        if self.refuses:
            raise RuntimeError("this device records nothing")
        self.recorded += 1
        noting = _Noting()
        try:
            with noting:
                run()
        finally:
            noting.undo()

        @torch.no_grad()
        def replay() -> None:
            self.replayed += 1
            for noted in noting.noted:
                noted.run()

        return replay


def _tensors(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _arguments(func: Any) -> Sequence[Any]:
    arguments: Sequence[Any] = func._schema.arguments
    return arguments
