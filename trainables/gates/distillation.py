"""In-place distillation: a step under sampled gates also learns what the network of the rounded gates puts out."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from trainables import parallel
from trainables.errors import InvalidValue
from trainables.modes import judged_by_batch
from trainables.training.logits import hear_next, logits_of

if TYPE_CHECKING:
    from trainables.state import LiveTrial


def divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """Return the sum over images of the divergence of softmax(logits) from softmax(wanted), both [B, C, ...], in nats.

    Of several positions of an image it is the mean.
    """
    each = F.kl_div(logits.log_softmax(1), wanted.softmax(1), reduction="none").sum(1)
    return each.sum() * len(each) / max(1, each.numel())


class Distillation:
    """Adds `weight` times the divergence from the rounded network to the mean loss of the steps that sample gates.

    After the in-place distillation of slimmable networks (Yu & Huang 2019, arXiv 1903.05134). Structures are then
    judged by the loss with this term. Raises InvalidValue for a task whose outputs are no logits.
    """

    def __init__(self, weight: float, trial: "LiveTrial") -> None:
        if not trial.task.has_logits:
            raise InvalidValue("distill", weight, f"must be 0 for {trial.spec.task}, whose outputs are no logits")
        self._weight, self._trial = weight, trial
        self._wanted: Tensor | None = None
        self._logits: list[Tensor] = []
        self._images = 0

    def aim(self, inputs: Tensor) -> None:
        """Note what the rounded network puts out for images, by the statistics of the batch; no gate may be held."""
        trial = self._trial
        with torch.no_grad(), judged_by_batch(trial.model):
            self._wanted = logits_of(trial.model, inputs, trial.precision)
        self._images = parallel.count(len(inputs), inputs.device)

    def listen(self) -> None:
        """Note what the next forward pass, that of the step itself, puts out."""

        def note(logits: Tensor) -> None:
            self._logits = [logits]

        hear_next(self._trial.model, note)

    def penalty(self) -> Tensor | None:
        """Return the term of the step that was listened to, as a share of the whole batch; None for other steps."""
        if self._wanted is None:
            return None
        (logits,) = self._logits
        term = self._weight * divergence(logits, self._wanted) * parallel.size() / self._images
        self._wanted, self._logits = None, []
        return term
