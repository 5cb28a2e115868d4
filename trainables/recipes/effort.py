"""What a trial spends on training, in the terms that make pruning papers comparable.

Wang et al. 2023, Why is the State of Neural Network Pruning so Confusing?, arXiv 2301.05219, sections 2 and 5.
"""

from dataclasses import asdict, dataclass

from trainables.recipes.recipe import KeepsSize, Prune, Recipe, Train, training_epochs


@dataclass(frozen=True)
class Effort:
    """The epochs of a recipe by purpose, and the peak learning rate of its last part.

    Pretraining is what precedes the first pruning, finetuning what follows the last; training in between, or with
    a method of pruning inside it, is pruning. A method that prunes at initialisation has no pretraining. The
    learning rate is a share of that of training from scratch.
    """

    pretrain_epochs: float
    pruning_epochs: float
    finetune_epochs: float
    finetune_lr: float

    def as_metrics(self) -> dict[str, float]:
        """Return the effort as metrics of the trial, by field."""
        return asdict(self)


def effort(recipe: Recipe) -> Effort:
    """Return what a recipe spends on which purpose."""
    pruning = [index for index, stage in enumerate(recipe) if _prunes(stage)]
    first, last = (pruning[0], pruning[-1]) if pruning else (len(recipe), len(recipe))
    final = tuple(stage for stage in recipe[last + 1 :] if isinstance(stage, Train))
    return Effort(
        pretrain_epochs=training_epochs(recipe[:first]),
        pruning_epochs=training_epochs(recipe[first : last + 1]),
        finetune_epochs=training_epochs(final),
        finetune_lr=max((stage.lr_scale for stage in final), default=0.0),
    )


def _prunes(stage: object) -> bool:
    during = stage.during if isinstance(stage, Train) else None
    return isinstance(stage, Prune) or (during is not None and not isinstance(during, KeepsSize))
