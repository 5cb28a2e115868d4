"""Sources of images by name. Does not import torch.

A name is a dataset's own (``cifar10``), ``folder``, ``imagenet``, ``table``,
``tabular`` or ``text``, one of torchvision's
(``torchvision/SVHN``), a reference (``my_package.data:build``), or one that another package provides under the
entry-point group ``espalier.data``.
"""

from importlib.metadata import entry_points
from typing import Final

from trainables.data.folder import FolderSource
from trainables.data.published import PUBLISHED
from trainables.data.reference import GROUP, ReferenceSource
from trainables.data.source import Source
from trainables.data.table import TableSource
from trainables.data.tabular import TabularSource
from trainables.data.text import TextSource
from trainables.data.torchvision_sets import PREFIX, LibrarySource
from trainables.errors import check_name

_OWN: Final[dict[str, Source]] = {
    **PUBLISHED,
    "folder": FolderSource(),
    "imagenet": FolderSource(imagenet=True),
    "table": TableSource(),
    "tabular": TabularSource(),
    "text": TextSource(),
}


def names() -> tuple[str, ...]:
    """Return the names of our own sources."""
    return tuple(_OWN)


def find(name: str) -> Source:
    """Return the source of a name; raises InvalidValue if there is none."""
    if name in _OWN:
        return _OWN[name]
    if name.startswith(PREFIX):
        return LibrarySource(name.removeprefix(PREFIX))
    if ":" in name or name in entry_points(group=GROUP).names:
        return ReferenceSource(name)
    known = (*_OWN, *entry_points(group=GROUP).names, PREFIX + "<NAME>", "<package.module>:<function>")
    check_name("name", name, known)
    raise AssertionError(name)  # check_name has refused it
