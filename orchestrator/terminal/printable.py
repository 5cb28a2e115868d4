"""What is printed holds no control code that came from a file: all output of the command line passes through here."""

import re
import sys
from collections.abc import Iterable
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

_COLOR: Final = re.compile(r"\x1b\[[0-9;]*m")
"""Changes of color, which programs write into their logs; they are left out."""

_LINE_END: Final = re.compile(r"\r\n?")

_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control codes but for the tab and the line end, marks that reverse the direction of writing, lone surrogates."""


def printable(text: str) -> str:
    """Return a text that is safe on a terminal: without colors, with other control codes spelled out (``\\x1b``)."""
    return _CONTROL.sub(_spelled, _LINE_END.sub("\n", _COLOR.sub("", text)))


def say(text: object, *, error: bool = False) -> None:
    """Print a line, on standard error if it is one."""
    stream = sys.stderr if error else sys.stdout
    encoding = stream.encoding or "utf-8"
    stream.write(f"{printable(str(text))}\n".encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


class PlainConsole(Console):
    """A console that leaves control codes out of whatever it draws; its own colors stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a renderable, as a `Console` does, without control codes in their text."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else _cleaned(segment)


def _cleaned(segment: Segment) -> Segment:
    if not _CONTROL.search(segment.text):
        return segment
    return Segment(_CONTROL.sub("", _COLOR.sub("", segment.text)), segment.style)


def _spelled(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
