"""What is said of a trial under the pointer."""

import json
from dataclasses import replace

from orchestrator.report.trial_text import as_json, mean_text, texts_as_json, trial_text
from orchestrator.results.replicates import replicates
from tests.orchestrator.example import OBJECTIVES, told_trial


def test_a_complete_trial_shows_its_figures_and_a_partial_one_how_far_it_came() -> None:
    title, *found, settings = trial_text(told_trial(1)).splitlines()
    assert title == "trial 1 · magnitude"
    assert "effective MACs 1.11 M" in found
    assert settings == "sparsity 0.1, scope global, rounds 2, seed 101"
    assert trial_text(told_trial(4)).splitlines()[1] == "PRUNED at 50% of its budget"


def test_a_configuration_shows_its_trials_and_its_means_with_their_intervals() -> None:
    again = replace(told_trial(1), trial=8, seed=1, metrics={**told_trial(1).metrics, "accuracy": 0.97})
    (both,) = replicates([told_trial(1), again], OBJECTIVES)
    title, *means, settings = mean_text(both).splitlines()
    assert title == "trials 1, 8, 2 seeds · magnitude"
    assert "mean effective MACs 1.11 M" in means
    assert any(" +/- " in mean for mean in means)
    assert settings == "sparsity 0.1, scope global, rounds 2"
    texts = json.loads(texts_as_json([told_trial(1), again], [both]))
    assert texts.keys() == {"1", "8", "m1"}


def test_nothing_in_a_text_ends_a_script() -> None:
    assert "<" not in as_json({"1": "</script>"})
