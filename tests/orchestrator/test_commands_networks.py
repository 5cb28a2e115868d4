"""`espalier export` as it is typed."""

import json
from pathlib import Path

from tests.orchestrator.commands import Espalier, a_study
from tests.orchestrator.trained import WEIGHTS, a_trained_study


def test_export_prints_what_was_written_or_the_reason_why_not(espalier: Espalier, tmp_path: Path) -> None:
    a_trained_study(tmp_path / "store")
    status, out, _ = espalier("export", "small", str(WEIGHTS), "--store", "store", "--format", "torch")
    assert status == 0
    assert f"small-{WEIGHTS}.pt: trial {WEIGHTS} of small (random) as torch" in out
    assert all(
        f"\n{part}" in out for part in ("checked:", "images:", "load it:", "    import torch", "latency:", "zeros:")
    )
    status, out, _ = espalier("export", "small", "1", "--store", "store", "-o", "net.pt", "--format", "torch", "--json")
    assert status == 0
    assert json.loads(out)["path"] == "net.pt"
    status, _, err = espalier("export", "small", "0", "--store", "store", "--output", "nowhere/net.pt2")
    assert (status, "--output = 'nowhere/net.pt2': must lie in a folder that exists" in err) == (2, True)
    status, _, err = espalier("export", "smal", "0", "--store", "store")
    assert (status, "did you mean 'small'" in err) == (2, True)


def test_a_trial_without_a_result_is_not_exported(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "store")
    status, _, err = espalier("export", "small", "3", "--store", "store")
    assert status == 2
    assert "TRIAL = 3: is FAIL, and must be COMPLETE; those that are: 0, 1, 2" in err
