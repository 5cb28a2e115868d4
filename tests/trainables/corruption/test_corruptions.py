"""All nineteen kinds: alike in any batch, stronger with severity where the published are, refused where unfit.

published.csv holds mean and deviation of 48 pictures, and the root mean square of what changed, as the authors' own
functions gave them (benchmarks/cifar_c.py, imagecorruptions 1.1.2, scikit-image 0.26.0, OpenCV 5.0.0).
"""

import csv
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tests.trainables.corruption.pictures import pictures
from trainables.corruption.corruptions import KINDS, check, corrupt, with_uniform_noise
from trainables.corruption.kinds import KIND_NAMES, SEVERITIES
from trainables.errors import InvalidValue

IMAGES, NUMBERS = pictures(), torch.arange(12)
SAME = 0.05
"""By how large a share the authors' change of pixels grows or falls where a step of severity is one for certain."""

CUT = 0.35
"""What cutting off the fraction of a pixel, as the authors do, adds to a change of less than one level, at most."""

every_kind = pytest.mark.parametrize("kind", KINDS)


def test_there_are_the_nineteen_of_the_published_files() -> None:
    assert tuple(KINDS) == KIND_NAMES
    assert len(KINDS) == 19
    assert all(len(corruption.strengths) == len(SEVERITIES) for corruption in KINDS.values())


@every_kind
def test_a_picture_is_the_same_in_any_batch(kind: str) -> None:
    whole = corrupt(IMAGES, NUMBERS, kind, 5, seed=2)
    parts = [corrupt(IMAGES[part], NUMBERS[part], kind, 5, seed=2) for part in (slice(0, 1), slice(1, 12))]
    assert torch.equal(whole, torch.cat(parts))
    backwards = corrupt(IMAGES.flip(0), NUMBERS.flip(0), kind, 5, seed=2)
    assert torch.equal(whole, backwards.flip(0))


@every_kind
def test_a_picture_is_the_same_whatever_the_number_of_threads(kind: str) -> None:
    threads, one = torch.get_num_threads(), corrupt(IMAGES, NUMBERS, kind, 3)
    torch.set_num_threads(3)
    try:
        assert torch.equal(corrupt(IMAGES, NUMBERS, kind, 3), one)
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def published() -> dict[str, list[tuple[float, ...]]]:
    """Return mean, deviation and change by kind, at severities 1 to 5."""
    rows = defaultdict[str, list[tuple[float, ...]]](list)
    with Path(__file__).with_name("published.csv").open(newline="") as lines:
        for kind, _, *measured in list(csv.reader(lines))[1:]:
            rows[kind].append(tuple(map(float, measured)))
    return rows


@every_kind
def test_pixels_are_those_of_the_authors_functions(kind: str, published: dict[str, list[tuple[float, ...]]]) -> None:
    clean = pictures(48)
    for severity, (mean, deviation, change) in zip(SEVERITIES, published[kind], strict=True):
        corrupted = corrupt(clean, torch.arange(48), kind, severity).float()
        assert float(corrupted.mean()) == pytest.approx(mean, rel=0.1)
        assert float(corrupted.std()) == pytest.approx(deviation, rel=0.1)
        changed = (corrupted - clean.float()).square().mean().sqrt()
        assert float(changed) == pytest.approx(change, rel=0.1, abs=CUT)


@every_kind
def test_pixels_change_more_with_severity_where_they_do_so_by_the_authors_functions(
    kind: str, published: dict[str, list[tuple[float, ...]]]
) -> None:
    ours = [
        float((corrupt(IMAGES, NUMBERS, kind, severity).float() - IMAGES.float()).square().mean().sqrt())
        for severity in SEVERITIES
    ]
    theirs = [change for _, _, change in published[kind]]
    assert min(ours) > 0
    for step, authors in zip(pairwise(ours), pairwise(theirs), strict=True):
        if abs(authors[1] / authors[0] - 1) > SAME:
            assert (step[1] > step[0]) == (authors[1] > authors[0])


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 24, 40), (1, 8, 8), (5, 17, 17)])
def test_images_of_other_sizes_are_corrupted_or_refused(shape: tuple[int, int, int]) -> None:
    channels, height, width = shape
    images = pictures(3, 40, channels)[:, :, :height, :width]
    for kind, corruption in KINDS.items():
        if corruption.unfit(shape) is None:
            assert corrupt(images, NUMBERS[:3], kind, 4).shape == images.shape
        else:
            with pytest.raises(InvalidValue, match=f"kind = '{kind}': needs images of"):
                corrupt(images, NUMBERS[:3], kind, 4)


def test_lengths_grow_with_the_image() -> None:
    assert KINDS["gaussian_blur"].strength(5, 224) == (7.0,)
    assert KINDS["gaussian_blur"].strength(5, 28) == (1.0,)
    assert KINDS["gaussian_noise"].strength(5, 224) == (0.1,)


@pytest.mark.parametrize(
    ("kind", "severity", "message"),
    [
        ("gausian_noise", 3, "kind = 'gausian_noise': must be one of gaussian_noise, .*did you mean 'gaussian_noise'"),
        ("fog", 6, "severity = 6: must be 1, 2, 3, 4 or 5"),
        ("saturate", 3, "kind = 'saturate': needs images of 3 channels, and these have 1"),
        ("snow", 3, "kind = 'snow': needs images of at least 16 pixels a side, and these have 8"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(kind: str, severity: int, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        check(kind, severity, (1, 8, 8))


def test_noise_of_radius_zero_changes_nothing_and_a_larger_one_stays_within_it() -> None:
    assert torch.equal(with_uniform_noise(IMAGES, NUMBERS, 0.0), IMAGES)
    assert (with_uniform_noise(IMAGES, NUMBERS, 0.1).float() - IMAGES.float()).abs().max() <= 26
