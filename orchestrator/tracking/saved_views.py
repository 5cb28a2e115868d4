"""Saved views of a study's runs, which MLflow's pages show under addresses of their own, with the relevant columns.

MLflow keeps a shared view as a tag of the experiment, which holds the state of the page (as of 3.17). A page that does
not know the format says so and shows its own default.
"""

import json
from typing import Any, Final

from orchestrator.results.front import Objectives
from orchestrator.spec.quality import quality_of

SHOWN_TAGS: Final = ("on_front", "paradigm", "state", "reason")


def views(objectives: Objectives) -> dict[str, str]:
    """Return the experiment's tags that hold the views ``trials`` and ``front``."""
    shared = {"trials": _view(objectives, "tags.level = 'trial'"), "front": _view(objectives, "tags.on_front = 'true'")}
    return {f"mlflow.sharedViewState.{name}": json.dumps(view) for name, view in shared.items()}


def address(experiment: str, view: str) -> str:
    """Return the address of a view on an MLflow server: the part of the URL after the host."""
    return f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={view}"


def run_address(experiment: str, run: str) -> str:
    """Return the address of a run on an MLflow server, as `address` does."""
    return f"#/experiments/{experiment}/runs/{run}?workflowType=machine_learning"


def _view(objectives: Objectives, runs: str) -> dict[str, Any]:
    first, direction = next(iter(objectives.items()))
    metrics = dict.fromkeys([*objectives, f"test_{quality_of(objectives).metric}", "macs", "params"])
    columns = [f"metrics.`{metric}`" for metric in metrics] + [f"tags.`{tag}`" for tag in SHOWN_TAGS]
    return {
        "searchFilter": runs,
        "orderByKey": f"metrics.`{first}`",
        "orderByAsc": direction == "minimize",
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": ["attributes.`Created`", *columns],
        "columnOrder": [],
        "columnWidths": {},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "viewMaximized": False,
        "runListHidden": False,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
    }
