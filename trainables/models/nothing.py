"""What stands in the place of the layer of a residual branch that is gone."""

from torch import Tensor, nn


class Nothing(nn.Module):
    """Zeros of its first input's shape, and beside them as many times None as the layer returned other things."""

    def __init__(self, others: int | None) -> None:
        super().__init__()
        self.others = others

    def forward(self, x: Tensor, *_: object, **__: object) -> Tensor | tuple[Tensor | None, ...]:
        zeros = x.new_zeros(()).expand_as(x)
        return zeros if self.others is None else (zeros, *[None] * self.others)
