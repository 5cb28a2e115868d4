"""Photograph espalier's pages: ``python -m docs.photographs STORE TWO OTHER THREE``, the names of three studies.

TWO and OTHER have the same two objectives, THREE has three.

The browser is ESPALIER_CHROMIUM, or a Chromium that is installed. Pictures have few colours, so that all of them stay
below a megabyte.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from PIL import Image
from rich.console import Console
from rich.text import Text

from docs.quiet_browser import QUIET, chromium

PICTURES = Path(__file__).parent / "gallery"
ESPALIER = Path(sys.executable).with_name("espalier")
WIDTH = 1400
COLOURS = 48
PATIENCE = 120.0
STILL = (*QUIET, "--hide-scrollbars", "--virtual-time-budget=15000")
"""The options of a browser that ends when the page stands."""


def typed(*words: str | Path) -> str:
    """Return what a command prints."""
    return subprocess.run([ESPALIER, *words], capture_output=True, text=True, check=True).stdout


def photograph(name: str, address: str, height: int, width: int = WIDTH) -> None:
    """Write PICTURES/NAME.png: the top of a page, as a browser without a window draws it."""
    picture, browser = PICTURES / f"{name}.png", chromium()
    if browser is None:
        sys.exit("there is no Chromium: install one, or name it by ESPALIER_CHROMIUM")
    with tempfile.TemporaryDirectory() as profile:
        options = [f"--user-data-dir={profile}", f"--window-size={width},{height}", f"--screenshot={picture}"]
        subprocess.run([browser, *STILL, *options, address], capture_output=True, timeout=PATIENCE, check=True)
    with Image.open(picture) as drawn:
        few = drawn.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(picture, optimize=True)


def as_page(text: str, folder: Path) -> str:
    """Return the address of a page that shows what a terminal shows."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=160, file=nowhere)
        console.print(Text(text))
    page = folder / "terminal.html"
    console.save_html(str(page), inline_styles=True)
    return page.as_uri()


def wait_for(address: str) -> None:
    """Return as soon as a server answers."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urlopen(address):
                return
        except URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def two_free_ports() -> int:
    """Return a port that is free, with the one after it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def live_pages(store: Path, study: str) -> None:
    """Photograph what `espalier ui` serves: the study and a trial."""
    port = two_free_ports()
    server = subprocess.Popen([ESPALIER, "ui", "--store", store, "--port", str(port)], stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/studies/{study}"
        wait_for(address)
        photograph("live-study", address, 1000)
        photograph("live-trial", f"{address}/trials/1", 1000)
    finally:
        server.terminate()
        server.wait(PATIENCE)


def main(store: Path, two: str, other: str, three: str) -> None:
    """Make all pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, study in {"report-two-objectives": two, "report-three-objectives": three}.items():
            typed("report", study, "--store", store, "--output", folder / f"{name}.html")
            photograph(name, (folder / f"{name}.html").as_uri(), 1900)
        typed("compare", two, other, "--store", store, "--output", folder / "compare.html")
        photograph("compare", (folder / "compare.html").as_uri(), 1500)
        photograph("terminal", as_page(typed("front", two, "--store", store, "--plot"), folder), 850, 1600)
    live_pages(store, two)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(f"four arguments are needed:\n{__doc__}")
    main(Path(sys.argv[1]), *sys.argv[2:])
