"""A configuration's digest tells whether two trials try the same."""

import json
from dataclasses import asdict

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from orchestrator.ledger.trial import Configuration, digest
from tests.orchestrator.drawn import FINITE, NAMES, TEXTS

CONFIGURATIONS = st.builds(
    Configuration,
    paradigm=NAMES,
    params=st.dictionaries(NAMES, st.booleans() | st.integers(-(2**40), 2**40) | FINITE | TEXTS, max_size=4),
    seed=st.integers(0, 2**31),
)


def plain(configuration: Configuration) -> str:
    return json.dumps(asdict(configuration), sort_keys=True)


@settings(max_examples=30)
@given(CONFIGURATIONS)
def test_a_digest_survives_json_and_does_not_depend_on_the_order_of_names(configuration: Configuration) -> None:
    read = Configuration(**json.loads(json.dumps(asdict(configuration))))
    assert digest(read) == digest(configuration)
    turned = dict(reversed(list(configuration.params.items())))
    assert digest(Configuration(configuration.paradigm, turned, configuration.seed)) == digest(configuration)


@settings(max_examples=30)
@given(CONFIGURATIONS, CONFIGURATIONS)
def test_different_configurations_have_different_digests(first: Configuration, second: Configuration) -> None:
    assume(plain(first) != plain(second))
    assert digest(first) != digest(second)


def test_paradigm_type_and_seed_count() -> None:
    configurations = [
        Configuration("magnitude", {"rounds": 1}, 0),
        Configuration("magnitude", {"rounds": 1.0}, 0),
        Configuration("magnitude", {"rounds": "1"}, 0),
        Configuration("magnitude", {"rounds": True}, 0),
        Configuration("magnitude", {"rounds": 1}, 1),
        Configuration("snip", {"rounds": 1}, 0),
        Configuration("magnitude", {}, 0),
    ]
    assert len({digest(configuration) for configuration in configurations}) == len(configurations)


def test_the_digest_of_a_stored_checkpoint_stays_what_it_was() -> None:
    """Seals of checkpoints hold it: another digest would make every stored checkpoint a stranger's."""
    assert digest(Configuration("magnitude", {"sparsity": 0.8, "scope": "global"}, 7)) == "3ee83cf0cfae75a9"
