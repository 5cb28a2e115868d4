"""Where first weights come from: the forms that a study may write, refused before anything is read."""

import importlib.util
from pathlib import Path

import pytest

from trainables.errors import InvalidValue
from trainables.models import weights
from trainables.models.weights import EarlierTrial
from trainables.spec import ModelSpec


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("resnet20", "imagenet", "is for networks of torchvision and timm, and resnet20 is none of them"),
        ("mlp", "nowhere.pt", "is not there; must be imagenet, trial:STUDY/NUMBER, or the path of a file"),
        ("mlp", "/", "is a folder"),
        ("mlp", "trial:first", "must be trial:STUDY/NUMBER, as trial:first/12"),
    ],
)
def test_weights_that_cannot_be_had_are_refused_with_the_reason(name: str, given: str, reason: str) -> None:
    with pytest.raises(InvalidValue, match=reason) as refused:
        weights.check(ModelSpec(name=name, weights=given))
    assert refused.value.key == "weights"


def test_a_library_s_own_weights_are_allowed_without_downloading_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights.check(ModelSpec(name="torchvision/resnet18", weights="imagenet"))
    if importlib.util.find_spec("timm"):
        weights.check(ModelSpec(name="timm/resnet18", weights="imagenet"))
        with pytest.raises(InvalidValue, match="there are none for timm/test_nothing"):
            weights.check(ModelSpec(name="timm/test_nothing", weights="imagenet"))
    assert list(tmp_path.iterdir()) == []


def test_a_trial_is_named_by_its_study_and_number() -> None:
    assert weights.earlier_trial("trial:my-first/12") == EarlierTrial("my-first", 12)
    assert weights.earlier_trial("weights.pt") is None
    assert [weights.is_file(given) for given in ("trial:a/1", "imagenet", "imagenet.pt")] == [False, False, True]
    weights.check(ModelSpec(name="mlp"))
    weights.check(ModelSpec(name="mlp", weights="trial:a/1"))


def test_the_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert weights.sha256(tmp_path / "empty").startswith("e3b0c44298fc1c14")
    with pytest.raises(InvalidValue, match="No such file"):
        weights.sha256(tmp_path / "none")
