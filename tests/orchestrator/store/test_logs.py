"""A study's log: what is said while it runs goes into a file, and nothing more is said where that is full."""

import logging
import warnings
from pathlib import Path

import pytest

from orchestrator.store.logs import logging_into, logging_study
from orchestrator.store.store import Store

FULL_DISK = Path("/dev/full")


def test_what_is_said_is_in_the_file_and_not_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with logging_into(tmp_path / "deep" / "driver.log", "orchestrator"):
        logging.getLogger("orchestrator.anything").warning("a word")
    assert "WARNING orchestrator.anything: a word" in (tmp_path / "deep" / "driver.log").read_text()
    assert capfd.readouterr() == ("", "")


def test_what_is_warned_of_while_a_study_runs_is_in_its_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = Store(tmp_path).study("small")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        before = warnings.showwarning
        with logging_study(folder):
            warnings.warn("a word of warning", UserWarning, stacklevel=1)
        assert warnings.showwarning is before
    assert capfd.readouterr() == ("", "")
    assert "UserWarning: a word of warning" in folder.log.read_text()


@pytest.mark.skipif(not FULL_DISK.exists(), reason="no device here that is always full")
def test_a_full_disk_is_no_news_of_the_log_s_own(capfd: pytest.CaptureFixture[str]) -> None:
    with logging_into(FULL_DISK, "orchestrator"):
        logging.getLogger("orchestrator.anything").warning("a word")
    assert capfd.readouterr() == ("", "")
