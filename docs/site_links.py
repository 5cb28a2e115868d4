"""Brings pages from outside docs/ into the site, and makes links to and from them lead to where they are there."""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
OUTSIDE = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "CITATION.cff": "CITATION.cff",
    "LICENSE": "LICENSE",
    "benchmarks/README.md": "benchmarks.md",
    "deploy/README.md": "deploy.md",
}
"""Files of the repository, and where they lie in the site."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside docs/."""
    for path, page in OUTSIDE.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Rewrite the links of a page that lead to or from a page outside docs/."""
    site = page.file.src_uri
    source = next((path for path, inside in OUTSIDE.items() if inside == site), f"docs/{site}")

    def rewritten(link: re.Match[str]) -> str:
        path, anchor = link[1], link[2] or ""
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        page_there = OUTSIDE.get(target, target.removeprefix("docs/"))
        page_there = "decisions/README.md" if page_there == "decisions" else page_there
        return f"]({posixpath.relpath(page_there, posixpath.dirname(site) or '.')}{anchor})"

    return re.sub(r"\]\((?!https?://|#)([^)#\s]+)(#[^)\s]*)?\)", rewritten, markdown)
