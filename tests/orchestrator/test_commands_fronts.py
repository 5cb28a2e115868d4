"""The command that shows a front: for people, for programs, as a file."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.orchestrator.commands import Espalier, a_study


@pytest.fixture(autouse=True)
def study(tmp_path: Path) -> None:
    a_study(tmp_path / "espalier-store")


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_front_is_printed_or_written_as_csv_with_the_reference_first(espalier: Espalier, tmp_path: Path) -> None:
    status, printed, _ = espalier("front", "small", "--csv", "-")
    assert status == 0
    shown = rows(printed)
    assert [row["reference"] for row in shown] == ["true", *["false"] * (len(shown) - 1)]
    status, out, _ = espalier("front", "small", "--csv", "front.csv")
    assert (status, "trial,paradigm" in out, out.count("\n") > 2) == (0, False, True)
    assert rows((tmp_path / "front.csv").read_text()) == shown


def test_a_csv_file_may_be_written_beside_json_but_not_printed(espalier: Espalier, tmp_path: Path) -> None:
    status, out, _ = espalier("front", "small", "--json", "--csv", "front.csv")
    members = json.loads(out)
    on_front = [row for row in rows((tmp_path / "front.csv").read_text()) if row["on_front"] == "true"]
    assert status == 0
    assert {row["trial"] for row in on_front} == {str(member["trial"]) for member in members}
    status, out, err = espalier("front", "small", "--json", "--csv", "-")
    assert (status, out) == (2, "")
    assert "--csv = '-': cannot be printed beside --json; name a file" in err


@pytest.mark.parametrize("file", [".", "missing/front.csv"])
def test_a_csv_file_that_cannot_be_written_is_refused(espalier: Espalier, file: str) -> None:
    status, out, err = espalier("front", "small", "--csv", file)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("espalier: --csv = ")


def test_comparisons_a_distance_and_an_order_choose_what_is_shown(espalier: Espalier) -> None:
    everything = json.loads(espalier("front", "small", "--json")[1])
    least = min(member["macs"] for member in everything)
    typed = ("--where", f"macs <= {least!r}", "--within", "1", "--sort", "macs")
    shown = json.loads(espalier("front", "small", "--json", *typed)[1])
    assert [member["macs"] for member in shown] == [least]
    assert json.loads(espalier("front", "small", "--json", "--where", "macs < 0")[1]) == []
    by_macs = json.loads(espalier("front", "small", "--json", "--sort", "macs")[1])
    assert [member["macs"] for member in by_macs] == sorted(member["macs"] for member in everything)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (("--where", "mac < 3"), "--where = 'mac': must be one of trial, "),
        (("--sort", "mac"), "did you mean 'macs'"),
        (("--within", "2"), "--within = 2.0: must be a share of the accuracy from 0 to 1"),
        (("--setup", "S9"), "--setup = 'S9': must be one of S1, S2"),
        (("--by-mean", "--sort", "macs"), "--sort = 'macs': is for trials, and --by-mean shows means over several"),
        (("--by-mean", "--where", "macs < 3"), "--where = 'macs < 3': is for trials"),
        (("--by-mean", "--csv", "-"), "--csv = '-': is for trials"),
        (("--by-mean", "--setup", "S1"), "--setup = 'S1': is for trials"),
        (("--by-mean", "--hyperparameters"), "--hyperparameters = True: is for trials"),
        (("--by-mean", "--plot"), "--plot = True: is for trials"),
    ],
)
def test_what_cannot_be_shown_is_refused_with_its_option(
    espalier: Espalier, typed: tuple[str, ...], words: str
) -> None:
    status, out, err = espalier("front", "small", *typed)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err


def test_trials_that_did_not_measure_physical_costs_are_on_no_front_over_them(espalier: Espalier) -> None:
    assert json.loads(espalier("front", "small", "--json")[1])
    assert json.loads(espalier("front", "small", "--json", "--physical")[1]) == []
    assert espalier("front", "small", "--physical")[1].startswith("No trial is on the front yet")


def test_hyper_parameters_and_the_picture_follow_on_request(espalier: Espalier) -> None:
    plain, more = espalier("front", "small")[1], espalier("front", "small", "--hyperparameters", "--plot")[1]
    assert len(more.splitlines()) > len(plain.splitlines()) + 10
    assert "sparsity" in more
