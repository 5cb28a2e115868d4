"""What every sampler that a study file can name must do."""

from typing import get_args

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from orchestrator.search.configurations import PARADIGM, Configurations
from orchestrator.search.feasible_draws import FeasibleDraws
from orchestrator.search.samplers import SamplerName, draws_for
from orchestrator.spec.study_spec import StudySpec
from tests.orchestrator.small import FIXED, study
from trainables.spec import Value

every_sampler = pytest.mark.parametrize("name", get_args(SamplerName))

SPARSITY = "magnitude.sparsity"


def spec(**changes: object) -> StudySpec:
    paradigms = {"magnitude": {**FIXED, "sparsity": {"low": 0.2, "high": 0.8}}}
    return study(**{"paradigms": paradigms, "seed": 4, "objectives": {"accuracy": "maximize"}, **changes})


def drawer(name: str, wanted: StudySpec) -> FeasibleDraws:
    sampler: SamplerName = next(known for known in get_args(SamplerName) if known == name)
    return draws_for(sampler, Configurations(wanted), population=4)


class Search:
    """A sampler at work on a study that lives in memory; a trial is the better, the sparser it is."""

    def __init__(self, name: str, wanted: StudySpec) -> None:
        self._draws = drawer(name, wanted)
        self._configurations = Configurations(wanted)
        self._study = optuna.create_study(direction="maximize")

    def draw(self, number: int, **given: Value) -> dict[str, Value]:
        return self._draws.draw(self._study, self._running(), given, number)

    def tell(self, drawn: dict[str, Value]) -> None:
        distributions = self._configurations.distributions
        self._study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                params=drawn,
                distributions={name: distributions[name] for name in drawn},
                value=float(drawn[SPARSITY]),
            )
        )

    def _running(self) -> FrozenTrial:
        key = self._study._storage.create_new_trial(self._study._study_id)
        return self._study._storage.get_trial(key)


@every_sampler
def test_draws_lie_inside_the_ranges_and_are_whole_configurations(name: str) -> None:
    search = Search(name, spec())
    for number in range(6):
        drawn = search.draw(number)
        assert drawn[PARADIGM] == "magnitude"
        assert 0.2 <= float(drawn[SPARSITY]) <= 0.8
        search.tell(drawn)


@every_sampler
def test_what_is_given_is_kept(name: str) -> None:
    assert Search(name, spec()).draw(0, **{SPARSITY: 0.375})[SPARSITY] == 0.375


@every_sampler
def test_a_search_that_begins_again_with_the_same_history_draws_the_same(name: str) -> None:
    whole, history = Search(name, spec()), []
    for number in range(8):
        history.append(whole.draw(number))
        whole.tell(history[-1])
    resumed = Search(name, spec())
    for drawn in history[:5]:
        resumed.tell(drawn)
    for number in range(5, 8):
        drawn = resumed.draw(number)
        assert drawn == history[number]
        resumed.tell(drawn)


@every_sampler
def test_another_seed_draws_something_else(name: str) -> None:
    assert Search(name, spec()).draw(0) != Search(name, spec(seed=5)).draw(0)


@every_sampler
def test_no_draw_is_repeated_for_the_next_trial(name: str) -> None:
    search = Search(name, spec())
    assert search.draw(0) != search.draw(1)
