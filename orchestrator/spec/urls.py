"""URLs that users write, and what of them may be shown."""

import re
from collections.abc import Collection
from urllib.parse import SplitResult, parse_qsl, urlsplit

_NOTHING = SplitResult("", "", "", "", "")


def masked(url: str, secrets: Collection[str] = ()) -> str:
    """Return a URL with stars where it holds a password, and where it might: a password can have any sign in it.

    If the query has a field that `secrets` names, all of the query is replaced.
    """
    address, mark, query = re.sub(r"(://[^@:]*):[^@]*@.*@|(://[^@:]*):[^@]*@", r"\1\2:***@", url).partition("?")
    if any(name in secrets for name, _ in parse_qsl(query, keep_blank_values=True)):
        query = "***"
    return f"{address}{mark}{query}"


def split(url: str) -> SplitResult:
    """Return the parts of a URL; they are empty where it is none."""
    try:
        return urlsplit(url)
    except ValueError:
        return _NOTHING
