"""What every criterion must do."""

import pytest
import torch
from torch import nn

from tests.trainables.tiny_networks import ARCHITECTURES, CLASSES, flatten, network, scoring
from trainables import granularities
from trainables.errors import InvalidValue
from trainables.masking import criteria
from trainables.masking.criteria import CRITERIA, RETURNING
from trainables.masking.masks import prunable_weights

every_criterion = pytest.mark.parametrize("name", CRITERIA)
every_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


@every_criterion
@pytest.mark.parametrize(
    ("architecture", "granularity"),
    [
        ("mlp", "filter"),
        ("mlp", "block_4"),
        ("digits_cnn", "weight"),
        ("digits_cnn", "2:4"),
        ("digits_cnn", "block_4"),
        ("resnet20", "filter"),
        ("resnet20", "layer"),
    ],
)
def test_every_piece_has_a_finite_score(name: str, architecture: str, granularity: str) -> None:
    model = network(architecture)
    scores = criteria.find(name)(scoring(model, granularity))
    assert list(scores) == list(prunable_weights(model))
    for key, weight in prunable_weights(model).items():
        assert scores[key].shape == granularities.find(granularity).sum(weight).shape
        assert torch.isfinite(scores[key]).all()
        assert not scores[key].requires_grad
    assert flatten(scores).unique().numel() > 1


@every_criterion
@every_architecture
def test_scoring_leaves_the_network_as_it_was(name: str, architecture: str) -> None:
    model = network(architecture)
    model.train()
    first = next(model.children())
    first.eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    criteria.find(name)(scoring(model))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [module.training for module in model.modules() if module is not first] == [True] * (
        len(list(model.modules())) - 1
    )
    assert not first.training
    assert all(parameter.grad is None for parameter in model.parameters())


@every_criterion
def test_the_same_seed_gives_the_same_scores(name: str) -> None:
    model = network("digits_cnn")
    first, second = (flatten(criteria.find(name)(scoring(model))) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("name", sorted(CRITERIA.keys() - RETURNING - {"random"}))
def test_what_is_masked_is_worth_nothing(name: str) -> None:
    model = network("digits_cnn")
    with torch.no_grad():
        model.conv2.weight[:, :8] = 0  # type: ignore[union-attr, operator]
    assert not criteria.find(name)(scoring(model))["conv2.weight"][:, :8].any()


def test_an_unknown_criterion_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InvalidValue, match="did you mean 'magnitude'"):
        criteria.find("magnitud")


@every_criterion
@pytest.mark.parametrize("granularity", ["weight", "block_4"])
def test_attention_is_scored_with_its_input_projections(name: str, granularity: str) -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0, batch_first=True)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 4, 4), nn.Flatten(2), Transposed(), layer, nn.Flatten(), nn.Linear(32, CLASSES)
    )
    scores = criteria.find(name)(scoring(model.double(), granularity))
    assert "3.self_attn.in_proj_weight" in scores
    assert all(torch.isfinite(score).all() and score.any() for score in scores.values())


class Transposed(nn.Module):
    """Turns channels by position into a sequence of tokens."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2)
