"""The commands that write reports, compare studies, and hold one against published results."""

import json
from pathlib import Path

import pytest

from orchestrator.store import stamp
from orchestrator.store.store import Store
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier, a_study


@pytest.fixture
def store(tmp_path: Path) -> Store:
    a_study(tmp_path / "espalier-store")
    return Store(tmp_path / "espalier-store")


def test_a_report_lies_in_the_study_s_folder_or_where_it_is_wanted(
    espalier: Espalier, store: Store, tmp_path: Path
) -> None:
    folder = store.study("small")
    status, out, _ = espalier("report", "small")
    assert (status, out) == (0, f"{folder.shown(folder.report)}\n")
    assert folder.report.read_text(encoding="utf-8").startswith("<!")
    status, out, _ = espalier("report", "small", "-o", "mine.html", "--json")
    assert (status, json.loads(out)) == (0, {"report": "mine.html", "figures": []})
    assert (tmp_path / "mine.html").read_text(encoding="utf-8") == folder.report.read_text(encoding="utf-8")


def test_a_metric_shown_as_colour_must_have_been_measured(espalier: Espalier, store: Store) -> None:
    status, out, err = espalier("report", "small", "--color", "mcas")
    assert (status, out) == (2, "")
    assert "--color = 'mcas': must be a metric that `espalier show` lists of a trial; did you mean 'macs'" in err
    assert not store.study("small").report.exists()
    status, _, _ = espalier("report", "small", "--color", "macs")
    assert (status, store.study("small").report.exists()) == (0, True)


@pytest.mark.parametrize("command", [("report", "small"), ("compare", "small", "small")])
def test_figures_need_a_folder(espalier: Espalier, store: Store, tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "file.txt").touch()
    status, out, err = espalier(*command, "--figures", "file.txt")
    assert (status, out) == (2, "")
    assert "--figures = 'file.txt': must be a folder, and this is a file" in err
    assert not store.study("small").report.exists()


def test_only_a_study_whose_dense_network_has_finished_is_held_against_papers(
    espalier: Espalier, tmp_path: Path
) -> None:
    spec = small.study(data={"name": "cifar10", "root": "data", "download": True}, model={"name": "resnet56"})
    with small.launched(spec, tmp_path / "espalier-store"):
        pass
    status, out, err = espalier("verify", "small")
    assert (status, out) == (2, "")
    assert "has no finished dense trial, against which papers tell changes: add `dense:`" in err


def test_a_study_of_other_data_has_no_published_results(espalier: Espalier, store: Store) -> None:
    assert store.names() == ["small"]
    status, _, err = espalier("verify", "small")
    assert (status, "no published result is known for digits_cnn on digits" in err) == (2, True)


def test_a_comparison_is_printed_for_people_and_programs_and_drawn(
    espalier: Espalier, store: Store, tmp_path: Path
) -> None:
    other = small.study(name="other", trials=2)
    with small.launched(other, store.root) as ledger:
        stamp.write(ledger.folder.stamp, stamp.stamp(data_hash=""))
    status, out, _ = espalier("compare", "small", "other", "--output", "both.html")
    assert (status, "small" in out, "other" in out) == (0, True, True)
    assert "small" in (tmp_path / "both.html").read_text(encoding="utf-8")
    status, out, _ = espalier("compare", "small", "other", "--json")
    assert status == 0
    assert not json.loads(out)["by_mean"]
    status, out, err = espalier("compare", "small", "other", "--output", "missing/both.html")
    assert (status, out) == (2, "")
    assert "must lie in a folder that exists" in err
