"""A study in MLflow: an experiment of its name, a parent run, and one child run per trial.

Children have hyper-parameters as params, the measurements of the final network as metrics under their plain names
(`accuracy`, `macs`), and each epoch's validation results as `curve/accuracy` and so on: a trial that was stopped early
has curves, but no `accuracy` to sort by. An epoch's use of the machine is in `system/peak_memory` and so on, which
MLflow shows separately.

An unfinished trial's run is RUNNING, or SCHEDULED while the trial is paused, and grows by the epochs reported since it
was last shown. Its digest says which epochs it has: if those were repeated since, it is replaced by a new run.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, zip_longest
from typing import Final

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.front import TOLD, pareto_front
from orchestrator.results.standings import standings
from orchestrator.tracking.experiment import experiment_of
from orchestrator.tracking.front_marks import marks, mean_metrics, study_metrics
from orchestrator.tracking.front_page import note, tables
from orchestrator.tracking.run_contents import (
    CURVES,
    ENDED,
    NOTHING,
    STATUS,
    UNFINISHED,
    Shown,
    common_tags,
    curves,
    digest,
    key,
    milliseconds,
    params,
    trial_tags,
)
from orchestrator.tracking.run_rows import RunContents, RunRows
from orchestrator.tracking.run_standings import RunStandings
from orchestrator.tracking.steps import RunStatus, TrackedStudy

METRICS_PER_BATCH, PARAMS_PER_BATCH = 900, 100
"""MLflow takes at most 1,000 items at a time, of them 100 params."""
ROWS_AT_ONCE: Final = 20_000
"""About how many metrics go into one transaction: a second's work."""


@dataclass(frozen=True)
class Child:
    """A trial's run in MLflow. `digest` identifies the record that it was written from.

    `shown` is what it shows of a trial that had not finished when it was written.
    """

    run_id: str
    digest: str
    status: str = "RUNNING"

    @property
    def shown(self) -> Shown | None:
        return Shown.from_tag(self.digest)

    @property
    def ended(self) -> bool:
        return self.status in ENDED


class StudyRuns:
    """The runs of one study. Every method is idempotent."""

    def __init__(self, study: TrackedStudy) -> None:
        """Find the study's experiment and runs by name and tags, or create them."""
        self._study = study
        self._client = MlflowClient(study.uri)
        self._experiment = experiment_of(study, self._client)
        self._children: dict[int, Child] = {}
        self._volumes_logged = 0
        self._standings = RunStandings(self._client)
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
        child = self._children.get(record.trial)
        run = self._finished_run(record, child.shown if child else None)
        child = child or self._create_child(record.trial, run)
        self._log(child.run_id, run.metrics, run.params)
        self._client.set_terminated(child.run_id, run.status, run.end_time)
        if child.shown:  # last: until then the run counts as unfinished, and all of this can be repeated
            self._client.log_batch(child.run_id, tags=[RunTag(key, value) for key, value in run.tags.items()])
        self._children[record.trial] = replace(child, digest=run.tags["digest"], status=run.status)

    def show(self, record: TrialRecord, at: datetime) -> None:
        """Show an unfinished trial as it was at a time: its epochs so far, and whether it runs or is paused."""
        child = self._children.get(record.trial)
        if child and not (child.shown and child.shown.begins(record)):
            self._delete(record.trial)
            child = None
        run = self._unfinished_run(record, child.shown if child else None, at)
        child = child or self._create_child(record.trial, replace(run, tags={**run.tags, "digest": NOTHING.as_tag}))
        if child.status != run.status:
            self._client.update_run(child.run_id, status=run.status)
        self._log(child.run_id, run.metrics, run.params)
        self._client.set_tag(child.run_id, "digest", run.tags["digest"])
        self._client.set_tag(child.run_id, "state", run.tags["state"])
        self._children[record.trial] = replace(child, digest=run.tags["digest"], status=run.status)

    def keep_only(self, trials: Iterable[int], unfinished: Iterable[int] = ()) -> None:
        """Delete the runs of all other trials; of `unfinished` trials keep those that show them unfinished."""
        shown = {trial for trial in unfinished if trial in self._children and self._children[trial].shown}
        for trial in sorted(self._children.keys() - set(trials) - shown):
            self._delete(trial)

    def show_front(self, records: Iterable[TrialRecord]) -> None:
        """Tag the front's members only; put metrics, tables, a picture and a description on the parent run."""
        from orchestrator.tracking.front_picture import picture  # imports matplotlib, which no run of a trial needs

        everything = list(records)
        front = pareto_front(everything, self._study.objectives)
        standing = standings(everything, self._study.objectives, self._study.means_within)
        with_means = {trial for trial, child in self._children.items() if self._standings.shows_means(child.run_id)}
        self._log_means(everything, mean_metrics(standing, everything, with_means))
        self._standings.mark({c.run_id: marks(standing, trial) for trial, c in self._children.items()}, self._rows)
        rising, counts = study_metrics(self._study, everything, len(standing.members))
        self._log(self._parent, rising[self._volumes_logged :] + counts, [])
        self._volumes_logged = len(rising)
        shown = tables(self._study, everything, front)
        for name, table in shown.items():
            self._client.log_text(self._parent, table, name)
        self._client.log_figure(self._parent, picture(self._study, everything, front), "front.png")
        shown_as_table = json.dumps([{"path": name, "type": "table"} for name in shown])
        self._client.set_tag(self._parent, "mlflow.loggedArtifacts", shown_as_table)
        self._last = max((milliseconds(record.finished) or 0 for record in everything), default=0)
        self._begin_at(min(filter(None, (milliseconds(record.started) for record in everything)), default=None))
        description = note(self._study, everything, front, self._experiment)
        self._client.set_tag(self._parent, "mlflow.note.content", description)
        self._client.set_experiment_tag(self._experiment, "mlflow.note.content", description)

    def end(self, outcome: RunStatus) -> None:
        """End the parent run: that of a study that is over when its last trial ended, others now."""
        self._interrupt_all()
        begun = self._client.get_run(self._parent).info.start_time
        over = outcome == "FINISHED" and self._last > begun
        self._client.set_terminated(self._parent, outcome, self._last if over else None)

    def _find_runs(self) -> str | None:
        """Collect the existing children, one per trial, and return the parent's id, or None.

        Unfinished trials whose runs are still RUNNING are not running: this is the study's only writer, and it begins.
        """
        parent = None
        for run in self._search():
            if run.data.tags.get("level") == "study":
                parent = parent or run.info.run_id
            elif run.data.tags.get("level") == "trial":
                self._adopt(run)
        self._interrupt_all()
        return parent

    def _interrupt_all(self) -> None:
        """End the runs of unfinished trials: no driver runs them."""
        for trial, child in self._children.items():
            if child.shown and child.status == "RUNNING":
                self._client.set_terminated(child.run_id, "KILLED")
                self._children[trial] = replace(child, status="KILLED")

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
        child = Child(run.info.run_id, tags.get("digest", ""), run.info.status)
        if trial in self._children or (child.shown and child.shown.epochs != self._epochs_of(run)):
            self._client.delete_run(run.info.run_id)
        else:
            self._children[trial] = child
            self._standings.adopt(run)

    def _epochs_of(self, run: Run) -> int:
        """Return how many epochs an unfinished trial's run has; it differs from its digest if its writer died."""
        keys = [key for key in run.data.metrics if key.startswith(("curve/", "system/"))]
        steps = {metric.step for key in keys for metric in self._client.get_metric_history(run.info.run_id, key)}
        return len(steps)

    def _create_parent(self) -> str:
        tags = {**common_tags(self._study), "level": "study"}
        return str(self._client.create_run(self._experiment, run_name=self._study.name, tags=tags).info.run_id)

    def _write_rows(self, rows: RunRows, records: Sequence[TrialRecord]) -> bool:
        """Write new runs at once; return whether the database took them. If not, MLflow's own calls show why."""
        plain = [(record, run) for record in records if (run := self._finished_run(record)).is_plain]
        try:
            ids = rows.write([run for _, run in plain], f"{self._artifacts}/{{}}/artifacts".format)
        except SQLAlchemyError:
            return False
        for (record, run), run_id in zip(plain, ids, strict=True):
            self._children[record.trial] = Child(run_id, run.tags["digest"], run.status)
        return True

    def _finished_run(self, record: TrialRecord, shown: Shown | None = None) -> RunContents:
        """Return what a finished trial's run has; if its first epochs are shown already, without them."""
        end = milliseconds(record.finished)
        final = [Metric(key(name), value, end or 0, 0) for name, value in record.metrics.items()]  # drawn as a bar
        metrics = [*final, *curves(record, shown, end)]
        return self._contents(record, STATUS[record.state], end, digest(record), metrics)

    def _unfinished_run(self, record: TrialRecord, shown: Shown | None, at: datetime) -> RunContents:
        """Return what to add to an unfinished trial's run, and the tags that it then has."""
        now = milliseconds(at) or 0
        until = now if len(record.curve) > (shown or NOTHING).epochs else (shown or NOTHING).until
        digest = Shown.of(record.curve, until).as_tag
        return self._contents(record, UNFINISHED[record.state], None, digest, curves(record, shown, now))

    def _contents(
        self, record: TrialRecord, status: str, end: int | None, digest: str, metrics: Sequence[Metric]
    ) -> RunContents:
        identity = {"digest": digest, "level": "trial", "mlflow.parentRunId": self._parent}
        return RunContents(
            experiment=self._experiment,
            name=f"{record.trial:04d} {record.paradigm}",
            status=status,
            start_time=milliseconds(record.started) or end or 0,
            end_time=end,
            tags={**common_tags(self._study), **trial_tags(record), **identity},
            params=params(record),
            metrics=metrics,
        )

    def _create_child(self, trial: int, run: RunContents) -> Child:
        created = self._client.create_run(
            self._experiment, start_time=run.start_time, run_name=run.name, tags=dict(run.tags)
        )
        self._children[trial] = Child(created.info.run_id, run.tags["digest"])
        return self._children[trial]

    def _is_written(self, record: TrialRecord) -> bool:
        """Return whether a trial's run is complete; delete one that was written from another record."""
        child = self._children.get(record.trial)
        if child and not (child.shown.begins(record) if child.shown else child.digest == digest(record)):
            self._delete(record.trial)
            return False
        return child is not None and child.ended and child.shown is None

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

    def _log_means(self, records: Sequence[TrialRecord], means: Mapping[int, Sequence[Metric]]) -> None:
        """Let the runs of trials have exactly these means; a run that cannot lose others is written again."""
        for record in records:
            wanted = means.get(record.trial, [])
            if record.trial in self._children and record.state in TOLD and not self._take_means(record.trial, wanted):
                self._delete(record.trial)
                self.tell(record)
                self._take_means(record.trial, wanted)

    def _take_means(self, trial: int, means: Sequence[Metric]) -> bool:
        return self._standings.log_means(self._children[trial].run_id, means, self._rows)


def _first(records: Sequence[TrialRecord]) -> Sequence[TrialRecord]:
    """Return the first of `records`: at least one, and no more than can be written in about a second."""
    rows = accumulate(
        len(record.metrics) + sum(len(CURVES) + len(epoch.qualities) for epoch in record.curve) for record in records
    )
    return records[: max(1, sum(count <= ROWS_AT_ONCE for count in rows))]


def _batches(metrics: Sequence[Metric], params: Sequence[Param]) -> Iterator[tuple[Sequence[Metric], Sequence[Param]]]:
    many = [metrics[i : i + METRICS_PER_BATCH] for i in range(0, len(metrics), METRICS_PER_BATCH)]
    few = [params[i : i + PARAMS_PER_BATCH] for i in range(0, len(params), PARAMS_PER_BATCH)]
    yield from zip_longest(many, few, fillvalue=[])
