"""Which sampler draws, and whether it draws ahead: by how long it takes and how long the study is."""

from collections.abc import Collection
from typing import Final

from orchestrator.search.samplers import SamplerName
from orchestrator.spec.study_spec import StudySpec

BREEDS: Final = "nsga2"
"""The sampler whose cost per trial does not depend on how many there were."""
LONG: Final = 1000
"""The trials after which `auto` breeds: TPE looks at all of them for every value that it draws."""
SLOW: Final = 0.1
"""The share of the time between two trials that drawing may take before `auto` breeds."""
WORTH_PREPARING: Final = 0.02
"""The share above which a suggestion is drawn while trials run. It cannot know of the trials that end meanwhile."""
ENOUGH_PARENTS: Final = 50
"""The trials without which nothing is bred, however slow the sampler is."""
FEW: Final = 100
EXPENSIVE: Final = 10.0
"""Up to how many trials, and from how many seconds between two of them, a model that takes a second is worth it."""
FEW_WITH_RUNGS: Final = 50
"""The trials after which a study that stops trials early continues without a model: they come faster, and tell less."""
ENOUGH_TO_MODEL: Final = 10
"""The trials before a model is asked; those that no model has chosen are random to it."""
GENERATIONS_LAST: Final = 500
"""The trials after which a breeding sampler gets a new view: of a generation from the front, and as many trials before.

What is neither has no offspring any more, and would be looked at for every draw."""
_SMOOTHING: Final = 0.1


class Pace:
    """How long drawing takes, and how much time there is for it: running means, in seconds."""

    def __init__(self) -> None:
        self._drawing = self._between = 0.0
        self._last: float | None = None

    @property
    def between(self) -> float:
        """The seconds from one trial to the next."""
        return self._between

    @property
    def share(self) -> float:
        """The time that drawing takes, as a share of the time from one trial to the next."""
        return self._drawing / self._between if self._between else 0.0

    def drew(self, seconds: float) -> None:
        """Note how long a draw took."""
        self._drawing += _SMOOTHING * (seconds - self._drawing) if self._drawing else seconds

    def another_draws(self) -> None:
        """Forget how long drawing took: it is another sampler's from now on."""
        self._drawing = 0.0

    def handed_out(self, now: float) -> None:
        """Note when a trial was handed out."""
        if self._last is not None:
            between = now - self._last
            self._between += _SMOOTHING * (between - self._between) if self._between else between
        self._last = now


class Policy:
    """Chooses the sampler. What the study names is what it gets.

    `auto` is TPE; NSGA-II once TPE is too slow for the trials, or the study is long; a Gaussian process where trials
    are few or stopped early, expensive, and what is searched is all numbers, for the first of them. It never goes back.
    """

    def __init__(self, spec: StudySpec, used: Collection[str | None], *, numeric: bool) -> None:
        """Continue with what was `used` before; `numeric` says whether all that is searched are numbers."""
        self._named = spec.search.sampler
        self._trials = spec.search.trials
        self._breeds, self._models = BREEDS in used, "gp" in used
        self._may_model = numeric and (bool(spec.fidelity.rungs) or spec.search.trials <= FEW)
        self._few = FEW_WITH_RUNGS if spec.fidelity.rungs else FEW
        self.pace = Pace()

    def sampler(self, told: int) -> SamplerName:
        """Return which sampler draws once that many trials have finished."""
        if self._named != "auto":
            return self._named
        expensive = told >= ENOUGH_TO_MODEL and self.pace.between >= EXPENSIVE
        self._models = self._models or (self._may_model and expensive)
        if self._models and told < self._few:
            return "gp"
        if self._models:
            self._models = self._may_model = False
            self.pace.another_draws()
        too_slow = told >= ENOUGH_PARENTS and self.pace.share > SLOW
        self._breeds = self._breeds or told >= LONG or too_slow
        return BREEDS if self._breeds else "tpe"

    def population(self, running: int) -> int:
        """Return how many trials make a generation: for `auto` about as many as run at once, but no handful."""
        return max(20, min(100, running)) if self._named == "auto" else max(4, min(50, self._trials // 5))

    @property
    def prepares(self) -> bool:
        """Whether the next suggestion is drawn before a worker is free for it."""
        return self.pace.share > WORTH_PREPARING
