"""Sparsity over time: which density a network has when. Densities are shares of the unpruned network in [0, 1]."""

from dataclasses import dataclass

from trainables.recipes.recipe import InTraining, Prune


def geometric_densities(final: float, rounds: int) -> list[float]:
    """Return the density after each of `rounds` that all keep the same share of what is alive.

    Iterative magnitude pruning: density after round r is final ** (r / rounds) (arXiv 1803.03635, section 2).
    """
    return [final ** (done / rounds) for done in range(1, rounds + 1)]


def cubic_density(progress: float, final: float, initial: float = 1.0) -> float:
    """Return the density at `progress` in [0, 1] of gradual pruning.

    s_t = s_f + (s_i - s_f) (1 - progress)^3 in terms of sparsity (Zhu & Gupta, arXiv 1710.01878, eq. 1).
    """
    left = 1 - min(max(progress, 0.0), 1.0)
    return final + (initial - final) * left**3


def spread_steps(count: int, steps: int) -> frozenset[int]:
    """Return `count` equally spaced steps of 1 to `steps`, the last of them `steps`; all, if there are fewer."""
    updates = min(count, steps)
    return frozenset((2 * update * steps + updates) // (2 * updates) for update in range(1, updates + 1))


@dataclass(frozen=True)
class Gradual(InTraining):
    """Prune along the cubic schedule inside a training stage.

    The density falls to that of `final` over the first `share` of the stage, in `updates` equally spaced steps, the
    last of them at its end; in as many as there are steps if there are fewer.
    """

    final: Prune
    share: float = 0.75
    updates: int = 50

    def pruned_after(self, epochs: float) -> float:
        return self.share * epochs
