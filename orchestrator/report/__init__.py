"""The report of a study: one page that works offline."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from orchestrator.report.report import write_report as write_report

__getattr__ = lazily(
    __name__,
    report="write_report",
)
