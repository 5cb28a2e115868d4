"""A connection to a Ray cluster that others have started, or one sentence saying why there is none."""

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from orchestrator.execution import ray_internals
from orchestrator.execution.interruption import handlers_kept
from orchestrator.execution.software import check_nodes
from trainables.errors import InvalidValue

CLUSTER_PATIENCE: Final = 10
"""Seconds for each step towards a cluster. Ray by itself waits for minutes, and may end this process then."""

_TOKEN: Final = (
    "wants a token, and {}: put the one of the cluster (`ray get-auth-token` on its head prints it) into "
    "~/.ray/auth_token here, or name its file in RAY_AUTH_TOKEN_PATH"
)


@contextmanager
def connected(address: str, environment: Mapping[str, str], referred: Sequence[str] = ()) -> Iterator[None]:
    """Connect this process to the cluster at `address`, and give its workers these variables.

    `referred` are the packages, besides espalier's, of which all nodes must run the same.

    Raises InvalidValue if the cluster does not answer (at the latest after twice `CLUSTER_PATIENCE`), wants another
    token, does not count this machine among its nodes, or has a node that runs other software than this process.
    """
    import ray

    place = _find(address)
    _require_member(address, place)
    try:
        with handlers_kept():
            ray.init(place, log_to_driver=False, runtime_env={"env_vars": dict(environment)})
    except (ConnectionError, RuntimeError) as error:
        raise InvalidValue("address", address, f"cannot be used: {_in_one_line(error)}") from error
    try:
        check_nodes(address, referred)
        yield
    finally:
        ray.shutdown()


def _find(address: str) -> str:
    """Return the host and port of a cluster that accepts connections."""
    if "://" in address:
        allowed = "must be HOST:PORT or auto, on a node of the cluster; from elsewhere, `ray job submit` does that"
        raise InvalidValue("address", address, allowed)
    try:
        place, host, port = ray_internals.head_of(address)
    except ConnectionError:
        allowed = "finds no cluster on this machine: start one by `ray start --head`, or name one by HOST:PORT"
        raise InvalidValue("address", address, allowed) from None
    except ValueError as error:
        raise InvalidValue("address", address, f"must be HOST:PORT or auto ({error})") from None
    try:
        socket.create_connection((host, port), timeout=CLUSTER_PATIENCE).close()
    except OSError as error:
        allowed = (
            f"does not answer ({error}; at most {CLUSTER_PATIENCE} s were given): does its head run, at this port?"
        )
        raise InvalidValue("address", address, allowed) from None
    return place


def _require_member(address: str, place: str) -> None:
    """Raise InvalidValue if a cluster does not let this process in, or this machine is not among its nodes."""
    from ray.exceptions import AuthenticationError, RpcError

    try:
        try:
            nodes = ray_internals.nodes_at(place, CLUSTER_PATIENCE)
        except AuthenticationError:
            # Only now: of a cluster without a token, workers would not answer who speaks to them with one
            if not ray_internals.use_token_if_there_is_one():
                raise
            nodes = ray_internals.nodes_at(place, CLUSTER_PATIENCE)
    except AuthenticationError:
        raise InvalidValue("address", address, _TOKEN.format(_about_the_token())) from None
    except RpcError as error:
        raise InvalidValue("address", address, f"is not a healthy Ray head node ({_in_one_line(error)})") from error
    if not ray_internals.nodes_here() & nodes:
        allowed = (
            "does not have this machine among its nodes: join it by `ray start --address`, or use one of its nodes"
        )
        raise InvalidValue("address", address, allowed)


def _about_the_token() -> str:
    mode = os.environ.get("RAY_AUTH_MODE")
    if mode is None:
        return "there is none here"
    return "refuses the one that is here" if mode == "token" else f"RAY_AUTH_MODE is {mode} here"


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(": ")
