"""What the tests of a trial's process share."""

from typing import Any

import pytest
from ray import tune


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What reaches Ray Tune, which takes reports only in a run of its own."""
    reports: list[dict[str, Any]] = []
    monkeypatch.setattr(tune, "report", reports.append)
    return reports
