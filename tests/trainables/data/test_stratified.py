"""Draws in proportion to the classes, the same on every platform."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.data.stratified import draw


@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=200),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
def test_a_draw_is_exact_and_gives_every_class_its_share(labels: list[int], share: float, seed: int) -> None:
    classes = torch.tensor(labels)
    count = round(share * len(labels))
    drawn = draw(classes, count, seed)
    assert drawn.sum() == count
    for label in set(labels):
        members = classes == label
        assert abs(int((drawn & members).sum()) - count * int(members.sum()) / len(labels)) < 1


def test_a_seed_means_the_same_draw_for_ever() -> None:
    assert draw(torch.arange(20) % 2, 6, seed=0).nonzero().flatten().tolist() == [2, 3, 8, 11, 13, 18]


@given(labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 9), data=st.data())
def test_a_larger_draw_keeps_each_class_s_smaller_one_where_its_share_grew(
    labels: list[int], seed: int, data: st.DataObject
) -> None:
    classes = torch.tensor(labels)
    counts = sorted(data.draw(st.lists(st.integers(0, len(labels)), min_size=2, max_size=2)))
    few, many = (draw(classes, count, seed) for count in counts)
    for label in set(labels):
        members = classes == label
        if (many & members).sum() >= (few & members).sum():
            assert not (few & ~many & members).any()


@pytest.mark.parametrize("count", [0, 20])
def test_nothing_and_everything_can_be_drawn(count: int) -> None:
    assert draw(torch.arange(20) % 3, count, seed=5).sum() == count


def test_a_class_without_examples_takes_no_share() -> None:
    drawn = draw(torch.tensor([0, 0, 5, 5]), 2, seed=1)
    assert drawn[:2].sum() == drawn[2:].sum() == 1


def test_every_example_has_the_same_chance() -> None:
    labels = torch.arange(12) % 2
    drawn = torch.stack([draw(labels, 6, seed) for seed in range(400)]).float().mean(0)
    assert (drawn - 0.5).abs().max() < 0.12


def test_labels_that_are_no_classes_are_drawn_alike() -> None:
    numbers, texts = torch.rand(20), torch.zeros(20, 7, dtype=torch.int64)
    assert torch.equal(draw(numbers, 6, seed=3), draw(texts, 6, seed=3))
    assert draw(numbers, 6, seed=3).sum() == 6


def test_torch_s_own_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    draw(torch.arange(20) % 2, 6, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
