"""What a user writes: the study file or the `StudySpec`, checked as a whole, and its history."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from orchestrator.spec.choices import Range as Range
    from orchestrator.spec.spec_errors import StudyError as StudyError
    from orchestrator.spec.study_spec import Budget as Budget
    from orchestrator.spec.study_spec import Constraint as Constraint
    from orchestrator.spec.study_spec import Elastic as Elastic
    from orchestrator.spec.study_spec import Failures as Failures
    from orchestrator.spec.study_spec import Fidelity as Fidelity
    from orchestrator.spec.study_spec import Resources as Resources
    from orchestrator.spec.study_spec import Search as Search
    from orchestrator.spec.study_spec import StudySpec as StudySpec

__getattr__ = lazily(
    __name__,
    choices="Range",
    study_spec="Budget Constraint Elastic Failures Fidelity Resources Search StudySpec",
    spec_errors="StudyError",
)
