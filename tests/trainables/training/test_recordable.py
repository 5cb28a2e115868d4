"""Steps of an optimizer before, between and after recordings of them; fake tensors stand for those of a GPU."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.optim import SGD, AdamW, Optimizer

from tests.trainables.training.tape import Tape
from trainables.data.batches import Batches
from trainables.masking.sparse_state import pack_optimizer, unpack_optimizer
from trainables.tasks.classification import CLASSIFICATION
from trainables.training.captured import CapturedSteps, _Kind
from trainables.training.companion import USUAL, Companion
from trainables.training.recordable import counting_in_place, lay_out
from trainables.training.step import Step


@pytest.fixture
def on_gpu() -> Iterator[AdamW]:
    """Yield an optimizer after a step that was recorded: it counts on a GPU."""
    with FakeTensorMode():
        weight = nn.Parameter(torch.empty(2, 3, device="cuda"))
        optimizer = AdamW([weight], foreach=True)
        weight.grad = torch.empty_like(weight)
        optimizer.step()
        optimizer.state[weight]["step"] = torch.ones((), device="cuda")
        yield optimizer


def devices(optimizer: Optimizer) -> set[str]:
    return {state["step"].device.type for state in optimizer.state.values()}


def test_plain_steps_after_a_recording_do_not_read_counts_back(on_gpu: AdamW) -> None:
    with pytest.raises(DataDependentOutputException):
        on_gpu.step()
    with counting_in_place(on_gpu):
        on_gpu.step()
    assert devices(on_gpu) == {"cuda"}
    assert [group["capturable"] for group in on_gpu.param_groups] == [False]


def test_plain_steps_count_on_the_cpu_as_ever() -> None:
    weight = nn.Parameter(torch.ones(2))
    for optimizer in (AdamW([weight], foreach=True), SGD([weight], lr=0.1, momentum=0.9)):
        weight.grad = torch.ones(2)
        with counting_in_place(optimizer):
            optimizer.step()
        with counting_in_place(optimizer):
            assert not optimizer.param_groups[0].get("capturable")


def test_a_step_that_fails_leaves_the_groups_as_they_were(on_gpu: AdamW) -> None:
    with pytest.raises(RuntimeError, match="it fails"), counting_in_place(on_gpu):
        raise RuntimeError("it fails")
    assert not on_gpu.param_groups[0]["capturable"]


class NoBatches(Batches):
    """An epoch of no steps."""

    def __init__(self) -> None:
        pass

    @property
    def are_made_of_tensors(self) -> bool:
        return False

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    def epoch(self, skip: int = 0) -> Iterator[tuple[Tensor, Tensor]]:  # noqa: ARG002 - of batches
        return iter(())


def test_steps_are_counted_on_the_cpu_again_once_none_will_be_captured(on_gpu: AdamW) -> None:
    steps = CapturedSteps(Tape(), lambda: None)
    steps._kinds[USUAL] = refused = _Kind()
    refused.course.refuse("capturing one failed")
    step = Step(nn.Identity(), on_gpu, CLASSIFICATION, torch.float32, Companion())
    assert len(steps(step, NoBatches(), lambda _: 0.1, 0)) == 1
    assert devices(on_gpu) == {"cpu"}


def test_masked_momenta_from_a_checkpoint_get_the_layout_of_their_weights() -> None:
    layer = nn.Conv2d(4, 4, 3)
    layer.weight = nn.Parameter(layer.weight.detach().contiguous(memory_format=torch.channels_last))
    optimizer = SGD(layer.parameters(), lr=0.1, momentum=0.9)
    layer(torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))).sum().backward()
    optimizer.step()
    masks = [torch.ones_like(layer.weight), None]
    optimizer.load_state_dict(unpack_optimizer(pack_optimizer(optimizer.state_dict(), masks)))
    before = optimizer.state[layer.weight]["momentum_buffer"]
    assert before.stride() != layer.weight.stride()
    lay_out(optimizer)
    after = optimizer.state[layer.weight]["momentum_buffer"]
    assert after.stride() == layer.weight.stride()
    assert torch.equal(before, after)
