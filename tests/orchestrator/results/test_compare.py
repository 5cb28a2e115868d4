"""Studies beside each other, as they are typed: what differs, who dominates whom, what seeds attain."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger.ledger import read
from orchestrator.results.front import hypervolume_over_trials, losses, non_dominated
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store import stamp
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier

HALF: dict[str, Any] = {"magnitude": {**small.FIXED, "sparsity": {"low": 0.5, "high": 0.9}}}


def finished(name: str, data_hash: str = "0123", **changes: Any) -> StudySpec:
    """Leave a study of five toy trials that has come to its end."""
    spec, store = small.study(name=name, trials=5, **changes), Path("espalier-store")
    folder = Store(store).study(name)
    with small.ledger_of(spec, store) as ledger:
        folder.spec.write_text(spec.as_yaml(), encoding="utf-8")
        stamp.write(folder.stamp, stamp.stamp(data_hash))
        small.run_all(Sweep(ledger, small.Silence()))
    return spec


def compared(espalier: Espalier, *names: str) -> dict[str, Any]:
    status, out, err = espalier("compare", *names, "--json")
    assert (status, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_two_studies_are_measured_against_one_reference(espalier: Espalier) -> None:
    spec = finished("a")
    finished("b", paradigms=HALF)
    found = compared(espalier, "a", "b")
    records = {name: read(Store(Path("espalier-store")).study(name)) for name in "ab"}
    worst = max(record.metrics["macs"] for both in records.values() for record in both)
    assert found["reference"] == {"accuracy": 0.0, "macs": worst}
    assert found["comparable"]
    assert list(found["differences"]) == ["paradigms.magnitude"]
    for group in found["groups"]:
        (study,) = group["studies"]
        corner = [record for both in records.values() for record in both if record.metrics["macs"] == worst]
        alone = records[study["study"]]
        together = hypervolume_over_trials([*alone, *corner], spec.objectives)[-1]
        assert 0 < study["hypervolume"] <= together + 1e-12
        assert group["hypervolume"]["deviation"] is None
    assert found["leads"][-1]["to"] is None
    assert {name for part in found["leads"] for name in part["best"]} <= {"a", "b"}


def test_studies_that_differ_in_their_seed_alone_are_one_group(espalier: Espalier) -> None:
    spec = finished("s0", seed=0)
    finished("s1", seed=1)
    finished("other", paradigms=HALF)
    finished("s2", seed=2)
    found = compared(espalier, "s0", "s1", "other", "s2")
    assert [group["name"] for group in found["groups"]] == ["s0 + s1 + s2", "other"]
    group = found["groups"][0]
    volumes = [study["hypervolume"] for study in group["studies"]]
    assert group["hypervolume"]["mean"] == pytest.approx(statistics.fmean(volumes))
    assert group["hypervolume"]["deviation"] == pytest.approx(statistics.stdev(volumes))
    everything = [r for name in ("s0", "s1", "s2") for r in read(Store(Path("espalier-store")).study(name))]
    union = non_dominated(losses(everything, spec.objectives))
    assert [[-goal["accuracy"], goal["macs"]] for goal in group["attainment"]["best"]] == union.tolist()
    status, out, _ = espalier("compare", "s0", "s1", "s2", "--full")
    assert status == 0
    assert "They differ only in their seed" in out
    assert "half of them (2)" in out
    assert "How much of each" not in out


def test_a_front_that_dominates_another_covers_all_of_it_and_leads_everywhere(espalier: Espalier) -> None:
    finished("long", epochs=40)
    finished("short", epochs=2)
    found = compared(espalier, "short", "long")
    assert found["not_comparable_for"] == {"fidelity.epochs": {"short": 2, "long": 40}}
    assert found["coverage"]["long"]["short"] == 1
    assert found["coverage"]["short"]["long"] == 0
    assert [part["best"] for part in found["leads"]] == [["long"]]
    short, long = (group["studies"][0]["front"] for group in found["groups"])
    assert all(member["dominated_by"] == ["long"] for member in short)
    assert all(member["dominated_by"] == [] for member in long)
    status, out, _ = espalier("compare", "short", "long", "--output", "page.html", "--figures", "figures")
    assert status == 0
    assert "fronts-accuracy-macs" in Path("page.html").read_text(encoding="utf-8")
    assert Path("figures/fronts-accuracy-macs.pdf").stat().st_size > 0
    assert "not fully comparable" in out
    assert "fidelity.epochs: 2 in short; 40 in long" in out


def test_data_that_changed_under_the_same_name_are_told(espalier: Espalier) -> None:
    finished("before")
    finished("after", data_hash="4567")
    found = compared(espalier, "before", "after")
    assert found["not_comparable_for"] == {"data_hash": {"before": "0123", "after": "4567"}}
    assert len(found["groups"]) == 2


def test_a_study_without_a_front_is_compared_too(espalier: Espalier) -> None:
    finished("a")
    finished("strict", constraints={"accuracy": ">= 1"})
    found = compared(espalier, "a", "strict")
    assert found["coverage"]["a"]["strict"] is None
    assert found["coverage"]["strict"]["a"] == 0
    assert espalier("compare", "a", "strict")[0] == 0


def test_what_cannot_be_compared_is_refused_with_the_reason(espalier: Espalier) -> None:
    finished("a")
    finished("other", objectives={"macs": "minimize"})
    for names, words in (
        (["a"], "must name two or more studies"),
        (["a", "a"], "each once"),
        (["a", "other"], "must have the objectives of a"),
        (["a", "othre"], "did you mean 'other'?"),
    ):
        status, out, err = espalier("compare", *names)
        assert (status, out) == (2, "")
        assert words in err


def test_one_objective_has_a_best_value_and_no_places_to_lead(espalier: Espalier) -> None:
    finished("a", objectives={"accuracy": "maximize"})
    finished("b", objectives={"accuracy": "maximize"}, paradigms=HALF)
    assert compared(espalier, "a", "b")["leads"] == []
    assert espalier("compare", "a", "b")[0] == 0


def test_studies_that_ask_for_seeds_are_compared_by_their_means_unless_trials_are_asked_for(espalier: Espalier) -> None:
    finished("a", search={"seeds": 2})
    finished("b", search={"seeds": 2}, paradigms=HALF)
    means, trials = compared(espalier, "a", "b"), compared(espalier, "a", "b", "--trials")
    assert means["by_mean"]
    assert not trials["by_mean"]
    members = [len(found["groups"][0]["studies"][0]["front"]) for found in (means, trials)]
    assert members[0] < members[1]  # a configuration is one member, whatever its seeds
    assert "by their means over seeds" in espalier("compare", "a", "b")[1]
    finished("plain", paradigms=HALF)
    assert not compared(espalier, "a", "plain")["by_mean"]
    assert compared(espalier, "a", "plain", "--by-mean")["by_mean"]
