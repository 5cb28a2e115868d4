"""Takes the images of batches from a split: from its device, or from mapped pages that are read ahead."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from torch import Tensor

from trainables.data.dataset import Split

AHEAD: Final = 4
"""How many batches a thread reads ahead, while the network trains on one."""

PAGE: Final = 4096
"""The bytes of a page of memory."""

Pair = tuple[Tensor, Tensor]


def taken(split: Split, batches: Iterable[Tensor]) -> Iterator[Pair]:
    """Yield images and labels on the split's device for the numbers, int64 [B], of each batch."""
    if split.streams_to is None:
        return (gathered(split, numbers) for numbers in batches)
    return _read_ahead(split, batches)


def gathered(split: Split, numbers: Tensor) -> Pair:
    """Return images and labels for numbers, int64 [B], from where the split lies."""
    where = numbers.to(split.images.device)
    return split.images.index_select(0, where), split.labels.index_select(0, where)


def _read_ahead(split: Split, batches: Iterable[Tensor]) -> Iterator[Pair]:
    prepare, finish = (_pinned, _moved) if split.device.type == "cuda" else (_touched, _gathered_now)
    threads = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
    waiting: deque[tuple[Tensor, Future[Pair | None]]] = deque()
    try:
        for numbers in batches:
            waiting.append((numbers, threads.submit(prepare, split, numbers)))
            if len(waiting) > AHEAD:
                yield finish(split, *waiting.popleft())
        while waiting:
            yield finish(split, *waiting.popleft())
    finally:  # an epoch may be left early
        threads.shutdown(wait=False, cancel_futures=True)


def _touched(split: Split, numbers: Tensor) -> None:
    """Read a pixel of each page of these images, so that all of it is in memory; costs little if it is already."""
    split.images.flatten(1)[:, ::PAGE].index_select(0, numbers)


def _gathered_now(split: Split, numbers: Tensor, read: Future[Pair | None]) -> Pair:
    read.result()
    return gathered(split, numbers)


def _pinned(split: Split, numbers: Tensor) -> Pair:
    images, labels = gathered(split, numbers)
    return images.pin_memory(), labels.pin_memory()


def _moved(split: Split, numbers: Tensor, read: Future[Pair | None]) -> Pair:
    images, labels = read.result() or gathered(split, numbers)
    return images.to(split.device, non_blocking=True), labels.to(split.device, non_blocking=True)
