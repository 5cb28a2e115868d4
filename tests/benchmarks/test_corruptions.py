"""What is held against published files is refused in one sentence where it cannot be."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import corruptions
from tests.trainables.corruption.pictures import pictures
from trainables.data.dataset import Dataset, Split
from trainables.errors import InvalidValue

HELD = 2
SPLIT = Split(pictures(4), torch.zeros(4, dtype=torch.long))
DATA = Dataset("pictures", 3, SPLIT, SPLIT, SPLIT, (0.5,) * 3, (0.25,) * 3, "")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder like CIFAR-10-C with fewer images than the test split."""
    np.save(tmp_path / "contrast.npy", pictures(5 * HELD).permute(0, 2, 3, 1).numpy())
    np.save(tmp_path / "labels.npy", np.zeros(5 * HELD, np.uint8))
    return tmp_path


@pytest.fixture
def same_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_as_many_images_as_there_are_are_compared(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corruptions.compared(DATA, files, ["contrast"], HELD)
    assert "contrast  " in capsys.readouterr().out


@pytest.mark.parametrize("images", [0, HELD + 1])
def test_more_images_than_a_folder_holds_are_refused(files: Path, images: int) -> None:
    with pytest.raises(
        InvalidValue, match=f"--images = {images}: must be from 1 to {HELD}: there are no more in .*contr"
    ):
        corruptions.compared(DATA, files, ["contrast"], images)


def test_a_kind_that_a_folder_lacks_is_refused(files: Path) -> None:
    with pytest.raises(InvalidValue, match=r"fog\.npy'?: is not a readable NumPy file"):
        corruptions.compared(DATA, files, ["contrast", "fog"], HELD)


@pytest.mark.usefixtures("same_threads")
def test_the_command_ends_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["corruptions", "published", "--files", str(tmp_path), "--root", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        corruptions.main()
    assert ended.value.code == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith("error: ")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 28, 28), np.uint8), "must hold uint8"),
        (np.zeros((0, 32, 32, 3), np.uint8), "at least one image"),
        (np.zeros((1, 32, 32, 3), np.uint8), "has no imagecorruptions"),
        (None, "is not a readable NumPy file"),
    ],
)
def test_the_maker_of_files_says_what_it_lacks(
    images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | None, message: str, tmp_path: Path
) -> None:
    script = tmp_path / "definitions.py"
    script.write_text("def fog(x, severity=1):\n    return x\n", encoding="utf-8")
    if images is not None:
        np.save(tmp_path / "images.npy", images)
    given: list[str | Path] = [script, tmp_path / "images.npy", tmp_path / "made", '["fog"]']
    ended = subprocess.run(
        [sys.executable, corruptions.MAKER, *given], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert ended.returncode == 1
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_losses_on_images_of_a_folder_are_those_of_its_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = pictures(4)[:HELD].permute(0, 2, 3, 1).numpy()
    np.save(tmp_path / "contrast.npy", np.concatenate([same] * 5))
    np.save(tmp_path / "labels.npy", np.ones(5 * HELD, np.uint8))  # those of the test split count
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 3))
    corruptions.losses(DATA, network, ["contrast"], HELD, tmp_path)
    _, row, summary = capsys.readouterr().out.splitlines()
    assert len(set(row.split()[1:7])) == 1
    assert summary == "0 of 1 strictly rising; not: contrast"
