"""The pages of studies and trials on the MLflow server beside a store; its database names them. Imports no MLflow."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from orchestrator.tracking.saved_views import address, run_address

_EXPERIMENT: Final = "SELECT experiment_id FROM experiments WHERE name = ? AND lifecycle_stage = 'active'"
_RUN: Final = """
SELECT run_uuid, runs.experiment_id FROM runs JOIN experiments USING (experiment_id) JOIN tags USING (run_uuid)
WHERE experiments.name = ? AND runs.lifecycle_stage = 'active' AND tags.key = 'trial' AND tags.value = ?
"""


@dataclass(frozen=True)
class RunLinks:
    """Where an MLflow server, at `server`, shows what is in a store's database."""

    database: Path
    server: str

    def study(self, name: str) -> str | None:
        """Return the page with a study's front; None if MLflow does not know the study (yet)."""
        row = self._row(_EXPERIMENT, name)
        return f"{self.server}/{address(row[0], 'front')}" if row else None

    def trial(self, study: str, trial: int) -> str | None:
        """Return the page of a trial's run; None if MLflow does not know it (yet)."""
        row = self._row(_RUN, study, str(trial))
        return f"{self.server}/{run_address(row[1], row[0])}" if row else None

    def _row(self, query: str, *values: str) -> Sequence[str] | None:
        uri = f"file:{quote(str(self.database))}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                row = connection.execute(query, values).fetchone()
        except sqlite3.Error:  # a database that is missing, damaged or being made has no pages
            return None
        return row and [str(value) for value in row]
