"""What a node runs: every node of a cluster must run what the driver does."""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Final

from trainables.code import code_of, digest
from trainables.errors import InvalidValue

PACKAGES: Final = ("torch", "torchvision", "torch-pruning", "numpy", "ray")
"""Packages whose releases decide what a trial computes, or whether it runs at all."""

OWN: Final = ("trainables", "search_spaces", "orchestrator")

SECONDS: Final = 60
"""How long a node may take to report what it runs: a process has to start there."""


def software(referred: Sequence[str] = ()) -> dict[str, str]:
    """Return what is installed where this runs: releases, and of code that changes between them, a hash.

    That is our own code, and the packages that a study is `referred` to. A build for other hardware, such as
    ``2.13.0+cu130``, is the same release.
    """
    released = {name: _release(name) for name in PACKAGES}
    return {**released, "espalier": _hash_of_our_code(), **{package: code_of(package) for package in referred}}


def check_nodes(address: str, referred: Sequence[str] = ()) -> None:
    """Raise InvalidValue, naming the node, if one of the connected cluster's does not run what this process runs."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here, task = software(referred), ray.remote(num_cpus=0)(software)
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    asked = {
        where: task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(referred)
        for node, where in nodes.items()
    }
    for where, answer in asked.items():
        try:
            there = ray.get(answer, timeout=SECONDS)
        except ray.exceptions.RayError as error:
            allowed = f"has a node, {where}, that does not run espalier ({_last_line(error)}); install it there"
            raise InvalidValue("address", address, allowed) from error
        if there != here:
            allowed = f"has a node, {where}, with {_differences(there, here)}; install the same on all nodes"
            raise InvalidValue("address", address, allowed)


def _differences(there: Mapping[str, str], here: Mapping[str, str]) -> str:
    return ", ".join(
        f"{name} {there[name]} where this one has {here[name]}" for name in here if there[name] != here[name]
    )


def _release(package: str) -> str:
    try:
        return version(package).partition("+")[0]
    except PackageNotFoundError:
        return "missing"


def _hash_of_our_code() -> str:
    files = chain.from_iterable(sorted(_folder(package).rglob("*.py")) for package in OWN)
    return f"{version('espalier')} with the code {digest(files)[:10]}"


def _folder(package: str) -> Path:
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
