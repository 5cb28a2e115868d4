"""What every granularity is given: names, density, scores of what is dead."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.trainables.stages import a_trial
from trainables import granularities
from trainables.granularities.base import Granularity, Scores
from trainables.masking.masks import prunable_weights
from trainables.methods.pruning import prune
from trainables.recipes.recipe import Prune
from trainables.state import LiveTrial


@dataclass(frozen=True)
class Halves(Granularity):
    """The two halves of a layer's outputs."""

    names: ClassVar = ("halves",)

    def sum(self, values: Tensor) -> Tensor:
        return torch.stack([half.sum() for half in values.chunk(2)])

    def spread(self, pieces: Tensor, shape: torch.Size) -> Tensor:
        halves = pieces.repeat_interleave(shape[0] // 2).view(-1, *[1] * (len(shape) - 1))
        return halves.expand(shape)

    def decide(self, trial: LiveTrial, stage: Prune, scores: Scores) -> dict[str, Tensor]:  # noqa: ARG002 - any granularity's
        shapes = {name: weight.shape for name, weight in prunable_weights(trial.model).items()}
        return {name: self.spread((score == score.max()).float(), shapes[name]) for name, score in scores.items()}


def test_a_name_of_its_own_is_understood_and_no_other() -> None:
    assert Halves.parse("halves") == Halves()
    assert Halves.parse("half") is None


@given(st.floats(0, 1))
def test_density_is_free_and_nothing_is_removed_unless_a_kind_says_otherwise(asked: float) -> None:
    assert Halves().density(asked) == asked
    assert not Halves.removes


def test_dead_pieces_rank_below_everything_and_the_others_keep_their_scores(tmp_path: Path) -> None:
    trial = a_trial(tmp_path)
    pieces = {"a": torch.tensor([3.0, -5.0]), "b": torch.tensor([1.0, 2.0])}
    scores = Halves().score(trial, Prune(0.5), pieces, {"a": torch.tensor([True, False])})
    assert scores["a"].tolist() == [-math.inf, -5.0]
    assert torch.equal(scores["b"], pieces["b"])


def test_three_methods_are_all_that_a_granularity_must_bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = a_trial(tmp_path)
    sizes = {name: Halves().sum(weight.detach().abs()) for name, weight in prunable_weights(trial.model).items()}
    monkeypatch.setattr(granularities, "find", lambda _: Halves())
    prune(trial, Prune(0.5, granularity="halves"))
    for name, mask in trial.weight_masks.items():
        kept = [bool(half.all()) for half in mask.chunk(2)]
        assert kept == (sizes[name] == sizes[name].max()).tolist()
