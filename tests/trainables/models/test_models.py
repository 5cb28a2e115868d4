import subprocess
import sys

import pytest
import torch

from trainables import models
from trainables.errors import InvalidValue

SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 20, 36)]
NOT_FOR_TINY_IMAGES = ("lenet", "vgg16_bn")
OF_TEXT = ("char_transformer",)


def parameters(name: str, classes: int, shape: tuple[int, int, int]) -> int:
    return sum(p.numel() for p in models.build(name, classes=classes, input_shape=shape).parameters())


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (name, shape)
        for name in models.names()
        if name not in OF_TEXT
        for shape in SHAPES[name in NOT_FOR_TINY_IMAGES :]
    ],
)
def test_every_network_maps_images_to_logits_in_training_and_evaluation(name: str, shape: tuple[int, int, int]) -> None:
    model = models.build(name, classes=7, input_shape=shape)
    images = torch.randn(2, *shape)
    assert model(images).shape == (2, 7)
    assert model.eval()(images).shape == (2, 7)


@pytest.mark.parametrize("name", [*NOT_FOR_TINY_IMAGES, "torchvision/alexnet", "torchvision/vit_b_16"])
def test_images_that_a_network_cannot_take_are_refused_with_its_name(name: str) -> None:
    with pytest.raises(InvalidValue, match="8") as refused:
        models.build(name, classes=10, input_shape=(1, 8, 8))
    assert (refused.value.key, refused.value.value) == ("name", name)


@pytest.mark.parametrize(
    ("name", "classes", "shape", "published"),
    [
        ("mlp", 10, (1, 28, 28), 266_610),
        ("lenet", 10, (1, 28, 28), 431_080),
        ("resnet20", 10, (3, 32, 32), 269_722),
        ("resnet32", 10, (3, 32, 32), 464_154),
        ("resnet44", 10, (3, 32, 32), 658_586),
        ("resnet56", 10, (3, 32, 32), 853_018),
        ("resnet110", 10, (3, 32, 32), 1_727_962),
        ("mobilenet_v2", 1000, (3, 224, 224), 3_504_872),
        ("torchvision/resnet18", 1000, (3, 224, 224), 11_689_512),
    ],
)
def test_networks_have_their_known_number_of_parameters(
    name: str, classes: int, shape: tuple[int, int, int], published: float
) -> None:
    assert parameters(name, classes, shape) == published


def test_the_same_seed_draws_the_same_weights() -> None:
    def weights(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return list(models.build("digits_cnn", classes=10, input_shape=(1, 8, 8)).parameters())

    assert all(map(torch.equal, weights(3), weights(3)))
    assert not all(map(torch.equal, weights(3), weights(4)))


@pytest.mark.parametrize(
    ("name", "meant"),
    [("resnet_56", "resnet56"), ("digit_cnn", "digits_cnn"), ("torchvision/resnet51", "torchvision/resnet50")],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(name: str, meant: str) -> None:
    with pytest.raises(InvalidValue, match=f"did you mean '{meant}'"):
        models.check(name)


@pytest.mark.parametrize("name", [*models.names(), "torchvision/densenet121"])
def test_a_known_name_is_accepted(name: str) -> None:
    models.check(name)


def test_names_are_known_without_torch() -> None:
    code = "import sys; from trainables import models; models.check('resnet20'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("my_nets.small:build", "my_nets.small:build"),
        ("timm/resnet26d", "timm:create_model"),
        ("torchvision/resnet18", None),
        ("resnet20", None),
    ],
)
def test_the_code_of_others_that_builds_a_network_is_known(name: str, reference: str | None) -> None:
    assert models.reference_of(name) == reference
