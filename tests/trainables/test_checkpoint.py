"""The file from which a trial resumes."""

from pathlib import Path

import torch

from tests.conftest import MemoryContext
from tests.contract.test_paradigms import digits
from trainables.checkpoint import CHECKPOINT
from trainables.trial import run_trial


def test_a_checkpoint_without_a_report_invents_no_training_loss(tmp_path: Path) -> None:
    first = MemoryContext(tmp_path / "first")
    run_trial(digits("dense"), first)
    path = first.checkpoints[-1] / CHECKPOINT
    state = torch.load(path, weights_only=True)
    del state["report"]  # as an earlier version wrote it
    torch.save(state, path)
    second = MemoryContext(tmp_path / "second", resume_from=path.parent)
    run_trial(digits("dense"), second)
    (report,) = second.reports
    assert (report.train_loss, report.learning_rate) == (None, None)
    assert report.metrics == first.reports[-1].metrics
