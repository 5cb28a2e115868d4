"""Takes the images of batches from a split: from its device, or from mapped pages, a few batches ahead."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from torch import Tensor

from trainables.data.dataset import Split

AHEAD: Final = 4
"""How many batches a thread reads ahead, while the network trains on one."""

Pair = tuple[Tensor, Tensor]


def taken(split: Split, batches: Iterable[Tensor]) -> Iterator[Pair]:
    """Yield images and labels on the split's device for the numbers, int64 [B], of each batch."""
    if split.streams_to is None:
        return (_gathered(split, numbers) for numbers in batches)
    return _read_ahead(split, batches)


def _gathered(split: Split, numbers: Tensor) -> Pair:
    where = numbers.to(split.images.device)
    return split.images.index_select(0, where), split.labels.index_select(0, where)


def _read_ahead(split: Split, batches: Iterable[Tensor]) -> Iterator[Pair]:
    threads = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
    waiting: deque[Future[Pair]] = deque()
    try:
        for numbers in batches:
            waiting.append(threads.submit(_read, split, numbers))
            if len(waiting) > AHEAD:
                yield _moved(split, waiting.popleft())
        while waiting:
            yield _moved(split, waiting.popleft())
    finally:  # an epoch may be left early
        threads.shutdown(wait=False, cancel_futures=True)


def _read(split: Split, numbers: Tensor) -> Pair:
    images, labels = _gathered(split, numbers)
    on_gpu = split.device.type == "cuda"
    return (images.pin_memory(), labels.pin_memory()) if on_gpu else (images, labels)


def _moved(split: Split, read: Future[Pair]) -> Pair:
    images, labels = read.result()
    return images.to(split.device, non_blocking=True), labels.to(split.device, non_blocking=True)
