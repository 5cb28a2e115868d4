"""The views of a study's runs that MLflow's pages show."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from orchestrator.results.front import Objectives
from orchestrator.tracking.saved_views import SHOWN_TAGS, address, views

LOSS_FIRST: Objectives = {"loss": "minimize", "accuracy": "maximize", "bytes": "minimize"}


def view(name: str, objectives: Objectives) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(views(objectives)[f"mlflow.sharedViewState.{name}"])
    return state


def test_one_view_shows_all_trials_and_one_the_front() -> None:
    assert set(views(LOSS_FIRST)) == {"mlflow.sharedViewState.trials", "mlflow.sharedViewState.front"}
    assert view("trials", LOSS_FIRST)["searchFilter"] == "tags.level = 'trial'"
    assert view("front", LOSS_FIRST)["searchFilter"] == "tags.on_front = 'true'"


@pytest.mark.parametrize(
    ("objectives", "first", "ascending"),
    [(LOSS_FIRST, "loss", True), ({"accuracy": "maximize", "macs": "minimize"}, "accuracy", False)],
)
def test_runs_are_ordered_from_the_best_of_the_first_objective(
    objectives: Objectives, first: str, ascending: bool
) -> None:
    shown = view("trials", objectives)
    assert (shown["orderByKey"], shown["orderByAsc"]) == (f"metrics.`{first}`", ascending)


def test_columns_are_the_objectives_then_what_is_always_of_interest_each_once() -> None:
    columns = view("front", LOSS_FIRST)["selectedColumns"]
    assert columns[1:4] == ["metrics.`loss`", "metrics.`accuracy`", "metrics.`bytes`"]
    assert {"metrics.`test_accuracy`", "metrics.`macs`", *(f"tags.`{tag}`" for tag in SHOWN_TAGS)} <= set(columns)
    assert len(set(columns)) == len(columns)


def test_an_address_names_the_experiment_and_the_view() -> None:
    page = urlsplit(address("17", "front").removeprefix("#"))
    assert page.path == "/experiments/17/runs"
    assert parse_qs(page.query)["viewStateShareKey"] == ["front"]


def test_where_a_study_asks_for_seeds_the_front_s_view_is_ordered_by_means_and_single_trials_have_their_own() -> None:
    named = {name.rpartition(".")[2]: json.loads(text) for name, text in views(LOSS_FIRST, by_mean=True).items()}
    front, single = named["front"], named["single-trials"]
    assert (front["searchFilter"], front["orderByKey"]) == ("tags.on_front = 'true'", "metrics.`mean/loss`")
    assert front["orderByAsc"]
    assert {"metrics.`seeds`", "metrics.`mean/test_accuracy`", "tags.`configuration`"} <= set(front["selectedColumns"])
    assert "metrics.`loss`" not in front["selectedColumns"]
    assert single["searchFilter"] == "tags.on_front_of_single_trials = 'true'"
    assert single["orderByKey"] == named["trials"]["orderByKey"] == "metrics.`loss`"
