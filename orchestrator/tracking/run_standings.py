"""Brings tags and metrics of trials' runs that say where the trials stand up to date, with few writes."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from mlflow import MlflowClient
from mlflow.entities import Metric, Run
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.tracking.front_marks import marks_of, means_of, must_go
from orchestrator.tracking.run_rows import RunRows, TagChange


class RunStandings:
    """What runs show of the front, by their ids: the tags `marks`, and means over seeds.

    Each method takes the tables of the database if it is at hand; otherwise MLflow's own calls do what they can.
    """

    def __init__(self, client: MlflowClient) -> None:
        self._client = client
        self._marks: dict[str, Mapping[str, str]] = {}
        self._means: dict[str, Mapping[str, float]] = {}

    def adopt(self, run: Run) -> None:
        """Note what a run shows that is there already."""
        self._marks[run.info.run_id] = marks_of(run.data.tags)
        self._means[run.info.run_id] = means_of(run.data.metrics)

    def shows_means(self, run: str) -> bool:
        return bool(self._means.get(run))

    def mark(self, wanted: Mapping[str, Mapping[str, str]], rows: RunRows | None) -> None:
        """Let runs have exactly these tags of the front."""
        changes = [
            TagChange(run, tag, tags.get(tag))
            for run, tags in wanted.items()
            for tag in {**self._marks.get(run, {}), **tags}
            if self._marks.get(run, {}).get(tag) != tags.get(tag)
        ]
        if not _write_tags(changes, rows):
            for one in changes:
                if one.value is None:
                    self._client.delete_tag(one.run, one.tag)
                else:
                    self._client.set_tag(one.run, one.tag, one.value)
        self._marks.update(wanted)

    def log_means(self, run: str, means: Sequence[Metric], rows: RunRows | None) -> bool:
        """Let a run have exactly these means; return whether that was possible: MLflow's own calls remove no metric."""
        shown, wanted = self._means.get(run, {}), {metric.key: metric.value for metric in means}
        if shown == wanted:
            return True
        if must_go(shown, means) and not _forget(run, list(shown), rows):
            return False
        if means:
            self._client.log_batch(run, metrics=means)
        self._means[run] = wanted
        return True


def _write_tags(changes: Sequence[TagChange], rows: RunRows | None) -> bool:
    """Change tags at once; return whether the database took it."""
    if rows is not None:
        with suppress(SQLAlchemyError):
            rows.mark(changes)
            return True
    return False


def _forget(run: str, metrics: Sequence[str], rows: RunRows | None) -> bool:
    """Remove metrics of a run; return whether the database took it."""
    if rows is not None:
        with suppress(SQLAlchemyError):
            rows.forget(run, metrics)
            return True
    return False
