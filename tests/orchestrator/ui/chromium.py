"""A headless Chromium of this machine, driven over a pipe by its DevTools protocol."""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from docs.quiet_browser import QUIET

PATIENCE: Final = 120.0
GONE: Final = ("Inspected target navigated or closed", "Execution context was destroyed", "Cannot find context")
"""How the protocol's errors begin when a page went away before the script that was asked of it had answered."""


class PageGone(Exception):
    """The page that was asked has been left for another one."""


class Tab:
    """A page in a browser."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = os.fdopen(commands, "wb"), os.fdopen(answers, "rb")
        self._number, self._session = 0, ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def open(self, address: str) -> None:
        """Go to an address, and wait until the page has its style and scripts."""
        self._call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def evaluate(self, script: str) -> Any:
        """Return what an expression gives in the page."""
        return self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)["result"].get(
            "value"
        )

    def wait(self, script: str) -> Any:
        """Return what an expression gives in the page, a number or whether, as soon as that is not 0 or false.

        The page may be left for another one meanwhile: then that one is asked.
        """
        deadline = time.monotonic() + PATIENCE
        later = f"new Promise((done) => setTimeout(() => done({script}), 50))"
        while not (value := self._evaluated_unless_left(later)):
            assert time.monotonic() < deadline, (
                f"{script} is never true; the page says {self._evaluated_unless_left('document.body.innerText')}"
            )
        return value

    def point(self, script: str) -> None:
        """Move the mouse to the middle of the element that an expression gives."""
        x, y = self.evaluate(f"(({script}).scrollIntoView({{block: 'center'}}), middle({script}))")
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key)

    def save_downloads(self, folder: Path) -> None:
        """Let downloads go into a folder, under their own names."""
        self._call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def close(self) -> None:
        """End the browser."""
        self._session = ""
        self._call("Browser.close")
        self._commands.close()
        self._answers.close()

    def _evaluated_unless_left(self, script: str) -> Any:
        try:
            return self.evaluate(script)
        except PageGone:
            return None

    def _call(self, method: str, **values: object) -> dict[str, Any]:
        self._number += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._number, "method": method, "params": values, **session}
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while (answer := self._answer()).get("id") != self._number:
            pass
        error = answer.get("error", {}).get("message", "")
        if error.startswith(GONE):
            raise PageGone(error)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _answer(self) -> dict[str, Any]:
        text = bytearray()
        while (sign := self._answers.read(1)) != b"\0":
            assert sign, "the browser has ended"
            text += sign
        answer: dict[str, Any] = json.loads(text)
        return answer


@contextmanager
def opened(browser: str) -> Iterator[Tab]:
    """Start a browser and yield its only tab; it ends with the block."""
    read_commands, commands = os.pipe()
    answers, write_answers = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = [*QUIET, f"--user-data-dir={profile}"]
        redirected = f'exec "$@" 3<&{read_commands} 4>&{write_answers}'  # where the protocol's pipe must be
        process = subprocess.Popen(
            ["bash", "-c", redirected, "bash", browser, *options, "--remote-debugging-pipe"],
            pass_fds=(read_commands, write_answers),
            stderr=subprocess.DEVNULL,
        )
        os.close(read_commands)
        os.close(write_answers)
        try:
            tab = Tab(commands, answers)
            yield tab
            tab.close()
        finally:
            process.kill()
            process.wait()
