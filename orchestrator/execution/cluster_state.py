"""The cluster that a study runs on, as Ray shows it to the driver."""

from collections.abc import Mapping

from orchestrator.ledger.cluster import ClusterState, Node


def look() -> ClusterState:
    """Return the state of the cluster, as Ray reports it."""
    import ray

    known = ray.nodes()
    alive = sorted((node for node in known if node["Alive"]), key=lambda node: str(node["NodeManagerAddress"]))
    total, free = ray.cluster_resources(), ray.available_resources()
    return ClusterState(
        nodes=tuple(
            Node(node["NodeManagerAddress"], node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0))
            for node in alive
        ),
        gone=len(known) - len(alive),
        cpus_in_use=_in_use("CPU", total, free),
        gpus_in_use=_in_use("GPU", total, free),
    )


def _in_use(kind: str, total: Mapping[str, float], free: Mapping[str, float]) -> float:
    return max(0.0, round(total.get(kind, 0.0) - free.get(kind, 0.0), 3))  # Ray's sums of shares are not exact
