"""Folders of images: which files count, how they are divided and decoded, and what is refused by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainables import data
from trainables.data.dataset import Dataset
from trainables.errors import InvalidValue
from trainables.spec import DataSpec

WIDE = (6, 10)
"""Height and width of the images."""


def picture(path: Path, level: int, mode: str = "RGB", size: tuple[int, int] = WIDE) -> None:
    """Write an image of one grey level, of the form that `mode` names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = size
    if mode == "I;16":
        Image.fromarray(np.full((height, width), 257 * level, dtype=np.uint16)).save(path)
    elif mode == "CMYK":
        Image.new("RGB", (width, height), (level,) * 3).convert("CMYK").save(path, quality=100)
    elif mode == "P":
        Image.new("RGB", (width, height), (level,) * 3).convert("P", palette=Image.Palette.ADAPTIVE).save(path)
    else:
        bands: dict[str, int | tuple[int, ...]] = {
            "L": level,
            "RGB": (level,) * 3,
            "RGBA": (level, level, level, 9),
            "LA": (level, 9),
        }
        Image.new(mode, (width, height), bands[mode]).save(path)


def write(root: Path, counts: dict[str, int], mode: str = "RGB") -> DataSpec:
    """Write classes a and b below each folder, so many images a class, all of different levels."""
    level = 0
    for folder, count in counts.items():
        for name in ("a", "b"):
            for number in range(count):
                level += 1
                picture(root / folder / name / f"{number:03}.png", level % 256, mode)
    return DataSpec(name="folder", root=str(root), validation=0.25, test=0.2)


def levels(dataset: Dataset) -> dict[str, list[int]]:
    """Return the grey levels of the images of each split."""
    names = ("train", "validation", "test")
    return {name: getattr(dataset, name).images[:, 0, 0, 0].tolist() for name in names}


def test_folders_of_splits_are_taken_as_they_are(tmp_path: Path) -> None:
    dataset = data.load(write(tmp_path, {"train": 4, "val": 2, "test": 3}))
    assert levels(dataset) == {"train": [*range(1, 9)], "validation": [*range(9, 13)], "test": [*range(13, 19)]}
    assert (dataset.classes, dataset.input_shape) == (2, (3, *WIDE))
    assert dataset.test.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_class_folders_alone_are_divided_with_the_classes_in_proportion(tmp_path: Path) -> None:
    spec = write(tmp_path, {"": 20})
    dataset = data.load(spec)
    assert {name: len(found) for name, found in levels(dataset).items()} == {"train": 24, "validation": 8, "test": 8}
    assert sorted(level for found in levels(dataset).values() for level in found) == [*range(1, 41)]
    assert torch.bincount(dataset.test.labels).tolist() == [4, 4]
    assert data.load(replace(spec, split_seed=1)).hash != dataset.hash == data.load(spec).hash


def test_imagenet_is_tested_on_its_validation_images(tmp_path: Path) -> None:
    spec = replace(write(tmp_path, {"train": 8, "val": 2}), name="imagenet")
    dataset = data.load(spec)
    assert levels(dataset)["test"] == [17, 18, 19, 20]
    assert len(dataset.validation) == 4


def test_hidden_files_and_folders_and_other_files_are_left_alone(tmp_path: Path) -> None:
    spec = write(tmp_path, {"train": 8, "test": 2})
    before = data.load(spec).hash
    picture(tmp_path / "train/.cache/x.png", 1)
    (tmp_path / "train/a/._000.png").write_bytes(b"no image")
    (tmp_path / "train/a/notes.txt").write_text("mine")
    (tmp_path / ".DS_Store").write_bytes(b"")
    assert data.load(spec).hash == before


@pytest.mark.parametrize(("mode", "channels"), [("I;16", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGBA", 3), ("RGB", 3)])
def test_every_kind_of_image_keeps_its_levels(mode: str, channels: int, tmp_path: Path) -> None:
    dataset = data.load(write(tmp_path, {"train": 8, "test": 2}, mode))
    assert levels(dataset)["test"] == [17, 18, 19, 20]
    assert dataset.input_shape == (channels, *WIDE)


def test_cmyk_becomes_rgb_and_grey_among_colours_too(tmp_path: Path) -> None:
    spec = write(tmp_path, {"train": 8, "test": 2})
    picture(tmp_path / "test/a/000.jpg", 200, "CMYK")
    (tmp_path / "test/a/000.png").unlink()
    picture(tmp_path / "test/a/001.png", 100, "L")
    found = data.load(spec).test.images[:2]
    assert (found[0].int() - 200).abs().max() <= 4
    assert (found[1] == 100).all()


def test_images_lie_as_their_camera_says(tmp_path: Path) -> None:
    spec = write(tmp_path, {"train": 8, "test": 2})
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (WIDE[0], WIDE[1]), (9, 9, 9)).save(tmp_path / "train/a/000.png", exif=exif)
    assert data.load(spec).input_shape == (3, *WIDE)


def test_images_of_several_sizes_need_one_that_is_stored(tmp_path: Path) -> None:
    spec = write(tmp_path, {"train": 8, "test": 2})
    picture(tmp_path / "train/b/000.png", 50, size=(20, 12))
    with pytest.raises(InvalidValue, match=r"several sizes: train/a/000.png has 6 x 10 .* train/b/000.png 20 x 12"):
        data.load(spec)
    assert data.load(replace(spec, image_size=(8, 12))).input_shape == (3, 8, 12)
    assert data.facts(replace(spec, image_size=7)).shape == (3, 7, 7)


def test_damaged_images_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    spec = write(tmp_path, {"train": 8, "test": 2})
    for number in range(3, 8):
        (tmp_path / f"train/b/{number:03}.png").write_bytes(b"no image")
    with pytest.raises(InvalidValue, match=r"5 images cannot be decoded: train/b/003.png .* and 2 more") as caught:
        data.load(spec, tmp_path / "cache")
    assert caught.value.key == "root"
    assert not list((tmp_path / "cache").iterdir())


def test_what_is_no_layout_is_refused_by_name(tmp_path: Path) -> None:
    spec = write(tmp_path, {"train": 8, "test": 2})
    (tmp_path / "train/empty").mkdir()
    with pytest.raises(InvalidValue, match="train/empty holds no image"):
        data.check(spec)
    (tmp_path / "train/empty").rmdir()
    picture(tmp_path / "test/c/1.png", 1)
    with pytest.raises(InvalidValue, match="test/c is a class"):
        data.check(spec)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"root": None}, "must name the folder"),
        ({"root": "/nowhere"}, "is no folder"),
        ({"options": {"channels": 2}}, "must be 1"),
        ({"options": {"colour": True}}, "takes channels"),
        ({"validation": 0.01}, "at least 2 of the 16"),
    ],
)
def test_wrong_values_are_refused(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    spec = write(tmp_path, {"train": 8, "test": 2})
    with pytest.raises(InvalidValue, match=says):
        data.check(replace(spec, **changes))


def test_the_shared_copy_is_the_same_and_follows_its_files(tmp_path: Path) -> None:
    spec = write(tmp_path / "root", {"train": 8, "test": 2})
    first = data.load(spec, tmp_path / "cache")
    assert first.hash == data.load(spec).hash == data.load(spec, tmp_path / "cache").hash
    assert first.mean == data.load(spec).mean
    picture(tmp_path / "root/test/a/000.png", 99)
    assert data.load(spec, tmp_path / "cache").hash != first.hash


def test_only_colour_images_are_mirrored_unless_the_study_says_otherwise() -> None:
    spec = DataSpec(name="folder")
    assert data.usual(spec, (3, 64, 32)) == data.Usual(4, flip=True)
    assert data.usual(spec, (1, 64, 32)) == data.Usual(4, flip=False)
    assert data.usual(replace(spec, flip=False, padding=0), (3, 64, 32)) == data.Usual(0, flip=False)
