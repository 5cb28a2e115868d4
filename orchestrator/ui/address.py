"""Where the pages of a store are served, and who may ask for them."""

import hmac
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Self
from urllib.parse import quote

METHODS: Final = ("GET", "HEAD")
"""The pages change nothing."""

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """A host and a port to listen on, and the token without which nothing is answered; None asks for none."""

    host: str
    port: int
    token: str | None = None

    @classmethod
    def of(cls, host: str, port: int, token: str | None = None) -> Self:
        """Return an address, with a token of its own wherever others than this machine can reach it."""
        return cls(host, port, token or (None if is_loopback(host) else secrets.token_urlsafe(24)))

    @property
    def url(self) -> str:
        """What to open in a browser; it holds the token."""
        named = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{named}:{self.port}/" + (f"?token={quote(self.token)}" if self.token else "")

    @property
    def cookie(self) -> str:
        """The name of the cookie with the token; browsers do not tell the ports of a host apart."""
        return f"espalier-{self.port}"

    def refusal(self, method: str, headers: Mapping[str, str]) -> str | None:
        """Return in a sentence why a request is not answered, whatever it asks for; None if it may be.

        A page of another site could lead a browser here, under a name of its own that means this machine.
        """
        if method not in METHODS:
            return f"Pages are only read: {', '.join(METHODS)}"
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_own(_name(host)):
            return "The host is none of this machine's: use the address that `espalier ui` has printed"
        is_link = headers.get("sec-fetch-mode", "navigate") == "navigate"
        if origin not in (None, f"http://{host}", f"https://{host}") or (
            headers.get("sec-fetch-site") == "cross-site" and not is_link
        ):
            return "Pages of other sites are answered nothing"
        return None

    def is_admitted(self, offered: str | None) -> bool:
        """Return whether a token opens the pages."""
        return self.token is None or hmac.compare_digest((offered or "").encode(), self.token.encode())

    def _is_own(self, name: str) -> bool:
        if name == "localhost" or is_loopback(name):
            return True
        if is_loopback(self.host):
            return False
        return name in {self.host, socket.gethostname(), socket.getfqdn()} or _is_number(name)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host."""
    return host == "localhost" or (_is_number(host) and ip_address(host).is_loopback)


def _is_number(host: str) -> bool:
    """Return whether a host is an address in numbers, which no site can take as its name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _name(host: str) -> str:
    """Return a Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
