"""Classification sets of torchvision by their names. Importing this does not import torch."""

import hashlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trainables.data.source import Facts, Usual, an_eighth, check_shares
from trainables.errors import InvalidValue, check_name
from trainables.spec import DataSpec

if TYPE_CHECKING:
    from trainables.data.images import Images, Published

PREFIX: Final = "torchvision/"

_SPLITS: Final = (("train",), ("val", "valid"), ("test",))
"""What torchvision calls the training, validation and test images of a set, where it has them."""


@dataclass(frozen=True)
class LibrarySource:
    """A set of torchvision, such as SVHN; `options` go to what builds it."""

    name: str

    @property
    def keys(self) -> frozenset[str]:
        """Whether it has a test split, only torchvision knows."""
        return frozenset({"root", "download", "options", "test"})

    def check(self, spec: DataSpec) -> None:
        """Look for the set, its options, and a root; imports torchvision."""
        takes = self._takes()
        if spec.root is None and "root" in takes:
            raise InvalidValue("root", None, f"must name the folder that contains, or will contain, {self.name}")
        for option, value in spec.options.items():
            if option not in takes or option in _OURS:
                options = ", ".join(sorted(set(takes) - _OURS)) or "no options"
                raise InvalidValue(f"options.{option}", value, f"{spec.name} takes {options}")

    def fetch(self, spec: DataSpec) -> None:
        """Download the set if it is not there; one process at a time."""
        if not spec.download or spec.root is None or "download" not in self._takes():
            return
        from filelock import FileLock

        root = Path(spec.root).expanduser()
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{self.name}.lock"):
            try:
                self._parts(spec)
            except InvalidValue:
                self._parts(spec, download=True)

    def facts(self, spec: DataSpec) -> Facts:
        """Open the set, which is downloaded first if it may be, and look at one image."""
        self.fetch(spec)
        published = self.open(spec)
        return Facts(published.classes, published.train.shape)

    def open(self, spec: DataSpec) -> "Published":
        """Return the splits that the set has; its images are decoded when they are taken."""
        from trainables.data.images import Published
        from trainables.data.items import Items, classes_of

        datasets = self._parts(spec)
        parts: list[Images | None] = [None if each is None else Items(each, spec.name, spec.size) for each in datasets]
        train, validation, test = parts
        assert train is not None
        count = classes_of(datasets[0], train, (validation, test), spec.name)
        if validation is None:
            check_shares(spec, count, len(train.labels))
        return Published(count, train, validation, test)

    def fingerprint(self, spec: DataSpec) -> object:
        """Hash names, sizes and times of all files that may be the set's."""
        if spec.root is None:
            return None
        root, digest = Path(spec.root).expanduser(), hashlib.sha256()
        own = [path for path in root.iterdir() if self._may_be_own(path.name)] or [root]
        for path in sorted(file for each in own for file in ([each] if each.is_file() else each.rglob("*"))):
            if path.is_file() and not path.name.startswith("."):
                stat = path.stat()
                digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
        return [sorted((key, str(value)) for key, value in spec.options.items()), digest.hexdigest()]

    def _may_be_own(self, name: str) -> bool:
        return name.lower().replace("-", "").replace("_", "").startswith(self.name.lower())

    def augmentation(self, shape: tuple[int, int, int]) -> Usual:
        """Mirror nothing: these may be house numbers or traffic signs."""
        return an_eighth(shape, flip=False)

    def _parts(self, spec: DataSpec, *, download: bool = False) -> list[Any]:
        """Return the training, validation and test images; None for those that the set does not have."""
        takes = self._takes()
        if "train" in takes:
            return [self._part(spec, download, train=True), None, self._part(spec, download, train=False)]
        if "split" not in takes or "split" in spec.options:
            return [self._part(spec, download), None, None]
        known = [self._split(spec, download, names) for names in _SPLITS]
        if known[0] is None:
            raise InvalidValue("name", spec.name, "has no split called train; set options: {split: ...}")
        return known

    def _split(self, spec: DataSpec, download: bool, names: tuple[str, ...]) -> Any:
        for name in names:
            try:
                return self._part(spec, download, split=name)
            except ValueError as error:
                if isinstance(error, InvalidValue):
                    raise
        return None

    def _part(self, spec: DataSpec, download: bool, **chosen: Any) -> Any:
        takes = self._takes()
        given = {"root": str(Path(spec.root or "").expanduser()), "download": download}
        offered = {key: value for key, value in given.items() if key in takes}
        try:
            return self._built()(**offered, **spec.options, **chosen)
        except (RuntimeError, OSError) as error:
            reason = str(error).partition("\n")[0]
            allowed = f"holds no whole {self.name} ({reason}); set download: true to download it there"
            raise InvalidValue("root", spec.root, allowed) from error
        except TypeError as error:
            raise InvalidValue("name", spec.name, f"cannot be opened: {error}") from error

    def _takes(self) -> dict[str, inspect.Parameter]:
        return dict(inspect.signature(self._built()).parameters)

    def _built(self) -> Any:
        from trainables.vision import torchvision

        known = torchvision.datasets
        sets = [name for name in known.__all__ if self._is_a_set(getattr(known, name))]
        check_name("name", PREFIX + self.name, [PREFIX + name for name in sets])
        return getattr(known, self.name)

    @staticmethod
    def _is_a_set(candidate: Any) -> bool:
        from trainables.vision import torchvision

        known = torchvision.datasets
        if not inspect.isclass(candidate) or not issubclass(candidate, known.VisionDataset):
            return False
        bases = (known.VisionDataset, known.DatasetFolder, known.ImageFolder)
        return candidate not in bases and "annFile" not in inspect.signature(candidate).parameters


_OURS: Final = frozenset({"root", "download", "train", "transform", "target_transform", "transforms", "loader"})
