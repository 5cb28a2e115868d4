"""Hyper-parameters of paradigm and of training, and the one name that each has in a record."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.params import Params
from trainables.spec import ModelSpec, TrainingSpec

NAMES = st.text("abc_", min_size=1, max_size=6)
VALUES = st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5))


@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_what_a_record_names_is_read_again(paradigm: dict[str, bool | float | str], training: dict[str, float]) -> None:
    params = Params(paradigm, training)
    assert Params.of(params.named) == params
    assert len(params.named) == len(paradigm) + len(training)


def test_training_is_what_the_study_says_but_for_what_is_searched() -> None:
    params = Params.of({"sparsity": 0.5, "training.lr": 0.3})
    assert params.trained(TrainingSpec(momentum=0.5)) == TrainingSpec(momentum=0.5, lr=0.3)
    assert params.completed(TrainingSpec(momentum=0.5), ["lr", "momentum"]).named == {
        "sparsity": 0.5,
        "training.lr": 0.3,
        "training.momentum": 0.5,
    }


def test_a_paradigm_gets_its_own_values_alone() -> None:
    assert vars(Params.of({"sparsity": 0.25, "training.lr": 0.3}).create("magnitude"))["sparsity"] == 0.25


NETWORKS = (ModelSpec(name="mlp"), ModelSpec(name="resnet56", options={"width": 0.5}))


def test_a_trial_names_its_network_and_options_of_it() -> None:
    params = Params.of({"sparsity": 0.5, "model": "resnet56(width=0.5)", "model.depth": 3})
    assert params.network(NETWORKS) == ModelSpec(name="resnet56", options={"width": 0.5, "depth": 3})
    assert Params.of(params.named) == params
    assert params.paradigm == {"sparsity": 0.5}


def test_searched_entries_stand_in_the_list_of_the_network() -> None:
    network = ModelSpec(name="digits_cnn", options={"widths": [32, 32, 64]})
    params = Params.of({"model.widths.1": 20, "model.widths.2": 8})
    assert params.network([network]).options == {"widths": [32, 20, 8]}
    assert network.options == {"widths": [32, 32, 64]}
    assert Params.of(params.named) == params


def test_a_trial_of_a_study_with_one_network_has_that_one() -> None:
    params = Params.of({"sparsity": 0.5})
    assert params.network(NETWORKS[1:]) == NETWORKS[1]
    assert params.in_network("mlp").network(NETWORKS) == NETWORKS[0]
    assert params.in_network("mlp").in_network("resnet56(width=0.5)").model == "mlp"
