"""The state of a cluster survives the ledger's JSON."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.ledger.cluster import ClusterState, Node

AMOUNTS = st.integers(0, 64).map(float)
NODES = st.builds(Node, address=st.ip_addresses(v=4).map(str), cpus=AMOUNTS, gpus=AMOUNTS)
STATES = st.builds(
    ClusterState,
    nodes=st.lists(NODES, max_size=4).map(tuple),
    gone=st.integers(0, 9),
    cpus_in_use=AMOUNTS,
    gpus_in_use=AMOUNTS,
)


@settings(max_examples=30)
@given(STATES)
def test_a_state_read_from_json_equals_the_one_written(state: ClusterState) -> None:
    assert ClusterState.from_dict(json.loads(json.dumps(asdict(state)))) == state


@settings(max_examples=30)
@given(STATES)
def test_a_cluster_has_the_sum_of_its_live_nodes_resources(state: ClusterState) -> None:
    assert state.cpus == sum(node.cpus for node in state.nodes)
    assert state.gpus == sum(node.gpus for node in state.nodes)
    doubled = ClusterState(nodes=state.nodes * 2, gone=0, cpus_in_use=0.0, gpus_in_use=0.0)
    assert (doubled.cpus, doubled.gpus) == (2 * state.cpus, 2 * state.gpus)


def test_a_cluster_without_live_nodes_has_nothing() -> None:
    state = ClusterState(nodes=(), gone=3, cpus_in_use=0.0, gpus_in_use=0.0)
    assert (state.cpus, state.gpus) == (0, 0)


@pytest.mark.parametrize("key", ["nodes", "gone", "cpus_in_use", "gpus_in_use"])
def test_a_state_that_lacks_a_field_is_no_state(key: str) -> None:
    plain = asdict(ClusterState(nodes=(Node("10.0.0.1", 4, 1),), gone=0, cpus_in_use=1.0, gpus_in_use=0.0))
    del plain[key]
    with pytest.raises((KeyError, TypeError), match=key):
        ClusterState.from_dict(plain)
