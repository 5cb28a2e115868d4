"""Searches for the widths of a network, as plain values for recipes; importing it costs no torch."""

from dataclasses import dataclass

from trainables.recipes.recipe import InTraining


@dataclass(frozen=True)
class SearchesWidths(InTraining):
    """One round of a search, number `index` of `count`, counted from 0: it trains, and then changes the widths."""

    index: int
    count: int

    def pruned_after(self, epochs: float) -> float:
        return epochs


@dataclass(frozen=True, kw_only=True)
class _ByRanks(SearchesWidths):
    """In the rounds widths stay from `narrowest` to `widest`.

    After the last they are scaled, if need be below `narrowest`, to the share `macs` of the dense network's MACs, if
    that is above 0.
    """

    narrowest: int
    widest: int
    macs: float = 0.0


@dataclass(frozen=True, kw_only=True)
class FollowRanks(_ByRanks):
    """Watch the quality of the weights, and move each width by how it has changed since the round before (CONetV2).

    The first round makes all widths `first_step` wider. `momentum` keeps the qualities of earlier rounds; `temperature`
    is that of annealing in the first round, 0 without.
    """

    first_step: int = 16
    momentum: float = 0.8
    temperature: float = 5.0


@dataclass(frozen=True, kw_only=True)
class FlipSigns(_ByRanks):
    """Grow widths whose ranks rise in training, shrink the others, by steps that halve at each turn (CONet).

    A rank rises if its slope is at least `slope`, and only counts if the mapping condition is below `condition`. Steps
    begin as the share `step` of a width.
    """

    slope: float = 0.01
    condition: float = 10.0
    step: float = 0.2


@dataclass(frozen=True, kw_only=True)
class AdjustWidths(SearchesWidths):
    """Probe which groups of channels make the best use of their MACs, and move widths there at constant MACs.

    Training drops channels at rates that rise to `drop` in the last group at the stage's end. Each probe drops equally
    many MACs on average, `drop` of those that the mean group has, and is repeated `times` times on the share `held_out`
    of the training images; `noise` is one of NOISES. The `moved` best and worst groups, `fewer` less in each round,
    change by `step` of their first width, by `decay` less from one group to the next, down to `narrowest` channels.
    """

    held_out: float = 0.1
    drop: float = 0.05
    times: int = 5
    noise: str = "bernoulli"
    moved: int = 6
    fewer: float = 0.5
    step: float = 0.15
    decay: float = 0.01
    narrowest: int = 4


@dataclass(frozen=True, kw_only=True)
class ShareWeights(SearchesWidths):
    """Train the network together with narrower ones that share its weights, then predict which of them is the best.

    Each step also trains the narrowest network, with the share `narrowest` of each group's channels, and `random` ones
    between. At the end networks of `macs` of the dense network's MACs are measured on the share `held_out` of the
    training images: half of the `networks` at random, the others in `rounds`, in each of which those come next of
    which a graph network predicts the most, `doubt` of its standard deviations added. `trained` of those measured are
    also trained by themselves, `trained_epochs` each, and correct what is predicted. Weights are then those of the best
    one's slice.
    """

    macs: float
    narrowest: float
    random: int = 2
    networks: int = 100
    rounds: int = 4
    doubt: float = 0.5
    held_out: float = 0.1
    trained: int = 0
    trained_epochs: int = 1


NOISES = ("bernoulli", "gaussian")
