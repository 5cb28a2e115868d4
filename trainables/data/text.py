"""A text file, character by character: blocks of characters, and for each the character that follows it.

Importing this does not import torch.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trainables.data.source import Facts, Usual, no_images, required_root
from trainables.data.table_files import fingerprint
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

if TYPE_CHECKING:
    from trainables.data.images import Images, Published

CONTEXT: Final = 64
"""How many characters a block has, unless the study says otherwise."""

LARGEST: Final = 256
"""How many different characters a text may have: a character is a byte in memory."""


@dataclass(frozen=True, kw_only=True)
class TextSource:
    """A text file in UTF-8, divided into three contiguous parts: training, validation, and test at the end.

    A part is cut into blocks of ``options.context`` characters. A block is an image (1, 1, context) of the numbers of
    its characters, as `vocabulary` has them, and its labels are the same characters one further.
    """

    keys: frozenset[str] = frozenset({"root", "options", "test"})

    def check(self, spec: DataSpec) -> None:
        """Look for the file, and at the options."""
        no_images(spec)
        for key, value in spec.options.items():
            if key != "context":
                raise InvalidValue(f"options.{key}", value, f"{spec.name} takes context, the characters of a block")
        context = spec.options.get("context", CONTEXT)
        if isinstance(context, bool) or not isinstance(context, int) or not 2 <= context <= 2**14:
            raise InvalidValue("options.context", context, f"must be a whole number from 2 to {2**14}")
        self._file(spec)

    def fetch(self, spec: DataSpec) -> None:
        """Return, for a file is there or is not."""

    def facts(self, spec: DataSpec) -> Facts:
        """Read the text, for its characters must be known."""
        context = _context(spec)
        return Facts(len(self._vocabulary(spec, self._text(spec))), (1, 1, context), target=(context,))

    def open(self, spec: DataSpec) -> "Published":
        """Read the text."""
        from trainables.data.images import Published

        text = self._text(spec)
        known = self._vocabulary(spec, text)
        train, validation, test = (_blocks(part, known, _context(spec)) for part in divided(text, spec))
        return Published(len(known), train, validation, test, normalised=False)

    def fingerprint(self, spec: DataSpec) -> object:
        """Return the options, and path, size and time of the file."""
        return fingerprint([self._file(spec)], spec)

    def augmentation(self, shape: tuple[int, int, int]) -> Usual:  # noqa: ARG002 - a source's
        """Change nothing."""
        return Usual(0, flip=False)

    def _file(self, spec: DataSpec) -> Path:
        file = Path(required_root(spec, "a text file")).expanduser()
        if not file.is_file():
            kind = "is a folder" if file.is_dir() else "is not there"
            raise InvalidValue("root", spec.root, f"{kind}; must be a text file in UTF-8")
        return file

    def _text(self, spec: DataSpec) -> str:
        try:
            return self._file(spec).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InvalidValue("root", spec.root, f"is no text in UTF-8 (byte {error.start})") from error

    def _vocabulary(self, spec: DataSpec, text: str) -> list[str]:
        known = vocabulary(text)
        if not 2 <= len(known) <= LARGEST:
            allowed = f"must have from 2 to {LARGEST} different characters, and has {len(known)}: replace rare ones"
            raise InvalidValue("root", spec.root, allowed)
        return known


def vocabulary(text: str) -> list[str]:
    """Return the characters of a text, sorted: the number of each is its place in this list."""
    return sorted(set(text))


def divided(text: str, spec: DataSpec) -> tuple[str, str, str]:
    """Return the training, validation and test parts of a text; raises InvalidValue if one has no block."""
    last = len(text) - round(spec.test * len(text))
    first = last - round(spec.validation * last)
    parts = text[:first], text[first:last], text[last:]
    for key, part in zip(("root", "validation", "test"), parts, strict=True):
        if len(part) <= _context(spec):
            value = {"root": spec.root, "validation": spec.validation, "test": spec.test}[key]
            allowed = f"leaves {len(part)} characters, and a block of {_context(spec)} needs one more than it has"
            raise InvalidValue(key, value, allowed)
    return parts


def _context(spec: DataSpec) -> int:
    return int(str(spec.options.get("context", CONTEXT)))


def _blocks(part: str, known: list[str], context: int) -> "Images":
    import torch

    from trainables.data.images import Held

    numbers = {character: number for number, character in enumerate(known)}
    characters = torch.tensor([numbers[character] for character in part], dtype=torch.uint8)
    count = (len(part) - 1) // context
    read, follow = (characters[start : start + count * context].view(count, context) for start in (0, 1))
    return Held(read[:, None, None], follow.long())
