"""A cluster that has no worker until trials want one: Ray's own autoscaler, over nodes that are only pretended."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from orchestrator.ledger import ledger
from orchestrator.ledger.records import State
from orchestrator.store.store import Store
from tests.fixtures import SEVERAL_NODES
from tests.orchestrator import small
from tests.scenarios.cluster.hosts import Host, two_hosts
from tests.scenarios.cluster.test_two_hosts import PORT, TOKEN, launch, write

pytestmark = SEVERAL_NODES

HEAD_ID: Final = "f" * 51 + "00000"
"""What Ray's provider of pretended machines calls the head."""


@pytest.fixture
def head() -> Iterator[Host]:
    """A head without processors, which may start two nodes of two."""
    with two_hosts() as (host, _):
        write(host.home / TOKEN, secrets.token_hex(16))
        write(host.home / "cluster.json", json.dumps(_cluster(host)))
        started = host.run(
            "ray",
            "start",
            "--head",
            f"--port={PORT}",
            f"--node-ip-address={host.address}",
            f"--autoscaling-config={host.home}/cluster.json",
            "--include-dashboard=false",
            "--num-cpus=0",
            "--object-store-memory=100000000",
            RAY_AUTH_MODE="token",
            RAY_TMPDIR=str(host.home),
            RAY_FAKE_CLUSTER="1",
            RAY_enable_autoscaler_v2="1",
            RAY_CLOUD_INSTANCE_ID=HEAD_ID,
            RAY_OVERRIDE_NODE_ID_FOR_TESTING=HEAD_ID,
            AUTOSCALER_UPDATE_INTERVAL_S="1",
        )
        assert started.returncode == 0, started.stdout + started.stderr
        yield host


def _cluster(host: Host) -> dict[str, object]:
    provider = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
    commands = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    return {
        "cluster_name": "pretended",
        "max_workers": 2,
        "idle_timeout_minutes": 1,
        "upscaling_speed": 1.0,
        "provider": {
            "type": "external",
            "module": provider,
            "launch_multiple": True,
            "head_node_id": HEAD_ID,
            "gcs_address": f"{host.address}:{PORT}",
        },
        "auth": {},
        "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {
                "resources": {"CPU": 2, "object_store_memory": 10**8},
                "node_config": {},
                "min_workers": 0,
                "max_workers": 2,
            },
        },
        "file_mounts": {},
        "cluster_synced_files": [],
        **{f"{kind}_commands": [] for kind in commands},
    }


def test_trials_bring_the_workers_that_they_want(head: Host, tmp_path: Path) -> None:
    refused, said = launch(head, small.study(resources={"cpus": 2}), tmp_path, "--address", "auto")
    assert (refused, "set resources.parallel" in said) == (2, True), said
    spec = small.study(trials=3, resources={"cpus": 2, "parallel": 2})
    status, said = launch(head, spec, tmp_path, "--address", "auto")
    assert status == 0, said
    records = ledger.read(Store(tmp_path / "store").study("small"))
    assert [record.state for record in records] == [State.COMPLETE] * 3
