"""What a paradigm says a trial does: stages and what acts inside them, as plain values that import no torch."""

from typing import TYPE_CHECKING

from trainables.faces import lazily

if TYPE_CHECKING:
    from trainables.recipes.gating import Gating as Gating
    from trainables.recipes.in_training import GrowPenalty as GrowPenalty
    from trainables.recipes.in_training import LearnThresholds as LearnThresholds
    from trainables.recipes.in_training import Rewire as Rewire
    from trainables.recipes.in_training import Select as Select
    from trainables.recipes.recipe import InTraining as InTraining
    from trainables.recipes.recipe import Prune as Prune
    from trainables.recipes.recipe import Recipe as Recipe
    from trainables.recipes.recipe import Reinitialize as Reinitialize
    from trainables.recipes.recipe import Remove as Remove
    from trainables.recipes.recipe import Rewind as Rewind
    from trainables.recipes.recipe import Train as Train
    from trainables.recipes.recipe import share_epochs as share_epochs
    from trainables.recipes.schedules import Gradual as Gradual

__getattr__ = lazily(
    __name__,
    recipe="InTraining Prune Recipe Reinitialize Remove Rewind Train share_epochs",
    schedules="Gradual",
    in_training="GrowPenalty LearnThresholds Rewire Select",
    gating="Gating",
)
