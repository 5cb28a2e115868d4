"""The pages of the documentation, and the fenced blocks in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks/README.md", ROOT / "deploy/README.md"]
)
FENCE = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n)?^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$",
    flags=re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block; `reason` says why it cannot be run, as a comment before it does: `<!-- not run: REASON -->`."""

    page: Path
    line: int
    language: str
    text: str
    reason: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks_of(page: Path) -> Iterator[Block]:
    """Yield a page's blocks in their order."""
    text = read(page)
    for fence in FENCE.finditer(text):
        line = text.count("\n", 0, fence.start("language")) + 1
        yield Block(page, line, fence["language"], fence["text"], fence["reason"])


def blocks(page: Path, *languages: str) -> list[str]:
    """Return the texts of a page's blocks in these languages."""
    return [block.text for block in blocks_of(page) if block.language in languages]
