"""How wide and how dense the layers of finished trials are."""

from orchestrator.networks.layers import layers
from orchestrator.networks.loading import load_trained
from orchestrator.store.store import StudyFolder
from tests.orchestrator.trained import DENSE, FILTERS, WEIGHTS


def test_nothing_is_lost_from_a_dense_network(study: StudyFolder) -> None:
    kept = layers(load_trained(study, DENSE))
    assert len(kept) > 2
    assert all((layer.outputs, layer.weights) == (layer.outputs_before, layer.weights_before) for layer in kept)
    assert all(layer.density > 0.99 for layer in kept)


def test_removed_filters_make_layers_narrow_and_masks_make_them_sparse(study: StudyFolder) -> None:
    narrow, sparse = layers(load_trained(study, FILTERS)), layers(load_trained(study, WEIGHTS))
    assert sum(layer.outputs for layer in narrow) < sum(layer.outputs_before for layer in narrow)
    assert [layer.outputs for layer in sparse] == [layer.outputs_before for layer in sparse]
    total = sum(layer.weights_before for layer in sparse)
    assert abs(sum(layer.density * layer.weights_before for layer in sparse) / total - 0.1) < 0.02
