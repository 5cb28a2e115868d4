"""Choose the sampler, and whether it draws ahead, by how long drawing takes and how long the study is."""

from collections import deque
from collections.abc import Callable, Collection
from typing import Final

from orchestrator.search.samplers import SamplerName
from orchestrator.spec.study_spec import StudySpec

BREEDS: Final = "nsga2"
"""The sampler whose cost per trial does not depend on the number of earlier trials."""
KNOWS: Final = "known_cost"
"""The sampler that models only what is unknown."""
LONG: Final = 1000
"""The number of trials after which `auto` breeds, because TPE uses all of them for every value that it draws."""
SLOW: Final = 0.1
"""The share of the time between two trials that drawing may take before `auto` breeds."""
WORTH_PREPARING: Final = 0.02
"""The share above which a suggestion is drawn while trials run, without knowing those that finish meanwhile."""
ENOUGH_PARENTS: Final = 50
"""The number of trials needed before breeding starts, however slow the sampler is."""
FEW: Final = 100
EXPENSIVE: Final = 10.0
"""A model that takes a second is worth it for up to FEW trials with at least EXPENSIVE seconds between two of them; one
that knows costs, which takes a tenth of that, as long as it is not SLOW."""
FEW_WITH_RUNGS: Final = 50
"""The number of trials after which a study with rungs drops the model: its trials end sooner, and say less."""
ENOUGH_TO_MODEL: Final = 10
"""The number of finished trials from which a model is used."""
GENERATIONS_LAST: Final = 500
"""A breeding sampler gets a new view after this many trials: one generation from the front, and as many recent trials.

Other trials have no offspring any more, but would be considered for every draw."""
RECENT: Final = 200
"""Over how many trials the time between them is averaged: more than most clusters run at once."""
_SMOOTHING: Final = 0.1


class Pace:
    """How long drawing takes, a running mean, and the time between trials, in seconds.

    Trials come in bursts: all workers are free at first, and trials that began together end together. So the time
    between them is a mean over many.
    """

    def __init__(self) -> None:
        self._drawing = 0.0
        self._handed_out: deque[float] = deque(maxlen=RECENT)

    @property
    def between(self) -> float:
        """The seconds from one trial to the next; 0 if there was none."""
        times = self._handed_out
        return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0

    @property
    def share(self) -> float:
        """The time that drawing takes, as a share of the time from one trial to the next."""
        return self._drawing / self.between if self.between else 0.0

    def drew(self, seconds: float) -> None:
        """Note how long a draw took."""
        self._drawing += _SMOOTHING * (seconds - self._drawing) if self._drawing else seconds

    def another_draws(self) -> None:
        """Forget how long drawing took, because another sampler draws from now on."""
        self._drawing = 0.0

    def handed_out(self, now: float) -> None:
        """Note when a trial was handed out."""
        self._handed_out.append(now)


class Policy:
    """Chooses the sampler: the one that the study names, or for `auto` a suitable one.

    `auto` is TPE, then NSGA-II once TPE is too slow for the trials or the study is long. Expensive trials have a model:
    where only numbers are searched, and trials are few or stopped early, a Gaussian process draws early ones; where
    choices are searched, and costs can be known, the sampler that knows them draws from the first result on. It never
    switches back.
    """

    def __init__(
        self, spec: StudySpec, used: Collection[str | None], *, numeric: bool, knows: Callable[[], bool] = lambda: False
    ) -> None:
        """Continue with the samplers `used` before.

        `numeric` says whether only numbers are searched; `knows`, which is asked once, whether costs that the study
        minimises are known before training.
        """
        self._named = spec.search.sampler
        self._trials = spec.search.trials
        self._breeds, self._models = BREEDS in used, "gp" in used
        self._may_model = numeric and not self._breeds and (bool(spec.fidelity.rungs) or spec.search.trials <= FEW)
        self._knows, self._ask = KNOWS in used, knows
        self._may_know = not (numeric or self._breeds or self._models)
        self._few = FEW_WITH_RUNGS if spec.fidelity.rungs else FEW
        self.pace = Pace()

    def sampler(self, told: int) -> SamplerName:
        """Return the sampler that draws once `told` trials have finished."""
        if self._named != "auto":
            return self._named
        expensive = self.pace.between >= EXPENSIVE
        if self._may_know and told and expensive:
            self._may_know, self._knows = False, self._knows or self._ask()
        if self._knows and not (self._breeds or self._must_breed(told)):
            return KNOWS
        self._models = self._models or (self._may_model and told >= ENOUGH_TO_MODEL and expensive)
        if self._models and told < self._few:
            return "gp"
        if self._models:
            self._models = self._may_model = False
            self.pace.another_draws()
        self._breeds = self._breeds or self._must_breed(told)
        return BREEDS if self._breeds else "tpe"

    def _must_breed(self, told: int) -> bool:
        return told >= LONG or (told >= ENOUGH_PARENTS and self.pace.share > SLOW)

    def population(self, running: int) -> int:
        """Return the size of a generation: for `auto` as many trials as run at once, but from 20 to 100."""
        return max(20, min(100, running)) if self._named == "auto" else max(4, min(50, self._trials // 5))

    @property
    def prepares(self) -> bool:
        """Whether the next suggestion is drawn before a worker is free."""
        return self.pace.share > WORTH_PREPARING
