"""What a sweep costs beside its trials: 200 trials that do nothing, run by espalier and by Ray Tune.

    python benchmarks/orchestration.py [--trials 200] [--repeats 3]

`espalier` keeps its ledger, draws by random search and shows every trial in MLflow; its time ends when MLflow has
them all. `ray tune` is Ray Tune as it comes: random search, its CSV, JSON and TensorBoard loggers, its snapshots.
`ray tune, bare` is the same without loggers and snapshots: the ceiling. All reuse actors. Every run is a process of
its own; the time begins when Ray is up and the study is handed over, and the contenders take turns.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.cluster import SWITCHES, ray_session
from orchestrator.worker import WorkerContext
from trainables.context import Report
from trainables.spec import TrialSpec

FIXED = {"granularity": "weight", "scope": "global", "schedule": "one_shot"}
"""What is not searched; three real numbers are."""


def do_nothing(spec: TrialSpec, context: WorkerContext) -> None:
    """Report one finished epoch."""
    metrics = {"accuracy": 0.5, "macs": float(spec.hyperparameters["sparsity"])}
    epoch = Report(
        epoch=1,
        fidelity=1.0,
        stage="train",
        accuracy=0.5,
        loss=1.0,
        train_loss=1.0,
        learning_rate=0.1,
        seconds=0.0,
        macs_projected=1.0,
        params_projected=1.0,
        metrics=metrics,
    )
    context.report(epoch, lambda folder: None)  # noqa: ARG005
