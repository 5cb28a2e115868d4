"""What a study will take, before anything starts."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from orchestrator.plan.estimate import Plan as Plan
    from orchestrator.plan.estimate import make_plan as make_plan

__getattr__ = lazily(
    __name__,
    estimate="Plan make_plan",
)
