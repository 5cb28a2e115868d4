"""Where the files of studies lie: a folder, or a bucket with its mirror on this machine."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from orchestrator.store.remote import StoreLost as StoreLost
    from orchestrator.store.store import Store as Store
    from orchestrator.store.store import StudyFolder as StudyFolder

__getattr__ = lazily(
    __name__,
    store="Store StudyFolder",
    remote="StoreLost",
)
