"""What is known of the cost of a study's configurations before any of them is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from orchestrator.ledger.trial import Named
from orchestrator.spec.params import Params
from orchestrator.spec.study_spec import StudySpec
from trainables import data
from trainables.bounds import Bounds
from trainables.errors import InfeasibleTrial, InvalidValue
from trainables.spec import TrialSpec

if TYPE_CHECKING:
    from trainables.expected_complexity import NetworkCosts


Placed = Callable[[TrialSpec], TrialSpec]
"""Gives a trial whose network starts from a trial of an earlier study the file with those weights."""


def unplaced(trial: TrialSpec) -> TrialSpec:
    """Return the trial as it is: the shape of a network that starts from an earlier trial is then the dense one."""
    return trial


class Costs(Protocol):
    """Says what is known of costs, by metric, given a paradigm and hyper-parameters."""

    def __call__(self, paradigm: str, params: Named, *, roughly: bool = False) -> Mapping[str, Bounds]: ...

    def unpruned(self, params: Named) -> Mapping[str, Bounds]:
        """Return the costs of the network that these hyper-parameters name before anything is pruned, if known."""
        ...


@dataclass(frozen=True)
class GivenCosts:
    """Costs that are known by other means than from a study's networks."""

    known: Callable[[str, Named, bool], Mapping[str, Bounds]]
    """Returns what is known given a paradigm, hyper-parameters, and whether roughly is enough."""
    dense: Callable[[Named], Mapping[str, Bounds]]
    """Returns the costs of the network that hyper-parameters name before anything is pruned."""

    def __call__(self, paradigm: str, params: Named, *, roughly: bool = False) -> Mapping[str, Bounds]:
        """Return what is known of a configuration's costs."""
        return self.known(paradigm, params, roughly)

    def unpruned(self, params: Named) -> Mapping[str, Bounds]:
        """Return the costs of the unpruned network."""
        return self.dense(params)


class ExpectedCosts:
    """The costs of a study's configurations; each of its networks is built once, with shapes only."""

    def __init__(self, spec: StudySpec, placed: Placed = unplaced) -> None:
        self._spec, self._placed = spec, placed
        self._networks: dict[str, NetworkCosts] = {}

    def __call__(self, paradigm: str, params: Named, *, roughly: bool = False) -> Mapping[str, Bounds]:
        """Return what is known of a configuration's costs, within one percent if `roughly`.

        Nothing is known of a configuration that cannot be carried out.
        """
        try:
            network = self._network(self._placed(self._spec.trial(paradigm, params, self._spec.seed)))
            return network.after(Params.of(params).create(paradigm).recipe(self._spec.fidelity.epochs), roughly=roughly)
        except (InvalidValue, InfeasibleTrial):
            return {}

    def unpruned(self, params: Named) -> Mapping[str, Bounds]:
        """Return the costs of the network that these hyper-parameters name before anything is pruned, if known."""
        try:
            return self._network(self._placed(self._spec.trial("dense", params, self._spec.seed))).after(())
        except InvalidValue:
            return {}

    def _network(self, trial: TrialSpec) -> "NetworkCosts":
        key = repr((trial.model.name, sorted(trial.model.options.items()), trial.model.weights))
        if key not in self._networks:
            from trainables.expected_complexity import NetworkCosts
            from trainables.methods.rehearsal import shapes_of

            self._networks[key] = NetworkCosts(shapes_of(trial, self._facts))
        return self._networks[key]

    @cached_property
    def _facts(self) -> data.Facts:
        return data.facts(self._spec.data)
