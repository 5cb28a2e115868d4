"""How a study file says where its ledger lies: in a file of the study's folder, or on a PostgreSQL server."""

import re
from typing import Final
from urllib.parse import parse_qsl

from trainables.errors import InvalidValue

FILE: Final = "file"
SCHEMES: Final = ("postgresql", "postgres")

_SECRETS: Final = ("password", "sslpassword", "oauth_client_secret")
"""What libpq would take from a URL and nobody should write into a file that others read."""

_HOW: Final = (
    "must not hold a password, which would be stored with the study for all to read: "
    "put it into PGPASSWORD, ~/.pgpass, or a service that PGSERVICE names"
)


def check_ledger(value: str) -> str:
    """Return `value` if it says where a ledger can lie; raises InvalidValue, in which no password is shown."""
    if value == FILE:
        return value
    shown = masked(value)
    if shown != value:
        raise InvalidValue("", shown, _HOW)
    if not value.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
        raise InvalidValue("", value, f"must be {FILE}, or postgresql://USER@HOST:PORT/DATABASE")
    return value


def masked(url: str) -> str:
    """Return a URL with stars where it holds a secret, and where it might: a password can have any sign in it."""
    address, mark, query = re.sub(r"(://[^@:]*):[^@]*@.*@|(://[^@:]*):[^@]*@", r"\1\2:***@", url).partition("?")
    if any(name in _SECRETS for name, _ in parse_qsl(query, keep_blank_values=True)):
        query = "***"
    return f"{address}{mark}{query}"
