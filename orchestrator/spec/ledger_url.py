"""Check where a study's ledger lies: in the study's folder, or on a PostgreSQL server."""

from typing import Final

from orchestrator.spec.urls import check_port, masked
from trainables.errors import InvalidValue

FILE: Final = "file"
SCHEMES: Final = ("postgresql", "postgres")

_SECRETS: Final = ("password", "sslpassword", "oauth_client_secret")
"""Secrets that libpq would take from a URL's query, but that must not be in a file that others read."""

_HOW: Final = (
    "must not hold a password, which would be stored with the study where others can read it: "
    "use PGPASSWORD, ~/.pgpass, or a service that PGSERVICE names"
)


def check_ledger(value: str) -> str:
    """Return `value` if it names a place for a ledger; raises InvalidValue, which shows no password."""
    if value == FILE:
        return value
    shown = masked(value, _SECRETS)
    if shown != value:
        raise InvalidValue("", shown, _HOW)
    if not value.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        raise InvalidValue("", value, f"must be {FILE}, or postgresql://USER@HOST:PORT/DATABASE")
    check_port(value)
    return value
