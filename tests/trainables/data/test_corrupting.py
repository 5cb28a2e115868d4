"""Training images under corruptions: which are drawn, alike for a seed, in any part of an epoch and after a resume."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.conftest import Interrupted, MemoryContext, computed
from tests.trainables.small_data import random_split
from trainables import data
from trainables.corruption.corruptions import corrupt
from trainables.data.batches import Batches
from trainables.data.corrupting import CorruptedEpoch, Corrupting, corrupting_for
from trainables.data.dataset import Split
from trainables.errors import InvalidValue
from trainables.spec import CorruptionSpec, DataSpec, ModelSpec, TrainingSpec, TrialSpec
from trainables.trial import run_trial

SHAPE = (1, 16, 16)
FOG_OR_NOISE = Corrupting((("fog", 2), ("gaussian_noise", 5)), 0.5)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batches(split: Split, corrupting: Corrupting | None, seed: int = 0) -> Batches:
    return Batches(
        split,
        (0.0,),
        (1 / 255,),  # so that normalised values are the pixels' own
        batch_size=8,
        augment=None,
        channels_last=False,
        device="cpu",
        generator=generator(seed),
        corrupt=corrupting,
    )


def test_a_share_of_the_images_is_corrupted_and_all_conditions_alike() -> None:
    spec = CorruptionSpec(kinds=("fog", "snow"), severity=(2, 4), share=0.3)
    drawn = corrupting_for(spec, SHAPE).draw(20_000, generator())
    counts = Counter(drawn.drawn.tolist())
    assert drawn.conditions == tuple((kind, severity) for kind in ("fog", "snow") for severity in (2, 3, 4))
    assert counts.pop(-1) == pytest.approx(14_000, rel=0.03)
    assert sorted(counts) == list(range(6))
    assert all(count == pytest.approx(1000, rel=0.15) for count in counts.values())


def test_an_image_is_clean_or_as_evaluation_would_corrupt_it() -> None:
    split = random_split(40, shape=SHAPE)
    epoch, numbers = FOG_OR_NOISE.draw(40, generator()), torch.randperm(40, generator=generator(1))
    images = split.images[numbers]
    corrupted = epoch.apply(images, numbers, slice(0, 40))
    assert {-1, 0, 1} == set(epoch.drawn.tolist())
    for index, (image, number) in enumerate(zip(images, numbers, strict=True)):
        drawn = int(epoch.drawn[index])
        wanted = image[None] if drawn < 0 else corrupt(image[None], number[None], *epoch.conditions[drawn], epoch.seed)
        assert torch.equal(corrupted[index], wanted[0])


def test_parts_of_an_epoch_are_those_of_the_whole() -> None:
    split, numbers = random_split(20, shape=SHAPE), torch.arange(20)
    epoch = FOG_OR_NOISE.draw(20, generator())
    whole = epoch.apply(split.images, numbers, slice(0, 20))
    parts = [slice(0, 7), slice(7, 8), slice(8, 20)]
    assert torch.equal(whole, torch.cat([epoch.apply(split.images[part], numbers[part], part) for part in parts]))


def test_an_epoch_that_is_resumed_gives_the_same_images_and_the_next_one_others() -> None:
    split = random_split(40, shape=SHAPE)
    training, resumed = batches(split, FOG_OR_NOISE), batches(split, FOG_OR_NOISE)
    first, second = ([images for images, _ in training] for _ in range(2))
    rest = [images for images, _ in resumed.epoch(skip=2)]
    assert all(torch.equal(a, b) for a, b in zip(first[2:], rest, strict=True))
    assert all(torch.equal(a, b) for a, (b, _) in zip(second, resumed, strict=True))
    assert not torch.equal(torch.cat(first).sort(0).values, torch.cat(second).sort(0).values)


def test_the_first_epoch_has_its_images_in_the_order_that_it_has_without_corruptions() -> None:
    split = random_split(40, shape=SHAPE)
    pairs = zip(batches(split, None), batches(split, FOG_OR_NOISE), strict=True)
    changed = [int((clean != images).flatten(1).any(1).sum()) for (clean, a), (images, b) in pairs if torch.equal(a, b)]
    assert len(changed) == 5
    assert 0 < sum(changed) < 40


def test_corrupting_leaves_the_split_as_it_was() -> None:
    split = random_split(10, shape=SHAPE)
    before = split.images.clone()
    list(batches(split, Corrupting((("contrast", 5),), 1.0)))
    assert torch.equal(split.images, before)


@pytest.mark.parametrize(("kind", "shape"), [("motion_blur", (1, 8, 8)), ("saturate", (1, 32, 32))])
def test_images_that_do_not_fit_a_kind_are_refused(kind: str, shape: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidValue, match=rf"corruptions\.kinds = '{kind}': needs images of .* leave it out"):
        corrupting_for(CorruptionSpec(kinds=("fog", kind)), shape)


def test_data_without_images_are_refused() -> None:
    spec = DataSpec(name="tabular", corruptions=CorruptionSpec(kinds=("gaussian_noise",)))
    with pytest.raises(InvalidValue, match=r"corruptions.*is for images, and tabular has none"):
        data.check(spec)


def test_an_interrupted_trial_trains_on_the_same_corruptions(tmp_path: Path) -> None:
    spec = TrialSpec(
        data=DataSpec(name="digits", subset=60, corruptions=CorruptionSpec(kinds=("fog", "shot_noise"))),
        model=ModelSpec(name="digits_cnn", options={"widths": [4, 4, 8]}),
        training=TrainingSpec(batch_size=20, precision="float32"),
        paradigm="dense",
        epochs=2,
    )
    whole = MemoryContext(tmp_path / "whole")
    run_trial(spec, whole)
    stopped = MemoryContext(tmp_path / "first", stop_after=1)
    with pytest.raises(Interrupted):
        run_trial(spec, stopped)
    resumed = MemoryContext(tmp_path / "second", resume_from=stopped.checkpoints[-1])
    run_trial(spec, resumed)
    assert computed(resumed.reports[-1]) == computed(whole.reports[-1])
    clean = MemoryContext(tmp_path / "clean")
    run_trial(replace(spec, data=replace(spec.data, corruptions=None)), clean)
    assert clean.reports[-1].metrics["loss"] != whole.reports[-1].metrics["loss"]


def test_no_image_is_corrupted_where_none_was_drawn() -> None:
    split = random_split(4, shape=SHAPE)
    epoch = CorruptedEpoch((("fog", 1),), torch.full((4,), -1), seed=0)
    assert torch.equal(epoch.apply(split.images, torch.arange(4), slice(0, 4)), split.images)
