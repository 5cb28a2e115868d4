"""The memory of a study: what was asked, what came back, what was spent; and its records as others read them."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from orchestrator.ledger.failures import Failure as Failure
    from orchestrator.ledger.ledger import read as read
    from orchestrator.ledger.records import State as State
    from orchestrator.ledger.records import TrialRecord as TrialRecord

__getattr__ = lazily(
    __name__,
    records="State TrialRecord",
    failures="Failure",
    ledger="read",
)
