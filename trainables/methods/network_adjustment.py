"""Network Adjustment (Chen et al., CVPR 2020): widths move to the layers that make the best use of their FLOPs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from trainables import parallel
from trainables.data.dataset import Split
from trainables.methods.channel_drop import ChannelDrop
from trainables.methods.utilisation import drop_rates, utilisation
from trainables.methods.widths import add_passes, counted, held_out, judged, remember, searched_groups, set_widths
from trainables.structure.channels import find_groups
from trainables.structure.complexity import measure
from trainables.structure.widths import Limits, WidthCosts, Widths, fitted, widths_of
from trainables.training.acts import Acts
from trainables.training.companion import Companion

if TYPE_CHECKING:
    from trainables.recipes.widths import AdjustWidths
    from trainables.state import LiveTrial

UTILISATION: Final = "fur."
"""Before the name of a group: the metric of its FLOPs utilisation ratio."""

WIDEST: Final = 65536
DROP_SEED: Final = 11_000_003
"""Added to a trial's seed and its round where channels are dropped."""


def adjusted(widths: Widths, first: Widths, fur: Mapping[str, float], rule: "AdjustWidths") -> dict[str, float]:
    """Return widths of which the best in `fur` have grown and the worst shrunk, before they are scaled to the MACs."""
    order = sorted(widths, key=lambda name: fur[name])
    count = min(max(0, round(rule.moved - rule.index * rule.fewer)), len(order) // 2)
    moved = {name: float(width) for name, width in widths.items()}
    for rank in range(count):
        share = max(0.0, rule.step - rule.decay * rank)
        best, worst = order[-1 - rank], order[rank]
        moved[best] += share * first[best]
        moved[worst] = max(float(rule.narrowest), moved[worst] - share * first[worst])
    return moved


class NetworkAdjustment(Companion):
    """Trains with dropped channels, then probes every group, and changes the widths at the stage's end.

    The MACs stay those with which the trial began, or up to a percent less. Measures `fur.GROUP` and `width.GROUP`. The
    probes count in the cost of training.
    """

    def __init__(self, rule: "AdjustWidths", trial: "LiveTrial", steps: int) -> None:
        self._rule, self._trial, self._steps, self._step = rule, trial, steps, 0
        self._groups = searched_groups(trial)
        self._widths = widths_of(self._groups)
        self._costs = WidthCosts.of(trial.model, trial.dataset.input_shape, self._groups)
        self._seed = trial.spec.seed + DROP_SEED + rule.index
        self._generator = torch.Generator().manual_seed(self._seed)
        self._drop = ChannelDrop(trial.model, self._groups, self._generator, rule.noise)

    @property
    def acts(self) -> Acts:
        return Acts(refusal="other channels are dropped in every step")

    def before_forward(self, inputs: Tensor, labels: Tensor) -> None:  # noqa: ARG002 - a companion's
        rate = self._rule.drop * self._step / self._steps
        count = len(self._groups)
        self._drop.rates = {group.name: rate * (i + 1) / count for i, group in enumerate(self._groups)}

    def after_step(self) -> None:
        self._drop.rates = {}
        self._step += 1

    def state_dict(self) -> dict[str, Any]:
        return {"step": self._step, "generator": self._generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._step = state["step"]
        self._generator.set_state(state["generator"].cpu())

    def finish(self) -> None:
        fur = self._utilisation()
        self._drop.close()
        remember(self._trial, UTILISATION, fur)
        first, budget = self._first()
        wanted = adjusted(self._widths, first, fur, self._rule)
        limits = dict.fromkeys(wanted, Limits(self._rule.narrowest, WIDEST))
        set_widths(self._trial, fitted(wanted, budget, self._costs, limits))

    def _first(self) -> tuple[Widths, float]:
        """Return the widths and the MACs with which the trial began."""
        with torch.random.fork_rng():
            model = self._trial.build_start()
        shape = self._trial.dataset.input_shape
        return widths_of(find_groups(model, shape)), measure(model, shape).macs

    def _utilisation(self) -> dict[str, float]:
        """Probe every group, the same in all processes; count what that costs."""
        images = held_out(self._trial, self._rule.held_out)
        self._generator.manual_seed(self._seed)
        with counted(self._trial), parallel.alone():
            fur = self._probed(images)
        passes = 1 + len(fur) * self._rule.times
        add_passes(self._trial, passes * len(images) * self._costs.macs(self._widths))
        values = torch.tensor(list(fur.values()), dtype=torch.float64, device=self._trial.context.device)
        return dict(zip(fur, parallel.agree({"fur": values})["fur"].tolist(), strict=True))

    def _probed(self, images: Split) -> dict[str, float]:
        rates = drop_rates(self._costs, self._widths, self._rule.drop)
        return utilisation(
            self._drop, rates, self._rule.times, lambda: judged(self._trial, self._trial.model, images).loss
        )
