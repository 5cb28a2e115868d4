"""A driver process for tests: ``python -m tests.orchestrator.driver STORE SPEC.yaml RUN``, gone on with if it exists.

With a study's NAME instead of a file the study is resumed.

Prints a line when the study starts, one for each change of a trial's state, and how it ended.
"""

import sys

from orchestrator import study
from orchestrator.ledger.records import TrialRecord
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store, StudyFolder


class Lines:
    """Prints what it is told, at once."""

    def started(self, spec: StudySpec, folder: StudyFolder, total: int) -> None:
        print("started", spec.name, total, folder.path, flush=True)

    def updated(self, record: TrialRecord) -> None:
        print(record.state.value, record.trial, len(record.curve), flush=True)

    def finished(self, outcome: study.Outcome) -> None:
        print("interrupted" if outcome.interrupted else "finished", flush=True)


if __name__ == "__main__":
    store, spec, run = sys.argv[1:]
    if spec.endswith(".yaml"):
        study.launch(StudySpec.load(spec), Store.at(store), observer=Lines(), exist_ok=True, run=run)
    else:
        study.resume(spec, Store.at(store), observer=Lines(), run=run)
