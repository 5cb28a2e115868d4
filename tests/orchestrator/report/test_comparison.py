"""A comparison as a page."""

import json
import re
from dataclasses import replace

from orchestrator.report.comparison import comparison_figures, render_comparison
from orchestrator.results.compare import Comparison, Entry, compare
from orchestrator.results.front import Objectives
from tests.orchestrator import small
from tests.orchestrator.example import OBJECTIVES, told_trials

EVIL = "<script>alert(1)</script>"


def comparison(objectives: Objectives = OBJECTIVES) -> Comparison:
    specs = [small.study(name=name, objectives=objectives, seed=seed) for name, seed in (("one", 0), ("two", 1))]
    other = small.study(name="other", objectives=objectives, epochs=9)
    records = [replace(record, paradigm=EVIL) for record in told_trials(8)]
    return compare([Entry(spec, records, "0123") for spec in (*specs, other)])


def test_the_page_draws_all_groups_and_names_what_differs() -> None:
    page = render_comparison(comparison())
    assert page.count('<div class="panel"') == 1
    for phrase in ("one + two", "on average over 2 seeds", "not fully comparable", "fidelity.epochs"):
        assert phrase in page
    assert EVIL not in page
    assert render_comparison(comparison()) == page


def test_three_objectives_make_three_pairs_and_colours_and_one_makes_none() -> None:
    figures = comparison_figures(comparison({**OBJECTIVES, "params": "minimize"}))
    assert [figure.name for figure in figures] == [
        "fronts-accuracy-macs",
        "fronts-accuracy-params",
        "fronts-macs-params",
        "colored-params",
    ]
    assert [chart.title for chart in figures[-1].charts] == ["one + two", "other"]
    assert comparison_figures(comparison({"accuracy": "maximize"})) == []
    assert "Fronts over each other" not in render_comparison(comparison({"accuracy": "maximize"}))


def test_by_the_mean_configurations_are_compared_and_told_with_their_seeds() -> None:
    first, again = told_trials(2)[1], replace(told_trials(2)[1], trial=9, seed=7)
    again = replace(again, metrics={**again.metrics, "accuracy": 0.5})
    specs = [small.study(name=name, epochs=epochs) for name, epochs in (("one", 3), ("other", 9))]
    entries = [Entry(spec, [told_trials(1)[0], first, again], "0123", by_mean=True) for spec in specs]
    compared = compare(entries)
    assert compared.by_mean
    (means,) = {record.metrics["accuracy"] for record in compared.entries[0].front if record.trial == first.trial}
    assert means == (first.metrics["accuracy"] + 0.5) / 2
    page = render_comparison(compared)
    assert "means over seeds" in page
    assert "trials 1, 9, 2 seeds" in page


def test_each_mark_is_told_of_under_the_pointer_with_its_study() -> None:
    page = render_comparison(comparison())
    texts = json.loads(re.findall(r'id="trials">(.*?)</script>', page)[0])
    marks = set(re.findall(r'data-t="(\d+)"', page))
    assert marks == texts.keys()
    assert texts["0"].startswith("one\ntrial 0")
