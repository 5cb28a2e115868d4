"""What was judged of trials is kept, and what cannot be trained is refused in one sentence."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks import evaluation


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_what_was_judged_is_kept_and_too_few_epochs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    size = ["--data", "digits", "--subset", "60", "--epochs", "2", "--methods", "WT", "--seeds", "1", "--images", "5"]
    monkeypatch.setattr(sys, "argv", ["evaluation", "potential", *size, "--keep", str(tmp_path)])
    written = []
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            evaluation.main()
        assert ended.value.code == 1
        (sentence,) = capsys.readouterr().err.splitlines()
        assert sentence.startswith("error: 3 rounds of training need at least 3 epochs")
        (dense,) = tmp_path.glob("*.json")
        written.append(dense.stat().st_mtime_ns)
    assert written[0] == written[1]


def test_the_network_that_others_are_held_against_may_train_as_long_as_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluation, "SPARSITIES", (0.5, 0.6))
    size = ["--data", "digits", "--subset", "60", "--epochs", "2", "--retraining", "1.5"]
    size += ["--methods", "WT", "--seeds", "1", "--images", "5"]
    kept = []
    for more in (["--as-long"], []):
        monkeypatch.setattr(sys, "argv", ["evaluation", "potential", *size, "--keep", str(tmp_path), *more])
        evaluation.main()
        assert "digits WT seed 0: dense " in capsys.readouterr().out
        kept.append({file.name: json.loads(file.read_text()) for file in tmp_path.glob("*.json")})
    plain = kept[1].keys() - kept[0].keys()
    assert (len(kept[0]), len(plain)) == (3, 1)
    assert sorted(round(trial["sparsity"], 1) for trial in kept[0].values()) == [0.0, 0.5, 0.6]
    assert [kept[1][name]["sparsity"] for name in plain] == [0.0]
