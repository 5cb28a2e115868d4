"""Where a trial's network has gates: in all states of it, as it becomes smaller, on the same channels."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from trainables.gates.structures import Structures, find_structures
from trainables.recipes.gating import INNER
from trainables.structure.bundles import grouped_convolutions, with_bundles
from trainables.structure.channels import ChannelGroup, find_groups
from trainables.structure.removable import removable_bundles

if TYPE_CHECKING:
    from trainables.state import LiveTrial


@dataclass(frozen=True)
class _Dense:
    """What the dense network can lose: `writers` of units with gates, `divided` convolutions whose groups can go."""

    writers: frozenset[str]
    divided: frozenset[str]


class Placement:
    """The units and branches of a trial's network that have gates, if units have them where `where` says.

    Without a block, or with one group of a convolution left, other channels become gateable than before. Gates are
    only where the dense network has some too, so that they are the same in a trial that is resumed.
    """

    def __init__(self, trial: "LiveTrial", where: str) -> None:
        self._trial, self._where = trial, where

    def groups(self) -> tuple[ChannelGroup, ...]:
        """Return the channels of the present network that can go together, groups of convolutions among them."""
        trial = self._trial
        if self._where == INNER:
            return trial.groups
        return with_bundles(trial.model, trial.groups, trial.dataset.input_shape, self._dense.divided)

    def structures(self, groups: tuple[ChannelGroup, ...]) -> Structures:
        """Return what has gates in the present network, whose `groups` are these."""
        if self._where != INNER:
            known = tuple(group for group in groups if group.name in self._dense.writers)
            return find_structures(self._trial.model, known, self._where)
        structures = find_structures(self._trial.model, groups, self._where)
        if structures.branches or not self._trial.dropped:
            return structures
        return structures.written_by(self._dense.writers)

    @cached_property
    def _dense(self) -> _Dense:
        trial, shape = self._trial, self._trial.dataset.input_shape
        with torch.random.fork_rng():
            dense = trial.build()
        bundles = removable_bundles(dense, shape)
        found = find_structures(dense, (*find_groups(dense, shape), *bundles), self._where)
        carrying = {member.module for bundle in bundles for member in bundle.members}
        return _Dense(
            writers=frozenset(module for group in found.groups for module in group.writers),
            divided=grouped_convolutions(dense) & carrying,
        )
