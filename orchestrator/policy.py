"""Which sampler draws, and whether it draws ahead: by how long it takes and how long the study is."""

from collections.abc import Collection
from typing import Final

from orchestrator.sampling import SamplerName
from orchestrator.spec import StudySpec

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
GENERATIONS_LAST: Final = 500
"""The trials after which a breeding sampler gets a new view: of the front and of as many trials before it.

What is neither has no offspring any more, and would be looked at for every draw."""
_SMOOTHING: Final = 0.1


class Pace:
    """How long drawing takes, and how much time there is for it: running means, in seconds."""

    def __init__(self) -> None:
        self._drawing = self._between = 0.0
        self._last: float | None = None

    @property
    def share(self) -> float:
        """The time that drawing takes, as a share of the time from one trial to the next."""
        return self._drawing / self._between if self._between else 0.0

    def drew(self, seconds: float) -> None:
        """Note how long a draw took."""
        self._drawing += _SMOOTHING * (seconds - self._drawing) if self._drawing else seconds

    def handed_out(self, now: float) -> None:
        """Note when a trial was handed out."""
        if self._last is not None:
            between = now - self._last
            self._between += _SMOOTHING * (between - self._between) if self._between else between
        self._last = now


class Policy:
    """Chooses the sampler. What the study names is what it gets; `auto` is TPE until that is too slow, then NSGA-II."""

    def __init__(self, spec: StudySpec, used: Collection[str | None]) -> None:
        """Go on with what was `used` last: a study that breeds does not go back."""
        self._named = spec.search.sampler
        self._trials = spec.search.trials
        self._breeds = BREEDS in used
        self.pace = Pace()

    def sampler(self, asked: int) -> SamplerName:
        """Return which sampler draws after `asked` trials."""
        if self._named != "auto":
            return self._named
        too_slow = asked >= ENOUGH_PARENTS and self.pace.share > SLOW
        self._breeds = self._breeds or asked >= LONG or too_slow
        return BREEDS if self._breeds else "tpe"

    def population(self, running: int) -> int:
        """Return how many trials make a generation: for `auto` about as many as run at once, but no handful."""
        return max(20, min(100, running)) if self._named == "auto" else max(4, min(50, self._trials // 5))

    @property
    def prepares(self) -> bool:
        """Whether the next suggestion is drawn before a worker is free for it."""
        return self.pace.share > WORTH_PREPARING
