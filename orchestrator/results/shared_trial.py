"""Finished trials for Optuna's importance, which share their distributions."""

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Any, Self

from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from trainables.spec import Value


class SharedTrial(FrozenTrial):
    """A finished trial of which a study keeps a shallow copy, because nothing changes its parts.

    A study copies what is added to it in depth: nine distributions for each of 1,500 trials take a second, and no two
    copies are the same object, so that each comparison of them looks at all choices.
    """

    @classmethod
    def of(
        cls, params: Mapping[str, Value], distributions: dict[str, BaseDistribution], values: Sequence[float]
    ) -> Self:
        """Return a trial with hyper-parameters, the distributions that all trials share, and the losses."""
        now = datetime.now(UTC)
        return cls(
            number=-1,
            trial_id=-1,
            state=TrialState.COMPLETE,
            value=None,
            values=values,
            datetime_start=now,
            datetime_complete=now,
            params=dict(params),
            distributions=distributions,
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copy(self)
