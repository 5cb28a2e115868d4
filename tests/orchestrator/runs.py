"""Trials that train nothing, for tests of the sweep: named in `study.launch(run=...)` and imported by Ray's workers."""

import logging
import math
import os
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import ray

from orchestrator.execution.trial_context import WorkerContext
from orchestrator.store.remote import StoreLost
from trainables.context import Report, Usage
from trainables.spec import TrialSpec

logger = logging.getLogger(__name__)


def idle(spec: TrialSpec, context: WorkerContext) -> None:
    """Report nothing."""


def toy(spec: TrialSpec, context: WorkerContext) -> None:
    """Report every epoch; the sparser, the smaller and the worse. The checkpoint holds the epoch."""
    for epoch in range(_epochs_done(context) + 1, spec.epochs + 1):
        context.report(report(spec, epoch), lambda folder, epoch=epoch: _save(folder, epoch))  # type: ignore[misc]


def slow(spec: TrialSpec, context: WorkerContext) -> None:
    """Take a fifth of a second for each epoch."""
    for epoch in range(_epochs_done(context) + 1, spec.epochs + 1):
        time.sleep(0.2)
        context.report(report(spec, epoch), lambda folder, epoch=epoch: _save(folder, epoch))  # type: ignore[misc]


def slow_and_dense_ones_fail(spec: TrialSpec, context: WorkerContext) -> None:
    """Take a fifth of a second for each epoch; go wrong after two of them where nothing is pruned."""
    slow(replace(spec, epochs=2) if spec.paradigm == "dense" else spec, context)
    if spec.paradigm == "dense":
        raise ValueError("unlucky")


def brief(spec: TrialSpec, context: WorkerContext) -> None:
    """Take less time than a worker takes to start; tell which process it is."""
    time.sleep(0.2)
    done = report(spec, spec.epochs)
    _finish(context, done, {**done.metrics, "process": float(os.getpid())})


def noting(spec: TrialSpec, context: WorkerContext) -> None:
    """Note each epoch, in which process and on which node it runs; wait in the fifth for a file named "go on"."""
    assert context.cache is not None
    for epoch in range(_epochs_done(context) + 1, spec.epochs + 1):
        deadline = time.monotonic() + 900  # on a busy machine, Ray takes minutes to see that a node is gone
        while epoch == 5 and not (context.cache / "go on").exists():
            assert time.monotonic() < deadline, "nobody lets the trials go on"
            time.sleep(0.1)
        _note(context, epoch)
        context.report(report(spec, epoch), lambda folder, epoch=epoch: _save(folder, epoch))  # type: ignore[misc]


def second_one_raises(spec: TrialSpec, context: WorkerContext) -> None:
    """Raise in the second process of a group, in the second epoch of the first trial."""
    from torch import distributed as dist  # not for toys that have no group: it takes seconds

    for epoch in range(1, spec.epochs + 1):
        if (dist.get_rank(), epoch, _number(context)) == (1, 2, 0):
            raise ValueError("only here")
        context.report(report(spec, epoch), lambda folder, epoch=epoch: _save(folder, epoch))  # type: ignore[misc]


def second_one_dies_once(spec: TrialSpec, context: WorkerContext) -> None:
    """Lose the second process of a group after the second epoch, but not at the second attempt."""
    from torch import distributed as dist

    assert context.cache is not None
    died = context.cache / "died"
    for epoch in range(_epochs_done(context) + 1, spec.epochs + 1):
        if (dist.get_rank(), epoch) == (1, 3) and not died.exists():
            died.touch()
            os._exit(1)
        dist.barrier()
        _note(context, epoch)
        context.report(report(spec, epoch), lambda folder, epoch=epoch: _save(folder, epoch))  # type: ignore[misc]


def _number(context: WorkerContext) -> int:
    return int(context.folder.name.split("-")[0])


def _note(context: WorkerContext, epoch: int) -> None:
    assert context.cache is not None
    with (context.cache / f"epochs-{os.getpid()}").open("a") as file:
        file.write(f"{_number(context)} {epoch} {os.getpid()} {ray.get_runtime_context().get_node_id()}\n")


def misbehaving(spec: TrialSpec, context: WorkerContext) -> None:
    """Go wrong in a way that the sparsity chooses."""
    whole = report(spec, spec.epochs)
    match spec.hyperparameters["sparsity"]:
        case 0.1:
            raise ValueError("unlucky")
        case 0.2:
            _finish(context, whole, {**whole.metrics, "accuracy": float("nan")})
        case 0.3:
            _finish(context, whole, {"accuracy": 0.5})
        case 0.4:
            context.report(report(spec, 1), _save_nothing)
        case 0.5:
            pass
        case 0.7:
            context.report(whole, _save_nothing)
            raise ValueError("unlucky at the end")
        case _:
            toy(spec, context)


def unreliable(spec: TrialSpec, context: WorkerContext) -> None:
    """Get worse with every epoch, so that what is partial looks better; go wrong in a way that the sparsity chooses."""
    assert context.cache is not None
    fate, died = int(1000 * float(spec.hyperparameters["sparsity"])) % 6, context.cache / repr(spec.hyperparameters)
    for epoch in range(_epochs_done(context) + 1, spec.epochs + 1):
        if fate == 0 and epoch == 4:
            raise RuntimeError("the plug-in gave up")
        if fate == 1 and epoch == 3 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        made = report(spec, epoch)
        accuracy = math.nan if fate == 2 and epoch == spec.epochs else (made.accuracy or 0.0) - 0.05 * epoch
        metrics = {**made.metrics, "accuracy": accuracy} if made.metrics else {}
        context.report(
            replace(made, accuracy=accuracy, metrics=metrics),
            lambda folder, epoch=epoch: _save(folder, epoch),  # type: ignore[misc]
        )


def dying_once(spec: TrialSpec, context: WorkerContext) -> None:
    """Lose the process after the second epoch, but not at the second attempt."""
    assert context.cache is not None
    died = context.cache / f"died-{spec.seed}"
    for epoch in range(_epochs_done(context) + 1, spec.epochs + 1):
        context.report(report(spec, epoch), lambda folder, epoch=epoch: _save(folder, epoch))  # type: ignore[misc]
        if epoch == 2 and not died.exists():
            died.touch()
            os._exit(1)


def lingering(spec: TrialSpec, context: WorkerContext) -> None:
    """Take three seconds to leave after having been stopped, the first trial of a process only."""
    try:
        toy(spec, context)
    except SystemExit:
        if not _lingered:
            _lingered.append(spec.seed)
            time.sleep(3)
        raise


_lingered: list[int] = []


def hanging(spec: TrialSpec, context: WorkerContext) -> None:
    """Stop for ever after the second epoch, the first trial only: its process does not even answer."""
    assert context.cache is not None
    hung = context.cache / "hung"
    for epoch in range(1, spec.epochs + 1):
        context.report(report(spec, epoch), lambda folder, epoch=epoch: _save(folder, epoch))  # type: ignore[misc]
        if epoch == 2 and not hung.exists():
            hung.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGSTOP)


def exhausting(spec: TrialSpec, context: WorkerContext) -> None:  # noqa: ARG001
    """Ask for more memory than there is; note the process."""
    assert context.cache is not None
    with (context.cache / "processes").open("a") as file:
        file.write(f"{os.getpid()}\n")
    np.empty(2**60, dtype=np.uint8)


def without_store(spec: TrialSpec, context: WorkerContext) -> None:
    """Report an epoch; for the next one the store is away."""
    context.report(report(spec, 1), lambda folder: _save(folder, 1))
    raise StoreLost("s3://shelf cannot be used")


def dying(spec: TrialSpec, context: WorkerContext) -> None:  # noqa: ARG001
    """Lose the process at once, always."""
    os._exit(1)


def talking(spec: TrialSpec, context: WorkerContext) -> None:
    """Say what is done, and end as the sparsity chooses: by an error, by the process's death, silently, or well."""
    sparsity = spec.hyperparameters["sparsity"]
    for epoch in range(_epochs_done(context) + 1, spec.epochs + 1):
        if sparsity != 0.3:
            logger.warning("epoch %d begins", epoch)
            print("printed")
        if epoch == 2 and sparsity == 0.1:
            _give_up()
        if epoch == 2 and sparsity == 0.2:
            os.abort()
        context.report(report(spec, epoch), lambda folder, epoch=epoch: _save(folder, epoch))  # type: ignore[misc]


def _give_up() -> None:
    raise ValueError("unlucky")


def sharing(spec: TrialSpec, context: WorkerContext) -> None:
    """Tell through which pipes this process would reach NVIDIA's Multi-Process Service."""
    assert context.cache is not None
    with (context.cache / "pipes").open("a") as file:
        file.write(f"{os.environ.get('CUDA_MPS_PIPE_DIRECTORY')} {context.gpus}\n")
    context.report(report(spec, spec.epochs), _save_nothing)


def report(spec: TrialSpec, epoch: int) -> Report:
    """Return what a toy trial reports."""
    sparsity = float(spec.hyperparameters.get("sparsity", 0.0))
    accuracy, macs = 0.9 - 0.3 * sparsity**2 + 0.001 * epoch, 100 * (1 - sparsity)
    return Report(
        epoch=epoch,
        fidelity=epoch / spec.epochs,
        stage="train",
        accuracy=accuracy,
        loss=1 - accuracy,
        train_loss=1 - accuracy,
        learning_rate=0.1,
        seconds=0.5,
        macs_projected=macs,
        params_projected=macs,
        usage=Usage(images_per_second=12_345.0, peak_memory=432e6, device_use=0.93),
        metrics={"accuracy": accuracy, "macs": macs} if epoch == spec.epochs else {},
    )


def _finish(context: WorkerContext, whole: Report, metrics: dict[str, float]) -> None:
    context.report(replace(whole, metrics=metrics), _save_nothing)


def _save_nothing(folder: Path) -> None:
    assert folder.is_dir()


def _epochs_done(context: WorkerContext) -> int:
    checkpoint = context.restore()
    return int((checkpoint / "epoch").read_text()) if checkpoint is not None else 0


def _save(folder: Path, epoch: int) -> None:
    (folder / "epoch").write_text(str(epoch))


def located(spec: TrialSpec, context: WorkerContext) -> None:
    """Leave the name of the host where it runs; take long enough for another one to be wanted."""
    assert context.cache is not None
    (context.cache / socket.gethostname()).touch()
    slow(spec, context)
