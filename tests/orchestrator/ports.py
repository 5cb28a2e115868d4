"""Ports for servers that tests start."""

import random
import socket
from typing import Final

BELOW_CLIENTS: Final = range(20_000, 32_000)
"""Ports that Linux gives to no client: one that asks for a server that does not listen yet could meet itself."""


def free_port(following: int = 0) -> int:
    """Return a port of loopback that nobody listens on, nor on so many after it."""
    while True:
        port = random.choice(BELOW_CLIENTS)
        if all(map(_is_free, range(port, port + following + 1))):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
