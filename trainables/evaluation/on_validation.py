"""What a study's section `evaluation` has measured of every final network, on corrupted and noisy validation images.

All trials see the same images: they are drawn from a seed of their own.
"""

from itertools import product
from typing import Final

from trainables.corruption.corruptions import find
from trainables.errors import InvalidValue
from trainables.evaluation.bench import Bench
from trainables.evaluation.distributions import Corrupted, Noisy
from trainables.metrics import AT, VALIDATION
from trainables.spec import EvaluationSpec
from trainables.state import LiveTrial

SEED: Final = 0
"""The seed of everything random about the images, as that of `espalier evaluate`."""


def measure_on_images(trial: LiveTrial) -> dict[str, float]:
    """Return the columns of a trial's network, as ``accuracy@validation_fog_3``; none unless its spec asks for them.

    Mean and least accuracy over the kinds of a severity follow, as ``accuracy@validation_corrupted_3``.
    """
    wanted = trial.spec.evaluation
    if wanted is None:
        return {}
    bench = Bench(trial.dataset, None, images=wanted.images, seed=SEED, split=trial.dataset.validation)
    columns: dict[str, float] = {}
    for condition in conditions(wanted):
        columns |= bench.measure(condition, trial.model)
    named = {name.replace(AT, f"{AT}{VALIDATION}"): value for name, value in columns.items()}
    return named | summaries(wanted, named)


def conditions(wanted: EvaluationSpec) -> list[Corrupted | Noisy]:
    """Return under what the networks are measured."""
    corrupted = [Corrupted(kind, severity) for severity, kind in product(wanted.severities, wanted.kinds)]
    return [*corrupted, *map(Noisy, wanted.noise)]


def summaries(wanted: EvaluationSpec, columns: dict[str, float]) -> dict[str, float]:
    """Return mean and least of the accuracies for each severity."""
    start, found = f"accuracy{AT}{VALIDATION}", dict[str, float]()
    for severity in wanted.severities if wanted.kinds else ():
        accuracies = [columns[f"{start}{kind}_{severity}"] for kind in wanted.kinds]
        found[f"{start}corrupted_{severity}"] = sum(accuracies) / len(accuracies)
        found[f"{start}corrupted_worst_{severity}"] = min(accuracies)
    return found


def require_fit(wanted: EvaluationSpec, shape: tuple[int, int, int]) -> None:
    """Raise InvalidValue for a kind that images of a shape (channels, height, width) do not fit."""
    for kind in wanted.kinds:
        unfit = find(kind).unfit(shape)
        if unfit is not None:
            raise InvalidValue("evaluation.kinds", kind, f"{unfit}: leave it out")
