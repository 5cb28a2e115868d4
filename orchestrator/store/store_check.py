"""Check before the first trial that a study can be run in a store."""

import tempfile
from pathlib import Path

from orchestrator.spec.ledger_url import FILE
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.tracking_url import STORE
from orchestrator.store.disk import is_full
from orchestrator.store.store import Store
from orchestrator.store.store_url import KEY
from trainables.errors import InvalidValue


def check(spec: StudySpec, store: Store) -> None:
    """Raise InvalidValue if a store cannot be written, or cannot hold the study's ledger or MLflow database.

    These need files that grow and locks, and an object storage has neither.
    """
    if store.remote is None:
        _check_folder(store.root)
        return
    if spec.ledger == FILE:
        allowed = f"cannot lie in {store.place}; write `ledger: postgresql://USER@HOST:PORT/DATABASE` in the study file"
        raise InvalidValue("ledger", spec.ledger, allowed)
    if spec.tracking == STORE:
        server = "`tracking: http://HOST:PORT`, the address of an MLflow server, or `tracking: none`"
        allowed = f"cannot lie in {store.place}; write {server} in the study file"
        raise InvalidValue("tracking", spec.tracking, allowed)
    store.remote.check()


def _check_folder(root: Path) -> None:
    """Try the folder or its nearest existing parent, so that a study refused later leaves nothing behind."""
    nearest = next(folder for folder in (root, *root.parents) if folder.exists() or folder.is_symlink())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as trouble:
        if not is_full(trouble):  # the study itself explains a full disk better
            allowed = f"cannot be written: {trouble.strerror}; name a folder in which you may write"
            raise InvalidValue(KEY, str(root), allowed) from None
