"""A browser without a window, as the pictures of the documentation and the tests of pages start it."""

import os
import shutil
from typing import Final

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""The options of a browser that asks no other machine for anything by itself."""


def chromium() -> str | None:
    """Return the path of a browser: ESPALIER_CHROMIUM, or one that is installed; None if there is none."""
    return os.environ.get("ESPALIER_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
