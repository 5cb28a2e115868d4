"""What a user writes: the study file or the `StudySpec`, checked as a whole, and its history."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from orchestrator.spec.choices import Range as Range
    from orchestrator.spec.constraints import Constraint as Constraint
    from orchestrator.spec.sections import Budget as Budget
    from orchestrator.spec.sections import Elastic as Elastic
    from orchestrator.spec.sections import Failures as Failures
    from orchestrator.spec.sections import Fidelity as Fidelity
    from orchestrator.spec.sections import Resources as Resources
    from orchestrator.spec.sections import Search as Search
    from orchestrator.spec.spec_errors import StudyError as StudyError
    from orchestrator.spec.study_spec import StudySpec as StudySpec

__getattr__ = lazily(
    __name__,
    choices="Range",
    constraints="Constraint",
    sections="Budget Elastic Failures Fidelity Resources Search",
    study_spec="StudySpec",
    spec_errors="StudyError",
)
