"""What a node runs: every node of a cluster must run what the driver does."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from trainables.errors import InvalidValue

PACKAGES: Final = ("torch", "torchvision", "torch-pruning", "numpy", "ray")
"""Packages whose releases decide what a trial computes, or whether it runs at all."""

OWN: Final = ("trainables", "search_spaces", "orchestrator")

SECONDS: Final = 60
"""How long a node may take to report what it runs: a process has to start there."""


def software() -> dict[str, str]:
    """Return what is installed where this runs: releases, and of our own code, which changes between them, a hash.

    A build for other hardware, such as ``2.13.0+cu130``, is the same release.
    """
    return {**{name: _release(name) for name in PACKAGES}, "espalier": _hash_of_our_code()}


def check_nodes(address: str) -> None:
    """Raise InvalidValue, naming the node, if one of the connected cluster's does not run what this process runs."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here, task = software(), ray.remote(num_cpus=0)(software)
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    asked = {
        where: task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote()
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
    digest = hashlib.sha256()
    for package in OWN:
        found = find_spec(package)
        assert found is not None
        assert found.origin is not None
        for file in sorted(Path(found.origin).parent.rglob("*.py")):
            digest.update(file.read_bytes())
    return f"{version('espalier')} with the code {digest.hexdigest()[:10]}"


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
