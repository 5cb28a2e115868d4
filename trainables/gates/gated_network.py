"""The network that complexity-aware training works on: what is gated in it, what that costs, how it is deleted."""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from trainables.errors import InfeasibleTrial, RemovalMismatch, ShareTooSmall
from trainables.gates.expected import ExpectedComplexity
from trainables.gates.expected_latency import ExpectedLatency
from trainables.gates.gates import Gates
from trainables.gates.layer_timing import measure_layer_times
from trainables.gates.objective import Balance, LatencyRegulariser, Regulariser, Regularises
from trainables.gates.pairs import Pair, filled, pair
from trainables.gates.placement import Placement
from trainables.gates.rounding import Kept, Rounding
from trainables.gates.structures import Structures
from trainables.structure.removal import TOLERANCE, disagreement, plan_removal, remove

if TYPE_CHECKING:
    from trainables.recipes.gating import Gating
    from trainables.state import LiveTrial


BUDGETS: Mapping[str, str] = {
    "target_macs": "MACs",
    "target_params": "parameters",
    "target_latency": "layers' seconds",
}
"""What a budget limits, by the name of the field of `Gating` that holds it."""

FLATTEST = 0.1
"""The least slope by which a step is scaled, where times are measured, as a share of the mean slope."""


def require_gates(name: str, gating: "Gating", structures: Structures) -> None:
    """Raise InfeasibleTrial if the network `name` has none of the structures that `gating` asks to gate."""
    if not (gating.units and structures.groups) and not (gating.branches and structures.branches):
        kinds = [kind for kind, asked in (("units", gating.units), ("residual branches", gating.branches)) if asked]
        raise InfeasibleTrial(f"{name} has no {' and no '.join(kinds)} to gate; choose another network or paradigm")


class GatedNetwork:
    """A trial's network with gates on it, which become fewer as structures are deleted.

    `structures` are those of the present network, `expected` what they cost, `gates` the hooks on them.
    `dense` are the MACs and parameters before anything was removed. With a budget of latency the layers are measured
    before anything else, once in a trial, and `latency` is what they take. Raises InfeasibleTrial for a
    network without anything to gate, and for a budget below the cost of what cannot be removed.
    """

    def __init__(self, gating: "Gating", trial: "LiveTrial") -> None:
        self.gating, self.trial = gating, trial
        self._placement = Placement(trial, gating.placement)
        self._limited = 1 if gating.target_params else 0
        self.open()
        self._measure_dense()
        if trial.interrupted is None:
            require_gates(trial.spec.model.name, gating, self.structures)
            self._require_reachable_budget()

    @property
    def sizes(self) -> tuple[int, int]:
        """The numbers of gated units and of residual branches."""
        return self.structures.units, len(self.structures.branches)

    def everything(self) -> Kept:
        """Return what keeps all units and branches."""
        units, branches = self.sizes
        return torch.ones(units, dtype=torch.bool), torch.ones(branches, dtype=torch.bool)

    @property
    def is_empty(self) -> bool:
        """Whether nothing that could be gated is left."""
        return not (self.structures.groups or self.structures.branches)

    def open(self) -> None:
        """Find the structures of the present network that can be gated, and gate them."""
        self._groups = self._placement.groups()
        structures = self._placement.structures(self._groups)
        self.structures = structures if self.gating.units else Structures((), structures.branches)
        self.rounding = Rounding(self.structures, self.gating.round_to)
        shape = self.trial.dataset.input_shape
        self.expected = ExpectedComplexity.of(self.trial.model, shape, self.structures)
        self.latency = self._timed() if self.gating.target_latency else None
        self._gates: Gates | None = Gates(self.trial.model, self.structures)

    def _timed(self) -> ExpectedLatency:
        if self.trial.layer_times is None:
            self.trial.layer_times = measure_layer_times(self.trial, self.structures)
        return ExpectedLatency.of(self.trial.layer_times, self.trial.model, self.structures)

    def close(self) -> None:
        """Remove the gates from the network."""
        if self._gates is not None:
            self._gates.remove()
            self._gates = None

    @property
    def is_open(self) -> bool:
        """Whether the network still has gates."""
        return self._gates is not None

    @property
    def gates(self) -> Gates:
        """The gates, as long as the network has some."""
        if self._gates is None:
            raise AssertionError("the gates of this network are closed for good")
        return self._gates

    def _measure_dense(self) -> None:
        """Measure the network before anything is removed; prices are normalised by this."""
        ones = filled(self.sizes, 1.0, 1.0)
        macs, params = self.expected(*ones)
        self.dense = float(macs), float(params)
        self._dense_branches = torch.zeros(self.sizes[1], dtype=torch.float64)
        self._dense_branches = self.regulariser(Balance(1.0, 0.5, self.gating.alpha)).per_branch(ones[0])

    def _require_reachable_budget(self) -> None:
        nothing = filled(self.sizes, 0.0, 0.0)
        least = self.cost(self.rounding.at_half(*nothing)) / self.whole
        name = next((name for name in BUDGETS if getattr(self.gating, name)), "target_macs")
        if least > self.target > 0:
            kept = f"of the {BUDGETS[name]} of {self.trial.spec.model.name} are left when all gates are closed"
            raise ShareTooSmall(name, self.target, least, kept)

    def regulariser(self, balance: Balance) -> Regularises:
        """Return what the present network's structures are priced by, in shares of the dense network."""
        if self.latency is not None:
            return LatencyRegulariser(self.latency, balance, self.whole, self._dense_branches)
        return Regulariser(self.expected, balance, *self.dense, self._dense_branches)

    @property
    def target(self) -> float:
        """The budget, as a share of the dense network's cost; 0 if there is none."""
        gating = self.gating
        return gating.target_latency or gating.target_params or gating.target_macs

    @property
    def whole(self) -> float:
        """The cost of the dense network."""
        if self.latency is not None and self.trial.layer_times is not None:
            return self.trial.layer_times.total
        return self.dense[self._limited]

    def cost(self, kept: Pair) -> float:
        """Return what the network costs with only `kept`: in what the budget limits, or in MACs without one."""
        units, branches = kept[0].double(), kept[1].double()
        if self.latency is not None:
            return float(self.latency(units, branches))
        return float(self.expected(units, branches)[self._limited])

    def share(self, kept: Pair) -> float:
        """Return `cost` as a share of the dense network's."""
        return self.cost(kept) / self.whole

    def foretell_latency(self) -> None:
        """Note the seconds that the network should take, if a budget limits them: its share of the dense one's."""
        times = self.trial.layer_times
        if self.latency is not None and times is not None:
            share = self.share(self.everything())
            self.trial.measured |= {"latency_predicted": share * times.whole, "latency_dense": times.whole}

    def taxed(self, kept: Pair) -> float:
        """Return the regulariser at nu = 1 if `kept` is kept of the network: the dense one's is 1."""
        return float(self._balanced(kept[0].double(), kept[1].double()))

    def slopes(self, theta: Pair) -> Pair:
        """Return the derivatives of the regulariser at nu = 1 with respect to all probabilities `theta`."""
        return self._balanced.slopes(*theta)

    def pace(self) -> Pair:
        """Return the slopes of the true expected cost at the unpruned network, by which steps are scaled.

        Where measured times are flat, so that a structure costs nothing, they are a share of the mean instead.
        """
        slopes = self.regulariser(Balance(1.0, 0.5, self.gating.alpha)).slopes(*filled(self.sizes, 1.0, 1.0))
        if self.latency is None:
            return slopes
        return pair(part.clamp(min=FLATTEST * part.sum().item() / max(1, len(part))) for part in slopes)

    @property
    def _balanced(self) -> Regularises:
        return self.regulariser(Balance(1.0, self.gating.beta, self.gating.alpha))

    def delete(self, kept: Kept) -> bool:
        """Delete all but `kept` from weights, statistics, optimizer and gates; return whether that is anything.

        Raises RemovalMismatch if what remains computes something else than the network with those gates closed.
        """
        if bool(torch.cat(kept).all()):
            return False
        trial, structures = self.trial, self.structures
        self.gates.round(kept)
        gated = copy.deepcopy(trial.model)
        self.gates.remove()
        units = {group.name: kept[0][part] for group, part in zip(structures.groups, structures.slices(), strict=True)}
        dropped = [
            branch.block for branch, stays in zip(structures.branches, kept[1].tolist(), strict=True) if not stays
        ]
        stays = {name: keep for name, keep in units.items() if keep.any()}
        remove(trial.model, plan_removal(self._groups, stays, dropped), trial.optimizer)
        self._check(gated)
        trial.dropped = (*trial.dropped, *dropped)
        trial.replace_model(trial.model)
        self._dense_branches = self._dense_branches[kept[1]]
        self.open()
        return True

    def _check(self, gated: torch.nn.Module) -> None:
        trial = self.trial
        probe = torch.Generator().manual_seed(trial.spec.seed)
        difference = disagreement(gated, trial.model, trial.dataset.input_shape, generator=probe)
        if not difference <= TOLERANCE:
            raise RemovalMismatch(f"logits differ by {difference:.1e} from those of the gated network")
        worst = max(difference, trial.measured.get("removal_disagreement", 0.0))
        trial.measured["removal_disagreement"] = worst

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed stage cannot find in the network itself."""
        return {"open": self.is_open, "dense": list(self.dense), "dense_branches": self._dense_branches}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `state_dict` returned."""
        macs, params = state["dense"]
        self.dense = macs, params
        self._dense_branches = state["dense_branches"].cpu()
        if not state["open"]:
            self.close()
