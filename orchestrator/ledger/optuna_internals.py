"""Everything that espalier uses of Optuna beyond its public interface.

Each function names what Optuna would have to publish to make it unnecessary.
`tests/orchestrator/ledger/test_optuna_internals.py` uses every one of these names, and pyproject.toml admits only the
minor versions of Optuna for which that test passes.
"""

import warnings
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIISampler
from optuna.storages import InMemoryStorage
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState


def study_id(study: optuna.Study | FrozenStudy) -> int:
    """Return the key of a study in its storage. Wanted: a public attribute; all methods of storages need it."""
    key: int = study._study_id
    return key


def trial_id(trial: FrozenTrial) -> int:
    """Return the key of a trial in its storage. Wanted: a public attribute; all methods of storages need it."""
    key: int = trial._trial_id
    return key


def name_objectives(study: optuna.Study, names: Iterable[str]) -> None:
    """Name a study's objectives for those who open its journal with Optuna or its dashboard.

    Wanted: `Study.set_metric_names` without the warning that it is experimental.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names(list(names))


def ranks(points: npt.ArrayLike, missed: npt.ArrayLike | None = None) -> npt.NDArray[np.int64]:
    """Return the non-dominated rank of losses of shape (points, objectives), 0 for the front; shape (points,).

    Points that violate constraints, by `missed` of shape (points,), come after all others, the smallest violation
    first (Deb et al. 2002, https://doi.org/10.1109/4235.996017, section VI). Equal points have equal ranks.
    Wanted: a public non-dominated sort of values; `Study.best_trials` gives the first rank alone.
    """
    from optuna.study._multi_objective import _fast_non_domination_rank

    losses = np.asarray(points, dtype=np.float64)
    penalty = np.zeros(len(losses)) if missed is None else np.asarray(missed, dtype=np.float64)
    return np.asarray(_fast_non_domination_rank(losses, penalty=penalty), dtype=np.int64)


def hypervolume(points: npt.ArrayLike, reference: npt.ArrayLike, *, is_front: bool = False) -> float:
    """Return the volume that losses of shape (points, objectives) dominate up to the reference, exactly.

    It takes less time if `is_front` says that no point dominates another.
    Wanted: a public function of values; Optuna only draws hypervolumes.
    """
    from optuna._hypervolume import compute_hypervolume  # takes a quarter of a second to import

    losses, corner = np.asarray(points, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    return float(compute_hypervolume(losses, corner, assume_pareto=is_front))


FIRST_GENERATION: Final[Mapping[str, int]] = {NSGAIISampler._get_generation_key(): 0}
"""Attributes that make a trial one of the first parents, although the sampler did not draw it.

Wanted: an argument of `NSGAIISampler`.
"""


def reseed(sampler: BaseSampler, seed: int) -> None:
    """Make a sampler's next draws depend only on a seed and on the trials that it knows.

    Each part gets its own seed: with a common one, whether a value mutates and what it becomes would be correlated.
    Wanted: `BaseSampler.reseed_rng` with a seed; today it takes one from the operating system.
    """
    parts = [getattr(sampler, name, None) for name in ("_random_sampler", "_independent_sampler")]
    for number, part in enumerate([sampler, *(part for part in parts if isinstance(part, BaseSampler))]):
        part_seed = np.random.SeedSequence([seed, number]).generate_state(1)[0]
        part._rng.rng.seed(int(part_seed))  # type: ignore[attr-defined]  # each sampler has its own; `BaseSampler` has none


def forget_cached_trials(study: optuna.Study) -> None:
    """Make a sampler see all trials that are now in the storage, as `Study.ask` does.

    Wanted: a way to ask a sampler about a trial that is already in the storage.
    """
    study._thread_local.cached_all_trials = None


def reopen(storage: InMemoryStorage, key: int) -> None:
    """Make a told trial a running one. Wanted: a way to tell a trial again."""
    trial = storage.get_trial(key)
    trial.state = TrialState.RUNNING
    storage._set_trial(key, trial)


def constraints_as_attributes(violations: Mapping[str, float]) -> dict[str, Any]:
    """Return violations of constraints as Optuna keeps them among a trial's system attributes.

    Wanted: a `Trial.set_constraint` that can be called again; it keeps what was set first, and warns.
    """
    return optuna.trial.create_trial(state=TrialState.RUNNING, constraints=dict(violations)).system_attrs


def drop_draws(line: MutableMapping[str, Any]) -> None:
    """Remove a sampler's draws and their distributions, which are slow to read, from a line of a journal.

    Wanted: a documented format of the journal's lines.
    """
    if "distributions" in line:
        line.update(params={}, distributions={})
