import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from orchestrator.ledger.epoch import USAGE_FIELDS
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.report.report import render, write_report
from orchestrator.results.front import Objectives, pareto_front
from orchestrator.spec.study_spec import StudySpec
from tests.orchestrator.drawn import studies
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials

STAMP = {"git_commit": "c0ffee", "versions": {"torch": "2.13.0"}, "command": ["espalier", "launch"]}
EVIL = "</script><script>alert('x')</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def spec() -> StudySpec:
    return study_spec()


def study_spec(**changes: Any) -> StudySpec:
    plain = {
        "name": "example",
        "data": {"name": "digits"},
        "model": {"name": "digits_cnn"},
        "paradigms": {"dense": {}, "magnitude": {}, "lottery_ticket": {}},
        "search": {"trials": 12},
        "fidelity": {"epochs": 4},
    }
    return StudySpec.model_validate_json(json.dumps({**plain, **changes}))


class Page(HTMLParser):
    """The elements and the text of a page, scripts apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._in_script = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.text += " "
        self._in_script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._in_script &= tag not in ("script", "style")
        self.text += " "

    def handle_data(self, data: str) -> None:
        self.text += "" if self._in_script else data

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.tags)


def test_the_page_says_what_a_stranger_asks(spec: StudySpec, tmp_path: Path) -> None:
    write_report(spec, told_trials(12), tmp_path / "report.html", stamp=STAMP)
    text = " ".join(Page((tmp_path / "report.html").read_text()).text.split())
    for phrase in (
        "digits_cnn on digits",
        "12 of 12 trials done",
        "9 complete, 2 stopped early, 1 failed",
        "validation accuracy selects",
        "test accuracy shown only",
        "one training with one seed, not a mean",
        "accuracy is NaN",
        "c0ffee",
        "2.13.0",
    ):
        assert phrase in text


def test_the_page_loads_nothing_from_elsewhere(spec: StudySpec) -> None:
    page = Page(render(spec, told_trials(12), STAMP))
    linked = [value or "" for _, attrs in page.tags for key, value in attrs.items() if key in ("src", "href")]
    assert all(value.startswith("#m") for value in linked)
    policy = next(attrs["content"] for tag, attrs in page.tags if tag == "meta" and "http-equiv" in attrs)
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    assert not re.search(r"https?:", policy)


def test_the_page_says_what_trials_took_of_the_machine_where_that_is_known(spec: StudySpec) -> None:
    measured = told_trial(1)
    shown = Page(render(spec, [measured], STAMP)).text.split()
    assert "2.50 k 432 MB 93 %" in " ".join(shown)
    unknown: dict[str, Any] = dict.fromkeys(USAGE_FIELDS)
    old = replace(measured, curve=tuple(replace(epoch, **unknown) for epoch in measured.curve))
    assert "samples/s" not in Page(render(spec, [old], STAMP)).text
    both = " ".join(Page(render(spec, [measured, replace(old, trial=2)], STAMP)).text.split())
    assert "2.50 k 432 MB 93 %" in both
    assert "- - -" in both


def test_ensembles_stand_beside_the_network_by_what_they_were_chosen_from(spec: StudySpec) -> None:
    of = {"deep_ensemble": 0.25, "deep_ensemble_front": 0.75}
    columns = {f"{metric}@{name}": nll for name, nll in of.items() for metric in ("nll", "macs", "accuracy")}
    single = told_trial(1)
    metrics = {**single.metrics, **columns, **{f"members@{name}": 3.0 for name in of}}
    text = " ".join(Page(render(spec, [replace(single, metrics=metrics)], STAMP)).text.split())
    assert text.index("the network") < text.index("3 of all networks") < text.index("3 of the front")
    assert "of named trials" not in text


def test_the_same_records_give_the_same_page_in_any_order(spec: StudySpec, tmp_path: Path) -> None:
    pages = []
    for records in (told_trials(12), told_trials(12)[::-1]):
        write_report(spec, records, tmp_path / "report.html", stamp=STAMP)
        pages.append((tmp_path / "report.html").read_text())
    assert pages[0] == pages[1]
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_front_table_has_one_row_per_member_best_first(spec: StudySpec) -> None:
    records = told_trials(12)
    text = Page(render(spec, records, STAMP)).text
    table = text[text.index("shown only") : text.index("Hypervolume")]
    front = pareto_front(records, OBJECTIVES)
    rows = re.findall(r"^\s*(\d+)\s+(?:dense|magnitude|lottery_ticket)", table, re.MULTILINE)
    assert rows == [str(record.trial) for record in front]


def test_both_fronts_are_shown_and_the_dense_network_comes_first(spec: StudySpec) -> None:
    masked = {**told_trial(1).metrics, "macs_physical": 1.23e6, "params_physical": 29_800.0}
    removed = {**masked, "accuracy": 0.985, "macs": 1.2e6, "macs_physical": 1.2e6}
    worse = replace(told_trial(0), metrics={**told_trial(0).metrics, "accuracy": 0.98, "macs_physical": 1.23e6})
    trials = [replace(told_trial(1), trial=number, metrics=values) for number, values in ((1, masked), (2, removed))]
    for objectives in (OBJECTIVES, {"macs": "minimize", "accuracy": "maximize", "auroc": "maximize"}):
        values = [replace(trial, metrics={**trial.metrics, "auroc": 0.9}) for trial in [worse, *trials]]
        page = Page(render(spec.model_copy(update={"objectives": objectives}), values, STAMP))
        drawn = [attributes["id"] for tag, attributes in page.tags if tag == "div" and "id" in attributes]
        assert len(drawn) == len(set(drawn))
        assert any("physical" in str(identity) for identity in drawn)
        text = " ".join(page.text.split())
        effective, _, physical = text.partition("Pareto front over physical costs")
        assert "This front is over effective costs" in effective
        assert "the reference of the front, though not a member of it" in effective
        assert "0 dense ★ 98.00 % 0.00" in effective
        assert "0 dense ★ 98.00 % 0.00" in physical
        assert "1.11x fewer effective MACs within 1 point of the dense network: trial 1" in effective


def test_the_front_by_the_mean_is_a_table_where_a_study_asks_for_seeds(spec: StudySpec) -> None:
    again = replace(told_trial(1), trial=20, seed=7, metrics={**told_trial(1).metrics, "accuracy": 0.992})
    records = [*told_trials(4), again]
    text = Page(render(study_spec(search={"trials": 12, "seeds": 2}), records, STAMP)).text
    (table,) = re.findall(r"Front by the mean over seeds(.*?)Hypervolume", text, flags=re.DOTALL)
    mean = (told_trial(1).metrics["accuracy"] + 0.992) / 2
    assert f"{100 * mean:.2f} %\u00b1" in re.sub(r"\s*\u00b1", "\u00b1", table)
    assert "Front by the mean over seeds" not in Page(render(spec, records, STAMP)).text


def test_nothing_that_a_study_says_becomes_markup(spec: StudySpec) -> None:
    innocent = [told_trial(number) for number in range(8)]
    hostile = [
        replace(
            record,
            paradigm=record.paradigm + EVIL,
            reason=record.reason and record.reason + EVIL,
            params={name + EVIL: EVIL if isinstance(value, str) else value for name, value in record.params.items()},
        )
        for record in innocent
    ]
    page, attacked = Page(render(spec, innocent, STAMP)), Page(render(spec, hostile, {**STAMP, EVIL: EVIL}))
    for tag in ("script", "img"):
        assert attacked.count(tag) == page.count(tag)
    assert not [attrs for _, attrs in attacked.tags if "onerror" in attrs]
    assert EVIL in attacked.text


@pytest.mark.parametrize("objectives", [{"accuracy": "maximize"}, {**OBJECTIVES, "params": "minimize"}])
def test_any_number_of_objectives_makes_a_page(objectives: Objectives) -> None:
    page = Page(render(study_spec(objectives=objectives), told_trials(12), STAMP))
    for cost in [name for name in objectives if name != "accuracy"] or ["macs"]:
        assert any(attrs.get("id") == f"front-accuracy-{cost}" for _, attrs in page.tags)


@given(studies())
@settings(max_examples=15)
def test_trials_in_any_state_make_a_page(records: list[TrialRecord]) -> None:
    spec = study_spec()
    page = Page(render(spec, records, {}))
    assert len(pareto_front(records, spec.objectives)) or "No trial is on the front" in page.text


def test_a_study_without_any_finished_trial_makes_a_page(spec: StudySpec) -> None:
    running = TrialRecord(study="example", trial=0, paradigm="dense", state=State.RUNNING, seed=0)
    for records in ([], [running], [replace(told_trial(0), metrics={"accuracy": math.nan}, state=State.FAIL)]):
        assert "No trial is on the front" in Page(render(spec, records, STAMP)).text
