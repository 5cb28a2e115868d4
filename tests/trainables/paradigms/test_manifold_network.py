"""Manifold network: its own network, and its sweeps."""

from trainables import paradigms
from trainables.paradigms.manifold_network import ManifoldNetwork
from trainables.recipes.in_training import SolveLayers
from trainables.recipes.recipe import Remove, Train
from trainables.spec import ModelSpec, Value


def test_the_network_follows_from_its_hyper_parameters_alone() -> None:
    values: dict[str, Value] = {"width": 30, "layers": 2, "activation": "tanh", "rank": 4}
    expected = ModelSpec(name="mlp", options={"widths": [30, 30], "activation": "tanh", "rank": 4})
    for given in (ModelSpec(name="resnet20", weights="imagenet"), expected):
        assert paradigms.network("manifold_network", values, given) == expected


def test_an_epoch_is_a_sweep_and_no_more_are_made_than_asked_for() -> None:
    (stage,) = ManifoldNetwork(sweeps=5, ridge=0.01).recipe(8)
    assert stage == Train(5, during=SolveLayers(sweeps=5, ridge=0.01))
    assert ManifoldNetwork(sweeps=5).recipe(3)[0] == Train(3, during=SolveLayers(sweeps=3))


def test_pruned_units_are_removed_and_a_trial_is_judged_by_the_sweep_that_prunes() -> None:
    pruned = ManifoldNetwork(sweeps=4, sparsity=0.5)
    assert pruned.recipe(8)[-1] == Remove()
    assert pruned.judged_from(8) == 1.0
    assert ManifoldNetwork(sweeps=4).judged_from(8) == 1 / 4
