"""What a network takes, in the words of its data: images, rows of a table, or blocks of a text."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.spec import TrialSpec
from trainables.tasks import LANGUAGE_MODELING

if TYPE_CHECKING:
    from trainables.checkpoint import Signature


@dataclass(frozen=True)
class Inputs:
    """What a network takes: the name of many, the name of one, and how its numbers are made."""

    name: str
    one: str
    meaning: str


def inputs_of(spec: TrialSpec, signature: "Signature") -> Inputs:
    """Return what a trial's network takes."""
    if spec.task == LANGUAGE_MODELING:
        return Inputs(
            "blocks", "a block", "of characters, each as its place in the sorted set of those in the whole text"
        )
    if spec.data.name == "tabular":
        order = "features in the order of the columns"
        return Inputs("rows", "a row", f"{order}, each minus its `mean` and divided by its `std` (--json)")
    if not signature.mean:
        return Inputs("images", "an image", "normalised as in training")
    scaled = f"minus {_numbers(signature.mean)}, divided by {_numbers(signature.std)}"
    return Inputs("images", "an image", f"channels in [0, 1], {scaled}")


def _numbers(values: tuple[float, ...]) -> str:
    return f"({', '.join(f'{value:.4g}' for value in values)})"
