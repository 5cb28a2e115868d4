"""The studies of a store in a few figures; one that cannot be read hides no other."""

import json
from pathlib import Path

from orchestrator.results.overview import overview
from orchestrator.store.store import Store
from tests.orchestrator import small
from tests.orchestrator.commands import a_study


def test_each_study_has_its_state_and_its_figures(tmp_path: Path) -> None:
    assert overview(Store(tmp_path)) == []
    spec = a_study(tmp_path)
    (tmp_path / "studies/broken").mkdir()
    (tmp_path / "studies/broken/study.yaml").write_text("name: [")
    broken, line = overview(Store(tmp_path))
    assert (line.name, line.state, line.finished, line.trials) == ("small", "unfinished", 5, 6)
    assert line.on_front > 0
    assert line.changed is not None
    assert (broken.state, bool(broken.trouble)) == ("unreadable", True)
    assert json.loads(json.dumps(line.as_object()))["changed"] == line.changed.isoformat(timespec="seconds")
    with small.ledger_of(spec, tmp_path):
        assert overview(Store(tmp_path))[1].state == "running"
