"""What to try next: every paradigm once, then whatever the sampler draws."""

import json
from collections import Counter
from functools import partial

import optuna

from orchestrator.configurations import PARADIGM, Configuration
from orchestrator.ledger import Ledger
from orchestrator.sampling import SampledStudy, configurations_for, sampler_for, suggest


class Proposer:
    """Asks Optuna for trials and writes into the ledger what each of them tries.

    A paradigm with nothing to search is tried once; if the study has no other, again with the next seed. The same
    goes for a configuration that was drawn before: it becomes a replicate instead of the same work again.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._configurations = configurations_for(ledger.spec)
        sampler = sampler_for(self._configurations, ledger.asked)
        self._study = SampledStudy(ledger.spec.name, ledger.storage, sampler)
        records = ledger.records()
        self._tried = Counter(_key(record.paradigm, record.params) for record in records)
        self._queue_each_but({record.paradigm for record in records})

    def propose(self) -> tuple[int, Configuration]:
        """Ask for the next trial; return its number and what it tries."""
        return self._configured(self._study.ask())

    def propose_again(self, number: int) -> tuple[int, Configuration]:
        """Complete a trial that was being drawn when the driver died."""
        return self._configured(optuna.Trial(self._study, self._ledger.trial_id(number)))

    def refusal(self, configuration: Configuration) -> str | None:
        """Return why a configuration cannot be carried out, or None if it can."""
        return self._configurations.refusal(configuration.paradigm, configuration.params)

    def _configured(self, trial: optuna.Trial) -> tuple[int, Configuration]:
        paradigm = self._settled(trial)
        if paradigm is None:
            drawn = self._configurations.draw(partial(suggest, trial))
            paradigm, params = str(drawn[PARADIGM]), self._configurations.params(drawn)
        else:
            params = self._configurations.fixed(paradigm)
        key = _key(paradigm, params)
        configuration = Configuration(paradigm, params, self._ledger.spec.seed + self._tried[key])
        self._tried[key] += 1
        self._ledger.configure(trial.number, configuration)
        return trial.number, configuration

    def _settled(self, trial: optuna.Trial) -> str | None:
        """Return the paradigm of a trial for which nothing is to be drawn."""
        if not self._configurations.searched:
            return self._configurations.settled[trial.number % len(self._configurations.settled)]
        paradigm: str | None = trial.user_attrs.get(PARADIGM)
        return paradigm

    def _queue_each_but(self, known: set[str]) -> None:
        for paradigm in self._ledger.spec.paradigms:
            if paradigm in known:
                continue
            if paradigm in self._configurations.settled:
                self._study.enqueue_trial({}, user_attrs={PARADIGM: paradigm})
            else:
                self._study.enqueue_trial({PARADIGM: paradigm})


def _key(paradigm: str, params: object) -> str:
    return json.dumps([paradigm, params], sort_keys=True)
