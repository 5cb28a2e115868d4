"""Launch, resume and extend studies. Importing this imports neither torch nor Ray."""

import logging
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import chain
from typing import Any, Final

from orchestrator.execution import cluster, gpu_shares
from orchestrator.execution.cluster import NodeLost, RaySession
from orchestrator.ledger.journal_location import journal_location_of
from orchestrator.ledger.ledger import Ledger, read
from orchestrator.ledger.records import State
from orchestrator.search import extension, starting_weights, warm_start
from orchestrator.search.expected_costs import ExpectedCosts
from orchestrator.search.extension import Said
from orchestrator.search.network_check import NetworkCheck
from orchestrator.search.starting_weights import StartingWeights
from orchestrator.spec.history import write_study
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store import stamp, store_check
from orchestrator.store.disk import DiskFull, is_full
from orchestrator.store.logs import logging_study
from orchestrator.store.remote import StoreLost
from orchestrator.store.store import Store, StudyFolder
from orchestrator.store.trial_files import trial_files
from orchestrator.sweep.kept_checkpoints import CHECKPOINTS_KEPT
from orchestrator.sweep.observer import Observer as Observer
from orchestrator.sweep.observer import Observers, notify
from orchestrator.sweep.observer import Outcome as Outcome
from orchestrator.sweep.sweep import Sweep
from orchestrator.tracking.publishing import publisher
from trainables import data
from trainables.errors import InvalidValue
from trainables.spec import TrialSpec

logger = logging.getLogger(__name__)

TRIAL: Final = "orchestrator.execution.worker:run_in_torch"
"""The function that runs a trial inside a worker, as ``module:function``."""


def launch(
    spec: StudySpec,
    store: Store,
    *,
    observer: Observer | None = None,
    exist_ok: bool = False,
    address: str | None = None,
    run: str = TRIAL,
) -> Outcome:
    """Run a new study until it is finished, on the cluster at `address` or in RAY_ADDRESS, else on this machine.

    A study exists once its first trial has been handed out. Everything is checked before anything is written, and a
    study whose driver died before its first trial is launched as if it were new. With `exist_ok`, an existing study
    with the same name and an identical spec is resumed. Raises InvalidValue for a name that is taken, an earlier study
    that cannot be used for warm starting, data that cannot be read, a store or machine without enough room, or a
    cluster that cannot be used; StudyBusy while another process drives the study; and RayNotStarted.
    """
    store_check.check(spec, store)
    spec = gpu_shares.settled(spec, store, address, logger.info)
    with _session(spec, address, observer) as session:
        drive = Drive(spec, store.study(spec.name), store, session, observer, run)
        if _exists(drive.folder):
            _require_same(spec, drive.folder, exist_ok)
            cluster.check(spec.resources, address)
            return drive.finish()
        _check_network(spec, store)
        _require_one_place(spec, drive.folder)
        _require_reachable(spec, drive.folder)
        warm_start.check(spec, store)
        data.check(spec.data)
        hashes = starting_weights.gather(spec, store).hashes
        session.open_with_room(spec.resources)
        made = stamp.stamp(_data_hash(spec, store), spec.referred, hashes)
        return drive.finish(lambda ledger: _write_down(drive, made, ledger.asked))


def resume(
    name: str, store: Store, *, observer: Observer | None = None, address: str | None = None, run: str = TRIAL
) -> Outcome:
    """Resume a study: finished trials stay, interrupted ones continue from their last checkpoint, new ones follow.

    It need not run where it ran before. Raises InvalidValue if the study does not exist or the cluster cannot be used,
    and StudyBusy while another process drives it.
    """
    folder = store.existing(name)
    spec = StudySpec.stored(folder.spec)
    store_check.check(spec, store)
    return Drive(spec, folder, store, _session(spec, address, observer), observer, run).finish()


def extend(
    spec: StudySpec,
    store: Store,
    *,
    observer: Observer | None = None,
    said: Said = lambda _: None,
    address: str | None = None,
    run: str = TRIAL,
) -> Outcome:
    """Continue a study whose file was edited; `said` is called with the changes before the study runs.

    If the number of epochs was raised, earlier trials count as partial fidelity and leave the front; the members of
    that front are tried again first. Raises StudyError for changes that the study cannot adopt, InvalidValue if the
    study does not exist or the cluster cannot be used, and StudyBusy while another process drives it.
    """
    folder = store.existing(spec.name)
    spec = gpu_shares.settled(spec, store, address, logger.info)
    cluster.check(spec.resources, address)
    store_check.check(spec, store)
    _check_network(spec, store)

    def adopt(ledger: Ledger) -> None:
        warm_start.check(spec, store)
        said(extension.extend(spec, folder, ledger.records()))

    return Drive(spec, folder, store, _session(spec, address, observer), observer, run).finish(adopt)


@dataclass(frozen=True)
class Drive:
    """A run of a study until it is finished or interrupted, however it was begun.

    `session` is the Ray that it uses, which may be open already; `run` names the function that runs a trial.
    """

    spec: StudySpec
    folder: StudyFolder
    store: Store
    session: RaySession
    observer: Observer | None
    run: str

    def finish(self, prepare: Callable[[Ledger], object] = lambda _: None) -> Outcome:
        """Run what is left of the study, once `prepare` is done with its open ledger; return how it ended."""
        with logging_study(self.folder), Ledger(self.folder, self.spec) as ledger:
            prepare(ledger)
            with self._stops_explained():
                return self._run(ledger)

    @contextmanager
    def _stops_explained(self) -> Iterator[None]:
        """Add to a full disk or a lost store what is kept, and how to continue."""
        name = self.spec.name
        command = shlex.join(["espalier", "resume", name, "--store", self.store.place])
        try:
            yield
        except StoreLost as lost:
            kept = f"All recorded results are kept; when the store can be used again, continue by `{command}`"
            raise StoreLost(f"study {name!r} has stopped, because {lost}. {kept}") from lost
        except Exception as error:
            if not is_full(error):
                raise
            raise DiskFull(name, self.store.root, str(error), command=command) from error

    def _run(self, ledger: Ledger) -> Outcome:
        """Run what is left, notify the observers, clean up."""
        ledger.restart_unfinished()
        with publisher(self.store, self.spec, _stamp(self.spec, self.store), ledger.records()) as published:
            watching = Observers([published, *([self.observer] if self.observer else [])])
            watching.started(self.spec, self.folder, self.spec.search.trials)
            for record in ledger.records():
                watching.updated(record)
            _tidy(ledger, self.folder)
            sweep = Sweep(ledger, watching, costs=ExpectedCosts(self.spec, self._placed))
            interrupted = self._run_trials(sweep)
            if not interrupted:
                sweep.settle()
            _tidy(ledger, self.folder)
            outcome = Outcome(self.folder, tuple(ledger.records()), interrupted, sweep.spent_budget)
            watching.finished(outcome)
            return replace(outcome, tracking_note=published.note)

    @cached_property
    def _weights(self) -> StartingWeights:
        return starting_weights.gather(self.spec, self.store)

    def _placed(self, trial: TrialSpec) -> TrialSpec:
        return self._weights.placed(trial)

    def _run_trials(self, sweep: Sweep) -> bool:
        """Run the trials that are left, if any; return whether the run was interrupted.

        If Ray dies, it is restarted. Raises NodeLost if it dies more than `failures.retries` times in a row without a
        report from any trial in between, and InvalidValue if the data are no longer there, as every trial would fail,
        or neither they nor the weights that networks start from are those of the launch.
        """
        if sweep.is_over:
            return False
        data.check(self.spec.data)
        weights = self._weights
        stamped = _stamp(self.spec, self.store)
        weights.require_same(stamped.get("weights", {}))
        stamp.require_same_data(stamped, self.spec.data.name, _data_hash(self.spec, self.store))
        vain = 0
        try:
            while True:
                reports = sweep.reports
                try:
                    self.session.open(self.folder.log)
                    from orchestrator.execution.tune_run import run_trials  # imports Ray

                    return run_trials(sweep, self.store.data, self.run, weights.placed)
                except NodeLost:
                    self.session.close()
                    vain = vain + 1 if sweep.reports == reports else 0
                    if vain > self.spec.failures.retries:
                        raise
                    logger.warning("Ray died on this machine and is restarted")
                    sweep.lose_all()
        except KeyboardInterrupt:
            return True
        finally:
            self.session.close()
            sweep.close()


def _session(spec: StudySpec, address: str | None, observer: Observer | None) -> RaySession:
    """Return the Ray of a run of a study; started here, it has its workers ready if each processor runs a trial."""
    processors = os.cpu_count() or 1
    alone = spec.resources.cpus <= 1 and not spec.resources.share
    ready = alone and min(spec.search.trials, spec.resources.parallel or processors) >= processors
    return RaySession(address, spec.referred, partial(notify, observer), ready=ready)


def _check_network(spec: StudySpec, store: Store) -> None:
    """Raise StudyError if the network cannot run any of the study's configurations; warn about those it cannot run.

    Raises InvalidValue for an earlier trial that cannot be started from.
    """
    with starting_weights.preview(spec, store) as weights:
        network = NetworkCheck(spec, weights.placed)
        network.require_work()
        for problem in network.impossible():
            logger.warning("%s; such trials will fail", problem)


def _tidy(ledger: Ledger, folder: StudyFolder) -> None:
    kept = {State.RUNNING: CHECKPOINTS_KEPT, State.PAUSED: CHECKPOINTS_KEPT, State.COMPLETE: 1}
    checkpoints = (ledger.checkpoints(one.trial)[: kept.get(one.state, 0)] for one in ledger.records())
    for aside in trial_files(folder).tidy(set(chain.from_iterable(checkpoints)), ledger.asked):
        logger.warning("set aside files that belong to no trial in the ledger: %s", aside)


def _exists(folder: StudyFolder) -> bool:
    """Return whether any trial of the study was ever handed out, judging by its ledger and by the trials' folders."""
    return folder.spec.exists() and (bool(read(folder)) or any(path.is_dir() for path in folder.trials.glob("*")))


def _require_same(spec: StudySpec, folder: StudyFolder, exist_ok: bool) -> None:
    if not exist_ok:
        raise InvalidValue(
            "name", spec.name, f"is taken; continue that study by `espalier resume {spec.name}`, or rename this one"
        )
    if StudySpec.stored(folder.spec) != spec:
        there = f"is taken by a study that differs: {folder.shown(folder.spec)}"
        raise InvalidValue("name", spec.name, f"{there}; continue it by `espalier extend`, or rename this one")


def _require_one_place(spec: StudySpec, folder: StudyFolder) -> None:
    """Raise InvalidValue if a study that never started was launched with another `ledger` than `spec` names."""
    if folder.spec.exists() and (before := StudySpec.stored(folder.spec).ledger) != spec.ledger:
        allowed = f"differs from {before!r}, with which this study was launched before; rename this one"
        raise InvalidValue("ledger", spec.ledger, allowed)


def _require_reachable(spec: StudySpec, folder: StudyFolder) -> None:
    """Raise InvalidValue for a ledger whose server cannot be used: known at once, while starting Ray takes seconds."""
    journal_location_of(folder, spec.ledger).is_driven()


def _write_down(drive: Drive, made: dict[str, Any], asked: int) -> None:
    """Write a new study's stamp, then its spec, each atomically; those of a study that never started are overwritten.

    Raises InvalidValue if its ledger holds trials already: they are of a study that was not in this store before.
    """
    spec, folder = drive.spec, drive.folder
    if asked:
        there = f"is taken: {asked} trials of a study of this name are in the database that `ledger` names"
        raise InvalidValue("name", spec.name, f"{there}, but it is not in this store; rename this one")
    stamp.write(folder.stamp, made)
    folder.push(folder.stamp)
    write_study(folder.spec, spec)
    folder.push(folder.spec)


def _write_stamp(spec: StudySpec, store: Store) -> None:
    folder = store.study(spec.name)
    hashes = starting_weights.gather(spec, store).hashes
    stamp.write(folder.stamp, stamp.stamp(_data_hash(spec, store), spec.referred, hashes))
    folder.push(folder.stamp)


def _stamp(spec: StudySpec, store: Store) -> dict[str, Any]:
    """Return a study's stamp; a lost one is recreated from this machine."""
    folder = store.study(spec.name)
    try:
        stamped = stamp.read(folder.stamp)
        for changed in stamp.other_code(stamped, spec.referred):
            logger.warning("%s; the trials from now on run with it", changed)
        return stamped
    except InvalidValue:
        logger.warning("%s was lost and is recreated: it describes what the study runs on now", folder.stamp)
        _write_stamp(spec, store)
        return stamp.read(folder.stamp)


def _data_hash(spec: StudySpec, store: Store) -> str:
    """Read the study's images, which is where damaged ones are found, and return their hash."""
    try:
        return data.load(spec.data, store.data).hash
    except InvalidValue as refused:
        raise InvalidValue(f"data.{refused.key}", refused.value, refused.allowed) from refused
