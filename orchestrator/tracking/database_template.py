"""An empty database as this MLflow makes it, kept in the user's cache: making one takes four seconds of a processor."""

import shutil
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile

from orchestrator.store.store import cache_folder
from orchestrator.tracking.database import Database, DatabaseUnusable


def copy(new: Database) -> bool:
    """Fill a database that does not exist yet from the template; return False if there is none, or it is damaged."""
    try:
        shutil.copyfile(_template(), new.path)
        new.check()
    except (OSError, RuntimeError, DatabaseUnusable):  # RuntimeError: this user has no home
        new.path.unlink(missing_ok=True)
    return new.exists


def keep(made: Database) -> None:
    """Make the template of an empty database that nobody has open; do nothing where it cannot be written."""
    with suppress(OSError, RuntimeError):
        template = _template()
        template.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile(dir=template.parent, delete=False) as draft:
            shutil.copyfile(made.path, draft.name)
        Path(draft.name).replace(template)


def _template() -> Path:
    return cache_folder() / f"mlflow-{version('mlflow')}.db"
