"""`espalier evaluate` as it is typed."""

import json
from pathlib import Path

from tests.orchestrator.commands import Espalier, a_study
from tests.orchestrator.trained import a_trained_study

FOG = ("evaluate", "small", "--store", "store", "--kinds", "fog", "--images", "40", "--device", "cpu")


def test_a_study_gains_columns_that_every_command_shows(espalier: Espalier, tmp_path: Path) -> None:
    a_trained_study(tmp_path / "store")
    status, out, err = espalier(*FOG, "--severity", "5")
    assert (status, "6 rows measured, 0 known, of 3 trials" in out, "fog_5" in out) == (0, True, True), err
    status, out, _ = espalier(*FOG, "--severity", "5", "--json")
    assert (status, set(json.loads(out)["trials"])) == (0, {"0", "1", "2"})
    status, out, _ = espalier("front", "small", "--store", "store", "--where", "accuracy@fog_5 >= 0", "--json")
    assert (status, "excess_error@corrupted_5" in json.loads(out)[0]["metrics"]) == (0, True)
    assert "fog_5" in espalier("show", "small", "1", "--store", "store")[1]
    assert espalier("report", "small", "--store", "store", "-o", "page.html")[0] == 0
    assert "How far one may prune" in (tmp_path / "page.html").read_text()


def test_what_cannot_be_evaluated_is_refused_in_a_sentence(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "store")
    for options, said in {
        ("--severity", "6"): "--severity = 6: must be 1, 2, 3, 4 or 5",
        ("--kinds", "frog"): "kind = 'frog': must be one of gaussian_noise",
        ("--delta", "2"): "--delta = 2.0: must lie in [0, 1)",
        ("--trial", "3"): "TRIAL = 3: is FAIL, and must be COMPLETE",
        (): "NAME = 'small': has no finished trial with a checkpoint in the store",
    }.items():
        status, _, err = espalier("evaluate", "small", "--store", "store", *options)
        assert (status, err.count("\n"), said in err) == (2, 1, True), err
