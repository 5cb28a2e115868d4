"""Records in the ledger what Ray Tune reports about its trials, and handles the signals that end a run."""

import errno
import math
import shutil
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final

import ray
from ray.exceptions import RayActorError
from ray.tune import Callback
from ray.tune.progress_reporter import TrialProgressCallback

from orchestrator.execution import cluster_state, ray_internals
from orchestrator.execution.cluster import NodeLost, is_alive
from orchestrator.execution.interruption import leave_terminal, signals
from orchestrator.execution.local_ray import vital_processes_live
from orchestrator.execution.trial_context import CHECKPOINT, DISK_FULL, FAILURE, STORE_LOST
from orchestrator.execution.tune_trial import OrderedTrial
from orchestrator.execution.watchdog import Watchdog
from orchestrator.ledger.epoch import EpochReport
from orchestrator.ledger.failures import Breakdown, Failure
from orchestrator.store.attempts import OBITUARY, CheckpointRef
from orchestrator.store.remote import StoreLost, patiently
from orchestrator.sweep.observer import notify
from orchestrator.sweep.sweep import SECONDS_BETWEEN_NOTES, Sweep
from orchestrator.sweep.verdict import CONTINUE, Verdict

_LOW_ON_MEMORY: Final = "low on memory"
"""Part of the message of Ray's memory monitor when it has killed a process."""

SECONDS_BETWEEN_CHECKS: Final = 2.0
"""How often Ray is checked for being alive."""


class Recorder(Callback):  # type: ignore[misc]
    """Records what happens to trials.

    Ray Tune swallows exceptions in several of these methods, and would run a finished trial again. So they only queue
    what happened; it is written to the ledger at the end of the step, where exceptions are not swallowed.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.interrupted = False
        """Whether a signal has asked the run to end."""
        self.error: Exception | None = None
        """The exception that ended the run; Ray Tune passes on only its text."""
        self._sweep = sweep
        self._happened: deque[Callable[[], None]] = deque()
        self._failures: dict[str, Breakdown] = {}
        self._verdicts: dict[str, Verdict] = {}
        """The verdicts on trials that Ray Tune is ending, until it reports that they have ended."""
        self._minutes = sweep.spec.failures.timeout_minutes
        self._watchdog = Watchdog(self._minutes and self._minutes * 60)
        self._checked = time.monotonic()
        self._started: set[str] = set()
        self._closed: set[str] = set()
        self._next_look = math.inf

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("recorder",)  # Ray Tune pickles its callbacks into a file that nobody reads

    def setup(self, **_: Any) -> None:
        """Make SIGTERM and SIGHUP end the run as Ctrl-C does, and note it: Ray Tune returns as if all had finished."""
        if threading.current_thread() is not threading.main_thread():
            return
        end_run = ray_internals.run_ender()

        def interrupt(number: int, frame: FrameType | None) -> None:
            leave_terminal()
            if not self.interrupted:
                notify(self._sweep.observer, _stopping(len(self._sweep.live)))
            self.interrupted = True
            if end_run is not None:
                end_run(number, frame)

        for asked in (signal.SIGINT, *signals()):
            signal.signal(asked, interrupt)

    def on_trial_start(self, *, trial: OrderedTrial, **_: Any) -> None:
        self._watchdog.hear(trial.trial_id)
        self._started.add(trial.trial_id)
        self._happened.append(partial(self._sweep.begin, trial.order.number, trial.order.workers))
        if math.isinf(self._next_look):
            self._next_look = time.monotonic() + SECONDS_BETWEEN_CHECKS  # Ray needs a moment to count what is in use

    def on_trial_result(self, *, trial: OrderedTrial, result: dict[str, Any], **_: Any) -> None:
        self._watchdog.hear(trial.trial_id)
        if DISK_FULL in result:
            self._happened.append(partial(self._stop_for_lack_of_room, result[DISK_FULL]))
        elif STORE_LOST in result:
            self._happened.append(partial(self._stop_for_lack_of_store, result[STORE_LOST]))
        elif FAILURE in result:
            kind, text = result[FAILURE]
            self._failures[trial.trial_id] = Breakdown(Failure(kind), text)
        else:
            self._happened.append(partial(self._sweep.report, trial.order.number, EpochReport.from_dict(result)))
            if CHECKPOINT in result:
                checkpoint = CheckpointRef.parse(result[CHECKPOINT])
                self._happened.append(partial(self._sweep.save, trial.order.number, checkpoint))

    def note_verdict(self, trial: OrderedTrial, verdict: Verdict) -> None:
        """Remember why a trial ends."""
        self._verdicts[trial.trial_id] = verdict

    def on_trial_complete(self, *, trial: OrderedTrial, **_: Any) -> None:
        verdict = self._verdicts.pop(trial.trial_id, CONTINUE)
        ended = partial(self._sweep.end, trial.order.number, verdict)
        self._happened.append(
            ended if trial.trial_id in self._started else partial(self._sweep.take_back, trial.order.number)
        )
        self._close(trial)
        self._failures.pop(trial.trial_id, None)

    def on_trial_error(self, *, trial: OrderedTrial, **_: Any) -> None:
        self._close(trial)
        breakdown = self._failures.pop(trial.trial_id, None)
        if breakdown is None:
            breakdown = _what_ray_says(trial)
            self._happened.append(partial(self._keep_error_text, trial))
        self._happened.append(partial(self._sweep.fail, trial.order.number, breakdown))

    def on_step_end(self, *, trials: list[OrderedTrial], **_: Any) -> None:
        try:
            while self._happened:
                self._happened.popleft()()
            self._check_node()
            self._take_back_lost(trials)
            self._end_silent_ones(trials)
            self._sweep.note_time()
            self._look_at_cluster(trials)
        except Exception as error:
            self.error = error
            raise

    def _check_node(self) -> None:
        """Raise NodeLost if Ray is dead: check its processes in every step, and ask Ray itself now and then."""
        due = time.monotonic() - self._checked >= SECONDS_BETWEEN_CHECKS
        if due:
            self._checked = time.monotonic()
        if not (is_alive() if due else vital_processes_live()):
            raise NodeLost(self._sweep.folder.log)

    def _keep_error_text(self, trial: OrderedTrial) -> None:
        """Copy Ray's error text to the trial's files now: Ray Tune does so only at the end of the run, if ever."""
        if trial.error_file is not None:
            kept = trial.order.folder / OBITUARY
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(trial.error_file, kept)
            patiently(partial(self._sweep.folder.push, kept))

    def _look_at_cluster(self, trials: list[OrderedTrial]) -> None:
        """Record the state of the cluster and where trials run, for commands that look at the study without Ray."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + SECONDS_BETWEEN_NOTES
        ledger = self._sweep.ledger
        ledger.note_cluster(cluster_state.look())
        actors = {trial.order.number: actor for trial in trials if (actor := ray_internals.actor_of(trial))}
        for number, address in ray_internals.addresses(actors).items():
            ledger.place(number, address)

    def _stop_for_lack_of_room(self, said: str) -> None:
        """End the run: if one trial cannot write, none can. All running trials stay unfinished."""
        raise OSError(errno.ENOSPC, said)

    def _stop_for_lack_of_store(self, said: str) -> None:
        """End the run: if one trial cannot reach the store, none can. All running trials stay unfinished."""
        raise StoreLost(said)

    def _close(self, trial: OrderedTrial) -> None:
        self._closed.add(trial.trial_id)
        self._started.discard(trial.trial_id)
        self._verdicts.pop(trial.trial_id, None)
        self._watchdog.forget(trial.trial_id)

    def _end_silent_ones(self, trials: list[OrderedTrial]) -> None:
        """Kill the processes of trials that have been silent for too long; Ray Tune then reports them as lost."""
        for overdue in self._watchdog.overdue():
            self._watchdog.forget(overdue)
            self._failures[overdue] = Breakdown(Failure.TIMEOUT, f"no report for {self._minutes:g} minutes")
            trial = next(trial for trial in trials if trial.trial_id == overdue)
            ray.kill(ray_internals.actor_of(trial))

    def _take_back_lost(self, trials: list[OrderedTrial]) -> None:
        """Requeue trials that Ray Tune dropped silently, as it does when an actor is not free for its next trial.

        This must happen in every step: with nothing else to run, the next one waits ten minutes for a new trial.
        """
        for trial in trials:
            if trial.is_finished() and trial.trial_id not in self._closed:
                self._closed.add(trial.trial_id)
                self._sweep.take_back(trial.order.number)


class NoProgress(TrialProgressCallback):  # type: ignore[misc]  # Ray has no types
    """Replaces the reporter that Ray Tune adds by default, which formats every result and keeps every trial."""

    def on_trial_result(self, **_: Any) -> None:
        pass

    def on_trial_complete(self, **_: Any) -> None:
        pass

    def on_trial_error(self, **_: Any) -> None:
        pass


def _stopping(trials: int) -> str:
    """Return what a signal brings about."""
    if not trials:
        return "stopping"
    saving, rest = ("1 trial", "it as it is") if trials == 1 else (f"{trials} trials", "them as they are")
    return f"stopping: saving {saving}; Ctrl-C again to leave {rest}"


def _what_ray_says(trial: OrderedTrial) -> Breakdown:
    """Return Ray's account of a failure that the trial did not report itself; `Trial.get_error` has none yet."""
    lines = ray_internals.error_lines(trial)
    text = lines[0] if lines else "no error text"
    if any(_LOW_ON_MEMORY in line for line in lines):
        return Breakdown(Failure.OUT_OF_MEMORY, text)
    error = ray_internals.error_of(trial)
    if not isinstance(error, RayActorError):
        return Breakdown(Failure.ERROR, text)
    return Breakdown(Failure.PREEMPTED if error.preempted else Failure.LOST, text)
