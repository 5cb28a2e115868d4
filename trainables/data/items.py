"""Images of map-style datasets and tensors of anybody: checked, and turned into uint8 [C, H, W]."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from trainables.data.decoding import is_grey, pixels_of
from trainables.data.images import Held, Images, fitted
from trainables.errors import InvalidValue

_LABELS = ("targets", "labels", "_labels", "y")
"""The attributes under which datasets keep their labels; read, because getting all items would decode all images."""


class Items:
    """The items (image, label) of a map-style dataset, read when they are taken.

    An image is one of Pillow's, or a tensor or array of bytes, or of floats in [0, 1]: [C, H, W], [H, W, C] for an
    array, or [H, W].
    """

    def __init__(self, dataset: Any, name: str, size: tuple[int, int] | None) -> None:
        self._dataset, self._name, self._size = dataset, name, size
        if len(dataset) == 0:
            raise InvalidValue("name", name, "has a part without images")
        image, _ = self._item(0)
        self._channels = 1 if isinstance(image, Image.Image) and is_grey(image) else 3
        channels, height, width = self._pixels(image, 0).shape
        self.shape, self.dtype = (channels, height, width), torch.uint8
        self.labels = checked_labels(self._known_labels() or self._read_labels(), name)
        self._check_first()

    def take(self, numbers: Sequence[int]) -> Tensor:
        """Return these images, uint8 [n, *shape]."""
        taken = torch.empty(len(numbers), *self.shape, dtype=torch.uint8)
        for place, number in enumerate(numbers):
            image, label = self._item(int(number))
            pixels = self._pixels(image, int(number))
            if tuple(pixels.shape) != self.shape:
                several = f"must be given, because the images have several sizes: item 0 of {self._name} has "
                raise InvalidValue(
                    "image_size", None, f"{several}{list(self.shape)}, item {number} {list(pixels.shape)}"
                )
            if whole_number(label) != int(self.labels[number]):
                raise self._wrong(int(number), f"gives the label {label!r}, and its list of labels says otherwise")
            taken[place] = pixels
        return taken

    def verify(self) -> None:
        """Return, for what is wrong with an item is raised when it is taken."""

    def _item(self, number: int) -> tuple[Any, Any]:
        try:
            item = self._dataset[number]
        except Exception as error:
            reason = str(error).partition("\n")[0]
            raise self._wrong(number, f"raised {type(error).__name__}: {reason}") from error
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise self._wrong(number, f"must be a pair (image, label), and is {_described(item)}")
        return item[0], item[1]

    def _pixels(self, image: Any, number: int) -> Tensor:
        try:
            if isinstance(image, Image.Image):
                return pixels_of(image, self._channels, self._size)
            return fitted(as_bytes(image)[None], self._size)[0]
        except ValueError as error:
            raise self._wrong(number, str(error)) from error

    def _known_labels(self) -> list[Any] | None:
        if getattr(self._dataset, "target_transform", None) is not None:
            return None
        for attribute in _LABELS:
            values = getattr(self._dataset, attribute, None)
            if isinstance(values, list | tuple | Tensor | np.ndarray) and len(values) == len(self._dataset):
                return list(values)
        return None

    def _read_labels(self) -> list[Any]:
        return [self._item(number)[1] for number in range(len(self._dataset))]

    def _check_first(self) -> None:
        """Read one item as training will, so that a wrong one is found at once."""
        self.take([0])

    def _wrong(self, number: int, what: str) -> InvalidValue:
        return InvalidValue("name", self._name, f"item {number} {what}")


def as_bytes(image: Any) -> Tensor:
    """Return a tensor or array as uint8 [C, H, W]; raises ValueError for one that is no image of bytes."""
    if isinstance(image, np.ndarray):
        tensor = torch.from_numpy(np.ascontiguousarray(image))
        tensor = tensor.permute(2, 0, 1) if tensor.ndim == 3 and tensor.shape[2] in (1, 3) else tensor
    elif isinstance(image, Tensor):
        tensor = image
    else:
        raise ValueError(f"must have an image of Pillow, a tensor or an array, and has {_described(image)}")
    tensor = tensor[None] if tensor.ndim == 2 else tensor
    if tensor.ndim != 3:
        raise ValueError(f"must have an image [C, H, W] or [H, W], and has {list(tensor.shape)}")
    return bytes_of(tensor)


def bytes_of(pixels: Tensor) -> Tensor:
    """Return pixels as uint8; raises ValueError unless they are bytes, or floats between 0 and 1."""
    if pixels.dtype == torch.uint8:
        return pixels.contiguous()
    if not pixels.is_floating_point():
        raise ValueError(f"must have pixels of uint8, or floats between 0 and 1, and has {pixels.dtype}")
    if not bool(((pixels >= 0) & (pixels <= 1)).all()):
        raise ValueError("must have floats between 0 and 1, not normalised ones: espalier normalises by channel")
    return (pixels * 255).round().to(torch.uint8)


def whole_number(label: Any) -> int | None:
    """Return a label as a number of a class, or None if it is not a whole number."""
    if isinstance(label, Tensor | np.generic | np.ndarray) and label.ndim == 0:
        label = label.item()
    return label if isinstance(label, int) and not isinstance(label, bool) else None


def checked_labels(labels: Sequence[Any], name: str) -> Tensor:
    """Return labels as int64 [N]; raises InvalidValue unless each is one whole number, at least 0."""
    numbers = []
    for place, label in enumerate(labels):
        if isinstance(label, list | tuple) or getattr(label, "ndim", 0) > 0:
            raise InvalidValue("name", name, f"item {place} has several labels; data must have one class an image")
        number = whole_number(label)
        if number is None:
            raise InvalidValue("name", name, f"item {place} has the label {label!r}, and it must be a whole number")
        if number < 0:
            raise InvalidValue("name", name, f"item {place} has the label {number}, and it must be at least 0")
        numbers.append(number)
    return torch.tensor(numbers, dtype=torch.int64)


def held(images: Tensor, labels: Tensor, name: str, size: tuple[int, int] | None) -> Images:
    """Return tensors, images [N, C, H, W] or [N, H, W] and labels [N], as images in memory."""
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or len(images) != len(labels) or labels.ndim != 1 or not len(images):
        shapes = f"{list(images.shape)} and {list(labels.shape)}"
        raise InvalidValue("name", name, f"must give images [N, C, H, W] with labels [N], and gave {shapes}")
    try:
        pixels = fitted(bytes_of(images), size)
    except ValueError as error:
        raise InvalidValue("name", name, str(error)) from error
    return Held(pixels, checked_labels(labels.tolist(), name))


def classes_of(dataset: Any, train: Images, others: Sequence[Images | None], name: str) -> int:
    """Return the number of classes: those that the dataset names, else one more than the largest training label.

    Raises InvalidValue for a label that lies out of range, and for a class without a training image.
    """
    named = getattr(dataset, "classes", None)
    count = len(named) if isinstance(named, list | tuple) and len(named) else int(train.labels.max()) + 1
    for part in (train, *others):
        if part is not None and int(part.labels.max()) >= count:
            place = int(part.labels.argmax())
            allowed = (
                f"item {place} has the label {int(part.labels[place])}, and there are {count} classes: 0 to {count - 1}"
            )
            raise InvalidValue("name", name, allowed)
    if count < 2:
        raise InvalidValue("name", name, "has one class only; there must be at least two")
    return count


def _described(value: Any) -> str:
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, tuple | list) else type(value).__name__
