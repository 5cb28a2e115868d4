"""Studies: launched, resumed, run to their end. Importing this imports neither torch nor Ray."""

import logging
import shlex
from dataclasses import replace
from itertools import chain
from typing import Final

from orchestrator.execution import cluster
from orchestrator.execution.cluster import NodeLost, ray_session
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import State
from orchestrator.search import extension, warm_start
from orchestrator.search.extension import Said
from orchestrator.spec.history import write_study
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store import stamp, store_check
from orchestrator.store.disk import DiskFull, is_full
from orchestrator.store.logs import logging_study
from orchestrator.store.remote import StoreLost
from orchestrator.store.store import Store, StudyFolder
from orchestrator.store.trial_files import trial_files
from orchestrator.sweep.observer import Observer as Observer
from orchestrator.sweep.observer import Observers
from orchestrator.sweep.observer import Outcome as Outcome
from orchestrator.sweep.sweep import CHECKPOINTS_KEPT, Sweep
from orchestrator.tracking.publishing import publisher
from trainables import data
from trainables.errors import InvalidValue, nearest

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
    """Run a new study to its end, on the cluster at `address` or that RAY_ADDRESS names, or else on this machine.

    With `exist_ok`, a study of this name and with this very spec is gone on with. Raises InvalidValue for a name
    that is taken, an earlier study that cannot teach it, data that cannot be read, a store that cannot hold it, or a
    cluster that cannot be used, and StudyBusy while another process drives the study.
    """
    cluster.check(spec.resources, address)
    store_check.check(spec, store)
    folder = store.study(spec.name)
    if not folder.spec.exists():
        warm_start.check(spec, store)
    with logging_study(folder), Ledger(folder, spec) as ledger:
        if folder.spec.exists():
            _require_same(spec, folder, exist_ok)
        else:
            _require_new(ledger)
            _write_down(spec, store)
        return _drive(ledger, store, observer, address, run)


def resume(
    name: str, store: Store, *, observer: Observer | None = None, address: str | None = None, run: str = TRIAL
) -> Outcome:
    """Go on with a study: told trials stay, interrupted ones continue from their last checkpoint, the rest is asked.

    Where it ran before does not matter. Raises InvalidValue if there is no such study, or for a cluster that cannot be
    used, and StudyBusy while another process drives it.
    """
    folder = _existing(name, store)
    spec = StudySpec.stored(folder.spec)
    store_check.check(spec, store)
    with logging_study(folder), Ledger(folder, spec) as ledger:
        return _drive(ledger, store, observer, address, run)


def extend(
    spec: StudySpec,
    store: Store,
    *,
    observer: Observer | None = None,
    said: Said = lambda _: None,
    address: str | None = None,
    run: str = TRIAL,
) -> Outcome:
    """Go on with a study whose file was edited; `said` learns what has changed before the study runs.

    Where its epochs were raised, earlier trials are of partial fidelity and leave the front, whose members are tried
    again first. Raises StudyError for changes that a study cannot take up, InvalidValue if there is no such study, or
    for a cluster that cannot be used, and StudyBusy while another process drives it.
    """
    folder = _existing(spec.name, store)
    cluster.check(spec.resources, address)
    store_check.check(spec, store)
    with logging_study(folder), Ledger(folder, spec) as ledger:
        warm_start.check(spec, store)
        said(extension.extend(spec, folder, ledger.records()))
        return _drive(ledger, store, observer, address, run)


def _existing(name: str, store: Store) -> StudyFolder:
    """Return the folder of a study that exists; raises InvalidValue for another name."""
    folder, known = store.study(name), store.names()
    if name not in known:
        there_are = f"there are {', '.join(known)}" if known else "there are none"
        raise InvalidValue("name", name, f"no study of this name in {store.place}; {there_are}{nearest(name, known)}")
    return folder


def _drive(ledger: Ledger, store: Store, observer: Observer | None, address: str | None, run: str) -> Outcome:
    """Run what is left of a study, with everybody watching; clean up; say how it ended."""
    name = ledger.spec.name
    command = shlex.join(["espalier", "resume", name, "--store", store.place])
    try:
        return _drive_watched(ledger, store, observer, address, run)
    except StoreLost as lost:
        kept = f"What was told is kept; when the store can be used again, go on by `{command}`"
        raise StoreLost(f"study {name!r} has stopped, because {lost}. {kept}") from lost
    except Exception as error:
        if not is_full(error):
            raise
        raise DiskFull(name, store.root, str(error), command=command) from error


def _drive_watched(ledger: Ledger, store: Store, observer: Observer | None, address: str | None, run: str) -> Outcome:
    spec, folder = ledger.spec, ledger.folder
    ledger.begin_anew()
    with publisher(store, spec, stamp.read(folder.stamp), ledger.records()) as published:
        watching = Observers([published, *([observer] if observer else [])])
        watching.started(spec, folder, spec.search.trials)
        for record in ledger.records():
            watching.updated(record)
        _tidy(ledger)
        sweep = Sweep(ledger, watching)
        interrupted = _run_trials(sweep, store, address, run)
        if not interrupted:
            sweep.settle()
        _tidy(ledger)
        outcome = Outcome(folder, tuple(ledger.records()), interrupted, sweep.spent_budget)
        watching.finished(outcome)
        return replace(outcome, tracking_note=published.note)


def _run_trials(sweep: Sweep, store: Store, address: str | None, run: str) -> bool:
    """Run the trials that are left, if any; return whether somebody interrupted it.

    Should Ray die, it is started again. Raises NodeLost when it has died more often in a row than a trial would be
    retried and no trial had reported, and InvalidValue if the data are no longer where they were: every trial would
    fail on them.
    """
    if sweep.is_over:
        return False
    data.check(sweep.ledger.spec.data)
    vain = 0
    try:
        while True:
            reports = sweep.reports
            try:
                with ray_session(sweep.ledger.folder.log, address):
                    from orchestrator.execution.tune_run import run_trials  # imports Ray

                    return run_trials(sweep, store.data, run)
            except NodeLost:
                vain = vain + 1 if sweep.reports == reports else 0
                if vain > sweep.ledger.spec.failures.retries:
                    raise
                logger.warning("Ray has died on this machine; it is started again")
                sweep.lose_all()
    except KeyboardInterrupt:
        return True
    finally:
        sweep.close()


def _tidy(ledger: Ledger) -> None:
    kept = {State.RUNNING: CHECKPOINTS_KEPT, State.PAUSED: CHECKPOINTS_KEPT, State.COMPLETE: 1}
    checkpoints = (ledger.checkpoints(one.trial)[: kept.get(one.state, 0)] for one in ledger.records())
    trial_files(ledger.folder).tidy(set(chain.from_iterable(checkpoints)))


def _require_same(spec: StudySpec, folder: StudyFolder, exist_ok: bool) -> None:
    if not exist_ok:
        raise InvalidValue(
            "name", spec.name, f"is taken; go on with that study by `espalier resume {spec.name}`, or rename this one"
        )
    if StudySpec.stored(folder.spec) != spec:
        there = f"is taken by a study that differs: {folder.shown(folder.spec)}"
        raise InvalidValue("name", spec.name, f"{there}; go on with it by `espalier extend`, or rename this one")


def _require_new(ledger: Ledger) -> None:
    """Raise InvalidValue if the ledger remembers trials of a study that this store does not know."""
    if ledger.asked:
        there = f"is taken: {ledger.asked} trials of such a study are remembered where `ledger` points to"
        raise InvalidValue("name", ledger.spec.name, f"{there}, and it is not in this store; rename this one")


def _write_down(spec: StudySpec, store: Store) -> None:
    """Write the stamp, then the spec, at once and whole: with it the study exists."""
    folder = store.study(spec.name)
    stamp.write(folder.stamp, stamp.stamp(data.load(spec.data, store.data).hash))
    folder.push(folder.stamp)
    write_study(folder.spec, spec)
    folder.push(folder.spec)
