"""espalier in Python: what users import, under one name. Importing this imports nothing else until a name is used."""

from typing import TYPE_CHECKING

from trainables.faces import gathered

if TYPE_CHECKING:
    from orchestrator.networks.loading import load as load
    from orchestrator.networks.loading import load_file as load_file
    from orchestrator.networks.trial_export import TrialExport as TrialExport
    from orchestrator.networks.trial_export import export as export
    from orchestrator.report.study_figure import figure as figure
    from orchestrator.results.frame import front as front
    from orchestrator.results.frame import trials as trials
    from orchestrator.spec.choices import Range as Range
    from orchestrator.spec.spec_errors import StudyError as StudyError
    from orchestrator.spec.study_spec import Budget as Budget
    from orchestrator.spec.study_spec import Fidelity as Fidelity
    from orchestrator.spec.study_spec import Resources as Resources
    from orchestrator.spec.study_spec import Search as Search
    from orchestrator.spec.study_spec import StudySpec as StudySpec
    from orchestrator.store.store import Store as Store
    from orchestrator.study import extend as extend
    from orchestrator.study import launch as launch
    from orchestrator.study import resume as resume
    from orchestrator.sweep.observer import Outcome as Outcome
    from trainables.errors import EspalierError as EspalierError
    from trainables.errors import InvalidValue as InvalidValue
    from trainables.spec import DataSpec as DataSpec
    from trainables.spec import ModelSpec as ModelSpec
    from trainables.spec import TrainingSpec as TrainingSpec
    from trainables.tasks.base import Task as Task

__getattr__, __dir__ = gathered(
    __name__,
    {
        "orchestrator.networks.loading": "load load_file",
        "orchestrator.networks.trial_export": "TrialExport export",
        "orchestrator.report.study_figure": "figure",
        "orchestrator.results.frame": "front trials",
        "orchestrator.spec.choices": "Range",
        "orchestrator.spec.spec_errors": "StudyError",
        "orchestrator.spec.study_spec": "Budget Fidelity Resources Search StudySpec",
        "orchestrator.store.store": "Store",
        "orchestrator.study": "extend launch resume",
        "orchestrator.sweep.observer": "Outcome",
        "trainables.errors": "EspalierError InvalidValue",
        "trainables.spec": "DataSpec ModelSpec TrainingSpec",
        "trainables.tasks.base": "Task",
    },
)
