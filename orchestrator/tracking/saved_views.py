"""Saved views of a study's runs, which MLflow's pages show under addresses of their own, with the relevant columns.

MLflow keeps a shared view as a tag of the experiment, which holds the state of the page (as of 3.17). A page that does
not know the format says so and shows its own default.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from orchestrator.results.front import Objectives
from orchestrator.spec.quality import quality_of

ON_FRONT: Final = "on_front"
OF_SINGLE_TRIALS: Final = "on_front_of_single_trials"
CONFIGURATION: Final = "configuration"
MEAN: Final = "mean/"
"""What the names of metrics begin with that are means over seeds."""
SEEDS: Final = "seeds"

SHOWN_TAGS: Final = (ON_FRONT, "paradigm", "state", "reason")
OF_SEEDS: Final = (OF_SINGLE_TRIALS, CONFIGURATION, "seed")
"""The tags that are also shown where a study asks for several seeds."""


def views(objectives: Objectives, *, by_mean: bool = False) -> dict[str, str]:
    """Return the experiment's tags that hold the views ``trials`` and ``front``.

    With `by_mean` the front is that of the means over seeds, and ``single-trials`` is the front of single trials.
    """
    metrics, tags = _shown(objectives), (*SHOWN_TAGS, *(OF_SEEDS if by_mean else ()))
    shared = {"trials": _view(objectives, metrics, tags, "tags.level = 'trial'")}
    if by_mean:
        shared["single-trials"] = _view(objectives, metrics, tags, f"tags.{OF_SINGLE_TRIALS} = 'true'")
        objectives = {f"{MEAN}{name}": direction for name, direction in objectives.items()}
        metrics = [SEEDS, *(f"{MEAN}{name}" for name in metrics)]
    shared["front"] = _view(objectives, metrics, tags, f"tags.{ON_FRONT} = 'true'")
    return {f"mlflow.sharedViewState.{name}": json.dumps(view) for name, view in shared.items()}


def address(experiment: str, view: str) -> str:
    """Return the address of a view on an MLflow server: the part of the URL after the host."""
    return f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey={view}"


def run_address(experiment: str, run: str) -> str:
    """Return the address of a run on an MLflow server, as `address` does."""
    return f"#/experiments/{experiment}/runs/{run}?workflowType=machine_learning"


def _shown(objectives: Objectives) -> list[str]:
    """Return the metrics that all views show: the objectives, and what is always of interest."""
    return list(dict.fromkeys([*objectives, f"test_{quality_of(objectives).metric}", "macs", "params"]))


def _view(objectives: Objectives, metrics: Sequence[str], tags: Sequence[str], runs: str) -> dict[str, Any]:
    first, direction = next(iter(objectives.items()))
    columns = [*(f"metrics.`{metric}`" for metric in metrics), *(f"tags.`{tag}`" for tag in tags)]
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
