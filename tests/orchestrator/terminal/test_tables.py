"""What tables for the terminal share."""

from dataclasses import replace

import pytest

from orchestrator.terminal import tables
from tests.orchestrator.example import told_trial
from tests.orchestrator.terminal.printing import printed, study
from trainables import paradigms


@pytest.mark.parametrize(
    ("metrics", "text"),
    [
        ({"macs": 5e5, "macs_dense": 1e6}, "500 k (50.0%)"),
        ({"macs": 5e5}, "500 k"),
        ({"macs": 5e5, "macs_dense": 0.0}, "500 k"),
        ({"macs_dense": 1e6}, "-"),
        ({}, "-"),
    ],
)
def test_a_measurement_has_its_share_of_the_dense_network_where_that_is_known(
    metrics: dict[str, float], text: str
) -> None:
    assert tables.measured("macs", metrics) == text


def test_a_configuration_shows_what_was_searched_and_not_what_the_study_fixes() -> None:
    spec = study(paradigms={"magnitude": {"scope": "global", "sparsity": {"low": 0.1, "high": 0.9}, "rounds": [2, 3]}})
    record = replace(told_trial(1), params={"scope": "global", "sparsity": 0.54321, "rounds": 2, "stream": True})
    assert tables.configuration(spec, record) == "sparsity=0.543 rounds=2 stream=true"
    assert tables.configuration(spec, replace(record, paradigm="unknown")).startswith("scope=global ")


def test_paradigms_are_listed_with_their_hyper_parameters_and_source() -> None:
    text = printed(tables.paradigm_table({name: paradigms.find(name) for name in ("dense", "magnitude")}))
    row = next(line for line in text.splitlines() if line.strip().startswith("magnitude"))
    assert "sparsity" in row
    assert paradigms.find("dense").source[:20] in text
