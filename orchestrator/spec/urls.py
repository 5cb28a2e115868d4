"""Check URLs that users write, and hide the secrets in them."""

import re
from collections.abc import Collection
from urllib.parse import SplitResult, parse_qsl, urlsplit

from trainables.errors import InvalidValue

_NOTHING = SplitResult("", "", "", "", "")


def masked(url: str, secrets: Collection[str] = ()) -> str:
    """Return a URL with stars in place of all that may be a password, which can contain any character.

    If the query has a field named in `secrets`, the whole query is replaced.
    """
    address, mark, query = re.sub(r"(://[^@:]*):[^@]*@.*@|(://[^@:]*):[^@]*@", r"\1\2:***@", url).partition("?")
    if any(name in secrets for name, _ in parse_qsl(query, keep_blank_values=True)):
        query = "***"
    return f"{address}{mark}{query}"


def check_port(url: str) -> None:
    """Raise InvalidValue if a URL names an impossible port."""
    hosts = split(url).netloc.rpartition("@")[2]  # several, separated by commas, if a server has replicas
    if any(not 0 < int(port) < 2**16 for port in re.findall(r":([0-9]+)(?=,|$)", hosts)):
        raise InvalidValue("", masked(url), "must name a port between 1 and 65535")


def split(url: str) -> SplitResult:
    """Return the parts of a URL; all are empty for a text that is no URL."""
    try:
        return urlsplit(url)
    except ValueError:
        return _NOTHING
