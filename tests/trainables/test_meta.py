"""Networks of shapes without numbers."""

import torch
from torch import Tensor, nn

from trainables import models
from trainables.meta import meta_twin


class Tied(nn.Module):
    """A network that uses one weight twice and has a buffer."""

    offset: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.register_buffer("offset", torch.ones(3))
        self.frozen = nn.Parameter(torch.ones(3), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.second(self.first(x)) + self.offset * self.frozen
        return logits


def test_a_twin_has_all_shapes_and_no_storage() -> None:
    model = models.build("resnet20", classes=10, input_shape=(1, 8, 8))
    twin = meta_twin(model)
    assert {key: value.shape for key, value in twin.state_dict().items()} == {
        key: value.shape for key, value in model.state_dict().items()
    }
    assert {value.device.type for value in twin.state_dict().values()} == {"meta"}
    assert twin(torch.empty(5, 1, 8, 8, device="meta")).shape == (5, 10)


def test_what_is_shared_stays_shared_and_everything_is_trainable() -> None:
    twin = meta_twin(Tied())
    assert isinstance(twin, Tied)
    assert twin.first.weight is twin.second.weight
    assert all(parameter.requires_grad for parameter in twin.parameters())
    twin(torch.empty(2, 3, device="meta")).sum().backward()
    assert all(parameter.grad is not None for parameter in twin.parameters())


def test_the_original_keeps_its_numbers_gradients_and_mode() -> None:
    model = Tied().train()
    model(torch.ones(2, 3)).sum().backward()
    before = {name: (p.detach().clone(), p.grad) for name, p in model.named_parameters()}
    twin = meta_twin(model)
    assert (model.training, twin.training) == (True, False)
    assert not model.frozen.requires_grad
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name][0])
        assert parameter.grad is before[name][1]


def test_a_twin_of_a_twin_is_one() -> None:
    twin = meta_twin(meta_twin(Tied()))
    assert {value.device.type for value in twin.state_dict().values()} == {"meta"}
