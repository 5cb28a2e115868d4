"""Data of anybody: a function, named by where it is, that is annotated as what builds datasets or tensors.

Nothing else is called: a study file, or a store of other people, could name any function of any library. Importing this
does not import torch.
"""

import hashlib
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from trainables.data.source import Facts, Usual, an_eighth, check_shares
from trainables.errors import InvalidValue
from trainables.references import called, check_form, factory_of, is_reference
from trainables.spec import DataSpec

if TYPE_CHECKING:
    from trainables.data.images import Images, Published

GROUP: Final = "espalier.data"
"""The entry points under which other packages provide data."""

_ANNOTATED: Final = (
    "must be annotated as what builds data: `def build(...) -> Dataset`, or a tuple of datasets or tensors"
)

_SAMPLES: Final = 16
"""How many images of a part enter the key of the copy that processes share."""


@dataclass(frozen=True)
class ReferenceSource:
    """A function that returns a map-style dataset, or (train, test) or (train, validation, test) of them.

    Tensors will do, too: (images, labels), with two more for test images, or four for validation and test images. It
    is given `options`, and `root` and `download` if it has parameters of these names.
    """

    name: str
    keys: frozenset[str] = frozenset({"root", "download", "options", "test"})

    def check(self, spec: DataSpec) -> None:  # noqa: ARG002 - a source's
        """Check the form of a reference only: importing it runs its author's code."""
        if is_reference(self.name):
            check_form(self.name, "a function that returns a torch Dataset, or several")

    def fetch(self, spec: DataSpec) -> None:
        """Return, for the function gets what it needs."""

    def facts(self, spec: DataSpec) -> Facts:
        """Call the function, and look at one image."""
        published = self.open(spec)
        return Facts(published.classes, published.train.shape)

    def open(self, spec: DataSpec) -> "Published":
        """Call the function; images of datasets are taken from them later."""
        from trainables.data.images import Published
        from trainables.data.items import classes_of

        given = self._call(spec)
        first, parts = self._parts(given, spec)
        train, *others = parts
        validation, test = others if len(others) == 2 else (None, *others) if others else (None, None)
        for other in others:
            if other.shape != train.shape:
                allowed = f"must give images of one shape, and gave {list(train.shape)} and {list(other.shape)}"
                raise InvalidValue("name", self.name, allowed)
        count = classes_of(first, train, others, self.name)
        if validation is None:
            check_shares(spec, count, len(train.labels))
        return Published(count, train, validation, test)

    def fingerprint(self, spec: DataSpec) -> object:
        """Hash the labels and some images of each part, for nothing else is known of them."""
        published, digest = self.open(spec), hashlib.sha256()
        for part in (published.train, published.validation, published.test):
            if part is not None:
                digest.update(part.labels.numpy().astype("<i8").data)
                count = len(part.labels)
                numbers = sorted({number * (count - 1) // (_SAMPLES - 1) for number in range(_SAMPLES)})
                digest.update(part.take(numbers).numpy().data)
        return [sorted((key, str(value)) for key, value in spec.options.items()), spec.root, digest.hexdigest()]

    def augmentation(self, shape: tuple[int, int, int]) -> Usual:
        """Mirror nothing, for nothing is known of what is seen."""
        return an_eighth(shape, flip=False)

    def _parts(self, given: Any, spec: DataSpec) -> tuple[Any, list["Images"]]:
        """Return the first dataset, and the images of all parts."""
        from torch import Tensor
        from torch.utils.data import Dataset

        from trainables.data.items import Items, held

        values = list(given) if isinstance(given, tuple | list) else [given]
        if values and all(isinstance(value, Tensor) for value in values) and len(values) in (2, 4, 6):
            pairs = zip(values[::2], values[1::2], strict=True)
            return None, [held(images, labels, self.name, spec.size) for images, labels in pairs]
        if not 1 <= len(values) <= 3 or not all(isinstance(value, Dataset) for value in values):
            kinds = ", ".join(type(value).__name__ for value in values)
            allowed = f"must return a torch Dataset, two or three of them, or 2, 4 or 6 tensors, and returned {kinds}"
            raise InvalidValue("name", self.name, allowed)
        for value in values:
            if not hasattr(value, "__len__") or not hasattr(type(value), "__getitem__"):
                raise InvalidValue(
                    "name", self.name, f"must return datasets with a length; {type(value).__name__} has none"
                )
        return values[0], [Items(value, self.name, spec.size) for value in values]

    def _call(self, spec: DataSpec) -> Any:
        factory = factory_of(self.name, GROUP, _are_data, _ANNOTATED)
        offered = {"root": spec.root, "download": spec.download}
        known = {key: value for key, value in offered.items() if value is not None}
        return called(self.name, factory, known, spec.options)


def _are_data(kind: Any) -> bool:
    """Return whether a type is one of datasets or tensors, or a tuple of them."""
    if get_origin(kind) is tuple:
        return all(_is_data(get_origin(each) or each) for each in get_args(kind) if each is not Ellipsis)
    return _is_data(get_origin(kind) or kind)


def _is_data(kind: Any) -> bool:
    from torch import Tensor
    from torch.utils.data import Dataset

    return inspect.isclass(kind) and issubclass(kind, Dataset | Tensor)
