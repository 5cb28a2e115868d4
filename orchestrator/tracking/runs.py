"""A study in MLflow: an experiment of its name, a parent run, and one child run per finished trial.

Children have hyper-parameters as params, the measurements of the final network as metrics under their plain names
(`accuracy`, `macs`), and each epoch's validation results as `curve/accuracy` and so on: a trial that was stopped early
has curves, but no `accuracy` to sort by. An epoch's use of the machine is in `system/peak_memory` and so on, which
MLflow shows separately.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, zip_longest
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.ledger.epoch import USAGE_FIELDS
from orchestrator.ledger.records import State, TrialRecord, as_row
from orchestrator.results.front import hypervolume_over_trials, in_order_told, pareto_front
from orchestrator.tracking.front_page import note, picture, table
from orchestrator.tracking.run_rows import FinishedRun, RunRows
from orchestrator.tracking.saved_views import views
from orchestrator.tracking.steps import RunStatus, TrackedStudy

STATUS: Final = {State.COMPLETE: "FINISHED", State.PRUNED: "KILLED", State.FAIL: "FAILED"}
ENDED: Final = frozenset(STATUS.values())
MEASURED: Final = ("accuracy", "loss", "train_loss", "learning_rate", "macs_projected", "params_projected")
CURVES: Final = {name: f"curve/{name}" for name in MEASURED} | {name: f"system/{name}" for name in USAGE_FIELDS}
"""The metrics that show an epoch's fields, by the fields' names in the record."""
METRICS_PER_BATCH, PARAMS_PER_BATCH = 900, 100
"""MLflow takes at most 1,000 items at a time, of them 100 params."""
LONGEST_TAG: Final = 2000
_ON_FRONT: Final = "on_front"
"""The tag of runs whose trials are on the front."""
ROWS_AT_ONCE: Final = 20_000
"""About how many metrics go into one transaction: a second's work."""


@dataclass(frozen=True)
class Child:
    """A trial's run in MLflow. `digest` identifies the record that it was written from."""

    run_id: str
    digest: str
    ended: bool = False
    on_front: bool = False


class StudyRuns:
    """The runs of one study. Every method is idempotent."""

    def __init__(self, study: TrackedStudy) -> None:
        """Find the study's experiment and runs by name and tags, or create them."""
        self._study = study
        self._client = MlflowClient(study.uri)
        self._experiment = self._find_experiment()
        self._children: dict[int, Child] = {}
        self._volumes_logged = 0
        self._last = 0
        """When the last trial ended, in milliseconds."""
        self._parent = self._find_runs() or self._create_parent()
        self._client.update_run(self._parent, status="RUNNING")
        self._artifacts = self._client.get_experiment(self._experiment).artifact_location
        self._rows = RunRows.of(study.uri)

    def tell_some(self, records: Sequence[TrialRecord]) -> int:
        """Write the runs of the first of these finished trials, as many as take about a second; return how many."""
        some = _first(records)
        due = [record for record in some if not self._is_written(record)]
        if due and not self._rows:
            self.tell(due[0])
            return some.index(due[0]) + 1
        if self._rows and not self._write_rows(self._rows, [r for r in due if r.trial not in self._children]):
            self._rows = None
            return self.tell_some(some)
        for record in due:
            self.tell(record)
        return len(some)

    def tell(self, record: TrialRecord) -> None:
        """Write a finished trial's run, complete an incomplete one, or replace one written from another record."""
        if self._is_written(record):
            return
        run = self._finished_run(record)
        child = self._children.get(record.trial) or self._create_child(record, run)
        self._log(child.run_id, run.metrics, run.params)
        self._client.set_terminated(child.run_id, run.status, run.end_time)
        self._children[record.trial] = replace(child, ended=True)

    def keep_only(self, trials: Iterable[int]) -> None:
        """Delete the runs of all other trials."""
        for trial in sorted(self._children.keys() - set(trials)):
            self._delete(trial)

    def show_front(self, records: Iterable[TrialRecord]) -> None:
        """Tag the front's members only; put metrics, a table, a picture and a description on the parent run."""
        everything = list(records)
        front = pareto_front(everything, self._study.objectives)
        self._tag_members({record.trial for record in front})
        rising, counts = _study_metrics(self._study, everything, front)
        self._log(self._parent, rising[self._volumes_logged :] + counts, [])
        self._volumes_logged = len(rising)
        self._client.log_text(self._parent, table(self._study, everything, front), "front.json")
        self._client.log_figure(self._parent, picture(self._study, everything, front), "front.png")
        shown_as_table = json.dumps([{"path": "front.json", "type": "table"}])
        self._client.set_tag(self._parent, "mlflow.loggedArtifacts", shown_as_table)
        self._last = max((_milliseconds(record.finished) or 0 for record in everything), default=0)
        self._begin_at(min(filter(None, (_milliseconds(record.started) for record in everything)), default=None))
        description = note(self._study, everything, front, self._experiment)
        self._client.set_tag(self._parent, "mlflow.note.content", description)
        self._client.set_experiment_tag(self._experiment, "mlflow.note.content", description)

    def end(self, outcome: RunStatus) -> None:
        """End the parent run: that of a study that is over when its last trial ended, others now."""
        begun = self._client.get_run(self._parent).info.start_time
        over = outcome == "FINISHED" and self._last > begun
        self._client.set_terminated(self._parent, outcome, self._last if over else None)

    def _find_experiment(self) -> str:
        experiment = self._client.get_experiment_by_name(self._study.name)
        if experiment is None:
            return self._create_experiment()
        if experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
        return str(experiment.experiment_id)

    def _create_experiment(self) -> str:
        local = not self._study.uri.startswith(("http:", "https:", "databricks"))  # a server has its own location
        location = (self._study.artifacts / self._study.name).as_uri() if local else None
        metric, direction = next(iter(self._study.objectives.items()))
        tags = {
            "mlflow.experimentKind": "custom_model_development",
            "mlflow.experiment.primaryMetric.name": metric,
            "mlflow.experiment.primaryMetric.greaterIsBetter": str(direction == "maximize"),
            **views(self._study.objectives),
        }
        return str(self._client.create_experiment(self._study.name, artifact_location=location, tags=tags))

    def _find_runs(self) -> str | None:
        """Collect the existing children, one per trial, and return the parent's id, or None."""
        parent = None
        for run in self._search():
            if run.data.tags.get("level") == "study":
                parent = parent or run.info.run_id
            elif run.data.tags.get("level") == "trial":
                self._adopt(run)
        return parent

    def _search(self) -> Iterator[Run]:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], order_by=["attributes.start_time", "attributes.run_id"], page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _adopt(self, run: Run) -> None:
        tags, trial = run.data.tags, int(run.data.tags["trial"])
        if trial in self._children:
            self._client.delete_run(run.info.run_id)
        else:
            ended, on_front = run.info.status in ENDED, tags.get(_ON_FRONT) == "true"
            self._children[trial] = Child(run.info.run_id, tags.get("digest", ""), ended, on_front)

    def _create_parent(self) -> str:
        tags = {**_common_tags(self._study), "level": "study"}
        return str(self._client.create_run(self._experiment, run_name=self._study.name, tags=tags).info.run_id)

    def _write_rows(self, rows: RunRows, records: Sequence[TrialRecord]) -> bool:
        """Write new runs at once; return whether the database took them. If not, MLflow's own calls show why."""
        plain = [(record, run) for record in records if (run := self._finished_run(record)).is_plain]
        try:
            ids = rows.write([run for _, run in plain], f"{self._artifacts}/{{}}/artifacts".format)
        except SQLAlchemyError:
            return False
        for (record, run), run_id in zip(plain, ids, strict=True):
            self._children[record.trial] = Child(run_id, run.tags["digest"], ended=True)
        return True

    def _finished_run(self, record: TrialRecord) -> FinishedRun:
        tags = {"digest": _digest(record), "level": "trial", "mlflow.parentRunId": self._parent}
        return FinishedRun(
            experiment=self._experiment,
            name=f"{record.trial:04d} {record.paradigm}",
            status=STATUS[record.state],
            start_time=_milliseconds(record.started) or _milliseconds(record.finished) or 0,
            end_time=_milliseconds(record.finished),
            tags={**_common_tags(self._study), **_tags(record), **tags},
            params=_params(record),
            metrics=_metrics(record),
        )

    def _create_child(self, record: TrialRecord, run: FinishedRun) -> Child:
        created = self._client.create_run(
            self._experiment, start_time=run.start_time, run_name=run.name, tags=dict(run.tags)
        )
        self._children[record.trial] = Child(created.info.run_id, run.tags["digest"])
        return self._children[record.trial]

    def _is_written(self, record: TrialRecord) -> bool:
        """Return whether a trial's run is complete; delete one that was written from another record."""
        child = self._children.get(record.trial)
        if child and child.digest != _digest(record):
            self._delete(record.trial)
            return False
        return child is not None and child.ended

    def _begin_at(self, begin: int | None) -> None:
        """Let the parent run begin with the first trial if it was created later, where the database is at hand."""
        if self._rows and begin is not None:
            with suppress(SQLAlchemyError):
                self._rows.begin_at(self._parent, begin)

    def _log(self, run: str, metrics: Sequence[Metric], params: Sequence[Param]) -> None:
        for some_metrics, some_params in _batches(metrics, params):
            self._client.log_batch(run, metrics=some_metrics, params=some_params)

    def _delete(self, trial: int) -> None:
        self._client.delete_run(self._children[trial].run_id)
        del self._children[trial]

    def _tag_members(self, members: set[int]) -> None:
        joined = [child for trial, child in self._children.items() if trial in members and not child.on_front]
        left = [child for trial, child in self._children.items() if trial not in members and child.on_front]
        if not self._write_tags(joined, left):
            for child in joined:
                self._client.set_tag(child.run_id, _ON_FRONT, "true")
            for child in left:
                self._client.delete_tag(child.run_id, _ON_FRONT)
        self._children = {t: replace(child, on_front=t in members) for t, child in self._children.items()}

    def _write_tags(self, joined: Sequence[Child], left: Sequence[Child]) -> bool:
        """Tag the runs that joined the front, and no longer those that left it; return whether the database took it."""
        if not self._rows:
            return False
        try:
            self._rows.mark([child.run_id for child in joined], [child.run_id for child in left], _ON_FRONT)
        except SQLAlchemyError:
            return False
        return True


def _first(records: Sequence[TrialRecord]) -> Sequence[TrialRecord]:
    """Return the first of `records`: at least one, and no more than can be written in about a second."""
    rows = accumulate(len(record.metrics) + len(CURVES) * len(record.curve) for record in records)
    return records[: max(1, sum(count <= ROWS_AT_ONCE for count in rows))]


def _digest(record: TrialRecord) -> str:
    content = json.dumps(as_row(record), sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _common_tags(study: TrackedStudy) -> dict[str, str]:
    commit = {"mlflow.source.git.commit": study.tags["git_commit"]} if "git_commit" in study.tags else {}
    source = {"mlflow.source.name": "espalier", "mlflow.source.type": "LOCAL", **commit}
    return {**source, **{key: _shorten(value) for key, value in study.tags.items()}, "study": study.name}


def _tags(record: TrialRecord) -> dict[str, str]:
    tags = {
        "trial": str(record.trial),
        "paradigm": record.paradigm,
        **({"sampler": record.sampler} if record.sampler else {}),
        "state": record.state.value,
        "seed": str(record.seed),
        "fidelity": f"{record.fidelity:.4g}",
        "feasible": str(record.feasible).lower(),
    }
    if record.failure is not None:
        tags["failure"] = record.failure.value
    why = _shorten(record.reason or "")
    return {**tags, "reason": why, "mlflow.note.content": f"{record.state.value}: {why}"} if why else tags


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST_TAG else f"{text[: LONGEST_TAG - 1]}…"


def _params(record: TrialRecord) -> list[Param]:
    return [Param(_key(name), str(value)) for name, value in record.params.items()]


def _metrics(record: TrialRecord) -> list[Metric]:
    at = _milliseconds(record.finished) or 0  # so that MLflow drops the metric if it is logged again
    final = [Metric(_key(name), value, at, 0) for name, value in record.metrics.items()]  # step 0 is drawn as a bar
    curves = [
        Metric(key, value, reached, epoch.epoch)
        for epoch, reached in zip(record.curve, _times(record), strict=True)
        for name, key in {**CURVES, **{name: f"curve/{name}" for name in epoch.qualities}}.items()
        if (value := epoch.figure(name)) is not None
    ]
    return final + curves


def _times(record: TrialRecord) -> list[int]:
    """Return when each epoch ended: the time from start to end of a trial is shared out as its epochs took time."""
    begin, end = (_milliseconds(time) for time in (record.started, record.finished))
    if begin is None or end is None:
        return [end or 0] * len(record.curve)
    ended = list(accumulate(epoch.seconds for epoch in record.curve))
    return [begin + round((end - begin) * seconds / ended[-1]) if ended[-1] > 0 else end for seconds in ended]


def _study_metrics(
    study: TrackedStudy, records: list[TrialRecord], front: list[TrialRecord]
) -> tuple[list[Metric], list[Metric]]:
    """Return the hypervolume after each finished trial, and the numbers of trials by state and on the front."""
    told = in_order_told(records)
    volumes = hypervolume_over_trials(told, study.objectives)
    times = [_milliseconds(record.finished) or 0 for record in told]
    rising = [Metric("hypervolume", v, t, n) for n, (v, t) in enumerate(zip(volumes, times, strict=True), start=1)]
    counts = Counter(f"trials_{record.state.value.lower()}" for record in told) | Counter(front_members=len(front))
    return rising, [Metric(name, float(count), max(times, default=0), 0) for name, count in counts.items()]


def _batches(metrics: Sequence[Metric], params: Sequence[Param]) -> Iterator[tuple[Sequence[Metric], Sequence[Param]]]:
    many = [metrics[i : i + METRICS_PER_BATCH] for i in range(0, len(metrics), METRICS_PER_BATCH)]
    few = [params[i : i + PARAMS_PER_BATCH] for i in range(0, len(params), PARAMS_PER_BATCH)]
    yield from zip_longest(many, few, fillvalue=[])


def _key(name: str) -> str:
    """Return the name with characters that MLflow does not allow in keys replaced."""
    return re.sub(r"[^\w./ :-]", "_", name)[:250]


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1000)
