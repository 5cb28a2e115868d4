"""A sweep in progress, independent of Ray: hands out trials, records their outcomes, notifies observers."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from orchestrator.sweep.observer import Observer as Observer
    from orchestrator.sweep.observer import Outcome as Outcome

__getattr__ = lazily(
    __name__,
    observer="Observer Outcome",
)
