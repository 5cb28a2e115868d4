"""Create, upgrade and correct an MLflow database: ``python -m orchestrator.tracking.database_setup FILE ARTIFACTS``.

MLflow changes the schema in dozens of steps that are not one transaction. Two programs that do so at once, or one that
is killed meanwhile, leave a database that no MLflow can read: hence the lock, and a temporary name for a new database.
"""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from mlflow import MlflowClient
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from orchestrator.tracking import database_template
from orchestrator.tracking.database import Database, DatabaseUnusable


def set_up(database: Database) -> None:
    """Create a database or make an existing one ready for this MLflow and this store; raises DatabaseUnusable."""
    with database.locked():
        database.check()
        try:
            if not database.exists:
                with database.being_made() as new, _closed_afterwards():
                    copied = database_template.copy(new)
                    if not copied:
                        _open(new)
                if not copied:
                    database_template.keep(database)
            _open(database)
            database.relocate()
        except Exception as error:  # MLflow, Alembic, SQLAlchemy, SQLite and the file system each raise their own
            raise DatabaseUnusable(database.path, error) from error
        database.write_mark(version("mlflow"))


def _open(database: Database) -> None:
    """Let MLflow open a database, which creates or upgrades its tables."""
    MlflowClient(database.uri).search_experiments(max_results=1)


@contextmanager
def _closed_afterwards() -> Iterator[None]:
    """Close all connections that the block opens.

    MLflow keeps its connections. SQLite tells files by their inode, so a process that renames a database it has open
    would go on with the shared memory of the old name, unseen by other programs: each would overwrite the other.
    """
    engines: set[Engine] = set()

    def keep(connection: Connection) -> None:
        engines.add(connection.engine)

    event.listen(Engine, "engine_connect", keep)
    try:
        yield
    finally:
        event.remove(Engine, "engine_connect", keep)
        for engine in engines:
            engine.dispose()


@event.listens_for(Engine, "connect")
def _spare_the_disk(connection: object, _: object) -> None:
    """Make SQLite wait for the disk now and then, not six times per trial: losses by a power failure are rebuilt."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")


def main() -> None:
    """Set up a database; exit with status 1 and one line if that fails."""
    try:
        set_up(Database(Path(sys.argv[1]), Path(sys.argv[2])))
    except DatabaseUnusable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
