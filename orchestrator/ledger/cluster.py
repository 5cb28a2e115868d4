"""The state of the cluster that a study runs on, as the ledger stores it; reading it needs no Ray."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Node:
    """A live node and its total resources."""

    address: str
    cpus: float
    gpus: float


@dataclass(frozen=True, kw_only=True)
class ClusterState:
    """The live nodes, the number of dead ones, and the resources in use by anyone's work."""

    nodes: tuple[Node, ...]
    gone: int
    cpus_in_use: float
    gpus_in_use: float

    @property
    def cpus(self) -> float:
        return sum(node.cpus for node in self.nodes)

    @property
    def gpus(self) -> float:
        return sum(node.gpus for node in self.nodes)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "ClusterState":
        """Return the state from what `asdict` returned."""
        return cls(**{**plain, "nodes": tuple(Node(**node) for node in plain["nodes"])})


@dataclass(frozen=True)
class Noted:
    """The state of a cluster since `since`, and the address of the node on which each unfinished trial last ran."""

    state: ClusterState
    since: datetime
    places: Mapping[int, str]
