"""Measure what a study spends of its budgets while a driver runs, summed over all resumes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.spec.study_spec import Budget, Resources

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Spending:
    """What a study has spent: `seconds` of drivers running, `device_seconds` of trials holding devices, and `money`.

    Devices are GPUs, or CPUs if trials use no GPU. All attempts count, including lost and failed ones.
    """

    seconds: float = 0.0
    device_seconds: float = 0.0
    money: float = 0.0


@dataclass(frozen=True)
class Hold:
    """A trial's hold on the resources of `workers` workers, from time `since` of the clock."""

    since: float
    workers: int

    def until(self, now: float) -> float:
        """Return the worker-seconds up to `now`."""
        return (now - self.since) * self.workers


class Meter:
    """Adds spending to that of earlier drivers; the time between drivers is not counted."""

    def __init__(
        self,
        budget: Budget,
        resources: Resources,
        before: Spending,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget, self._resources, self._clock = budget, resources, clock
        self._before, self._begun = before, clock()
        self._ended = 0.0
        self._since: dict[int, Hold] = {}

    def occupy(self, trial: int, workers: int = 1) -> None:
        """Note that a trial holds the resources of `workers` workers from now on."""
        self.release(trial)
        self._since[trial] = Hold(self._clock(), workers)

    def release(self, trial: int) -> None:
        """Note that a trial releases its resources; do nothing if it holds none."""
        held = self._since.pop(trial, None)
        self._ended += held.until(self._clock()) if held is not None else 0.0

    def holds(self, trial: int) -> bool:
        """Whether a trial holds its resources now."""
        return trial in self._since

    @property
    def spent(self) -> Spending:
        """The spending so far, including that of trials still running."""
        now, resources = self._clock(), self._resources
        occupied = self._ended + sum(held.until(now) for held in self._since.values())
        return Spending(
            seconds=self._before.seconds + now - self._begun,
            device_seconds=self._before.device_seconds + occupied * (resources.share or resources.cpus),
            money=self._before.money + occupied * (resources.price_per_hour or 0.0) / SECONDS_PER_HOUR,
        )

    @property
    def exhausted(self) -> str | None:
        """A budget that is spent, if any; then no new trial may be started."""
        named = (f"budget.{key} = {allowed:g}" for key, used, allowed in self._accounts() if used >= allowed)
        return next(named, None)

    @property
    def share(self) -> float:
        """The share of the budget that is spent, of several the largest; 0 without a budget."""
        return max((used / allowed for _, used, allowed in self._accounts()), default=0.0)

    def _accounts(self) -> Iterator[tuple[str, float, float]]:
        """Yield each limit's key, what is spent of it, and the limit itself."""
        spent, budget = self.spent, self._budget
        accounts = (
            ("hours", spent.seconds / SECONDS_PER_HOUR, budget.hours),
            ("device_hours", spent.device_seconds / SECONDS_PER_HOUR, budget.device_hours),
            ("money", spent.money, budget.money),
        )
        for key, used, allowed in accounts:
            if allowed is not None:
                yield key, used, allowed
