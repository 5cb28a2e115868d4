"""What is said of a trial under the pointer."""

from orchestrator.report.trial_text import trial_text
from tests.orchestrator.example import told_trial


def test_a_complete_trial_shows_its_figures_and_a_partial_one_how_far_it_came() -> None:
    title, *found, settings = trial_text(told_trial(1)).splitlines()
    assert title == "trial 1 · magnitude"
    assert "effective MACs 1.11 M" in found
    assert settings == "sparsity 0.1, scope global, rounds 2, seed 101"
    assert trial_text(told_trial(4)).splitlines()[1] == "PRUNED at 50% of its budget"
