"""All that is used of Ray beyond its public interface, and what each thing stands in for.

A new release of Ray may rename any of it, so pyproject.toml allows one minor version, and the contract test in
`test_ray_internals.py` touches every name. Importing this imports no Ray.
"""

import signal
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ray.tune.execution.tune_controller import TuneController
    from ray.tune.experiment import Trial

FOLDER: Final = "_temp_dir"
"""The argument of `ray.init` that says where Ray puts its sockets and logs. `RAY_TMPDIR` says so for clusters only."""


@contextmanager
def callbacks_uncounted() -> Iterator[None]:
    """Keep Ray from counting callbacks for its usage statistics, which are off: it would import MLflow to do so.

    Stands in for a switch: RAY_USAGE_STATS_ENABLED=0 stops the sending, not the counting.
    """
    from ray.air._internal import usage

    count = usage.tag_callbacks
    usage.tag_callbacks = lambda _: False
    try:
        yield
    finally:
        usage.tag_callbacks = count


@contextmanager
def keys_kept() -> Iterator[None]:
    """Keep Ray Tune from sending the driver's AWS keys to workers: they would stand in commands, for all to see.

    Stands in for a switch: there is none.
    """
    from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE

    sent = set(ENV_VARS_TO_PROPAGATE)
    ENV_VARS_TO_PROPAGATE.difference_update({name for name in sent if name.startswith("AWS_")})
    try:
        yield
    finally:
        ENV_VARS_TO_PROPAGATE.update(sent)


@contextmanager
def nothing_sent() -> Iterator[None]:
    """Keep Ray Tune from giving its workers any variables: on this machine they inherit the driver's.

    Ray starts a worker of its own for each set of variables, so that those that it has ready would stay idle. Stands in
    for a switch: there is none.
    """
    from ray.tune.execution.class_cache import DEFAULT_ENV_VARS, ENV_VARS_TO_PROPAGATE

    given, sent = dict(DEFAULT_ENV_VARS), set(ENV_VARS_TO_PROPAGATE)
    DEFAULT_ENV_VARS.clear()
    ENV_VARS_TO_PROPAGATE.clear()
    try:
        yield
    finally:
        DEFAULT_ENV_VARS.update(given)
        ENV_VARS_TO_PROPAGATE.update(sent)


@contextmanager
def clusters_disabled() -> Iterator[str]:
    """Let a Ray that starts listen on loopback alone; gives the variable that says the same to its processes.

    Stands in for an address in `ray.init`: where Ray supports clusters, it takes 127.0.0.1 for a slip.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def cluster_services_left_out() -> Iterator[None]:
    """Keep a Ray that starts from starting three programs that only clusters, or an open dashboard, have a use for.

    These are the autoscaler's monitor, what forwards workers' output to drivers that show it, and the dashboard's
    server, which Ray starts for usage statistics where the dashboard is off. Without them Ray starts in less than two
    thirds of the processor time. Stands in for `no_monitor` and `include_log_monitor`, which `ray.init` does not take.
    """
    from ray._private.node import Node

    before: dict[str, Callable[..., object]] = {name: getattr(Node, name) for name in _CLUSTER_SERVICES}
    for name in before:
        setattr(Node, name, _start_nothing)
    try:
        yield
    finally:
        for name, start in before.items():
            setattr(Node, name, start)


_CLUSTER_SERVICES: Final = ("start_monitor", "start_log_monitor", "start_api_server")


def _start_nothing(_: object, **__: object) -> None:
    """Stand in for a method that starts a program."""


@contextmanager
def processes_started_by(start: Callable[..., subprocess.Popen[bytes]]) -> Iterator[None]:
    """Let `start` start Ray's processes while the block runs: it is given subprocess.Popen's like, and its arguments.

    Stands in for an option of `ray.init` that puts them into a process group of their own: there is none.
    """
    from ray._private import services

    popen = services.ConsolePopen
    services.ConsolePopen = partial(start, popen)
    try:
        yield
    finally:
        services.ConsolePopen = popen


def head_of(address: str) -> tuple[str, str, int]:
    """Return the place that HOST:PORT or ``auto`` means, and its host and port.

    Raises ConnectionError where ``auto`` finds no cluster, ValueError for what is no address. Stands in for asking
    `ray.init`, which waits for minutes, and may end this process then.
    """
    from ray._private import services

    place = services.canonicalize_bootstrap_address(address)
    host, port = services.extract_ip_port(place)
    return str(place), host, port


def nodes_at(place: str, timeout: float) -> set[str]:
    """Return the ids of the nodes of a cluster to which this process is not connected.

    Raises AuthenticationError or RpcError, of `ray.exceptions`. Stands in for `ray.nodes`, which needs a connection.
    """
    from ray._private import services

    return {node.hex() for node in services.GcsClient(address=place).get_all_node_info(timeout=timeout)}


def nodes_here() -> set[str]:
    """Return the ids of Ray's nodes on this machine. Stands in for asking them: there is no public way."""
    from ray._private import services

    return set(services.find_node_ids())


def use_token_if_there_is_one() -> bool:
    """Identify this process by the user's token from now on; return whether there is one.

    Stands in for RAY_AUTH_MODE=token, which Ray reads once only.
    """
    from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available

    return bool(maybe_enable_token_auth_if_token_available(warn_if_disabled=False))


def addresses(actors: Mapping[int, Any]) -> dict[int, str]:
    """Return on which node each of these actors is; those that are not alive are left out.

    Stands in for `ray.util.state`, which asks the dashboard, and none is running.
    """
    import ray
    from ray._private.state import actors as actor_table

    job = ray.JobID.from_hex(ray.get_runtime_context().get_job_id())
    alive = actor_table(job_id=job, actor_state_name="ALIVE")
    places = {number: alive.get(actor._actor_id.hex()) for number, actor in actors.items()}
    return {number: place["Address"]["IPAddress"] for number, place in places.items() if place}


def controller_of(schedulers_view: Any) -> "TuneController":
    """Return the controller behind what Ray Tune gives its scheduler.

    Stands in for methods of that view: it can neither withdraw a trial nor forget one.
    """
    return schedulers_view._tune_controller


def withdraw(controller: "TuneController", trial: "Trial") -> None:
    """End a trial that has not started. Ray Tune would otherwise still count its workers as wanted.

    Stands in for `stop_trial`, which leaves the trial among those that wait for resources.
    """
    if trial in controller._staged_trials:
        controller._unstage_trial_with_resources(trial)
    controller.stop_trial(trial)


def forget(controller: "TuneController", finished: Collection["Trial"]) -> None:
    """Take trials that are over out of Ray Tune's books.

    Stands in for a limit on them: Ray Tune keeps each with the history of all its metrics, 60 kB, and puts all of them
    into a last snapshot.
    """
    trials = controller.get_trials()  # the list itself
    trials[:] = [trial for trial in trials if trial not in finished]
    for kept in (controller._stopped_trials, controller._failed_trials, controller._trials_to_cache):
        kept -= set(finished)


def stepwise(function: Callable[[dict[str, Any]], None]) -> Any:
    """Return the class in which Ray Tune runs a function: each `step` runs it up to its next report, and returns that.

    Stands in for a last report that says that it is the last: the end costs a step of its own.
    """
    from ray.tune.trainable import wrap_function

    return wrap_function(function)


def ends(step: Mapping[str, Any], report: dict[str, Any]) -> bool:
    """Return whether a step was that of the end, after which no report came; then mark the last `report` as such."""
    from ray.tune.result import DONE, RESULT_DUPLICATE

    if RESULT_DUPLICATE not in step:
        return False
    report[DONE] = True
    return True


def actor_of(trial: "Trial") -> Any:
    """Return the actor in which a trial runs, or None. Stands in for naming actors, which Ray Tune does itself."""
    return trial.temporary_state.ray_actor


def note_actor(trial: "Trial", actor: Any) -> None:
    """Note in which actor a trial runs. Stands in for `Trial.set_ray_actor`, which also asks it for a first result."""
    trial.temporary_state.ray_actor = actor


def error_of(trial: "Trial") -> Any:
    """Return the exception with which a trial's actor ended; None for an error of Ray Tune itself.

    Stands in for `Trial.get_error`, which does not know it yet when callbacks are told.
    """
    from ray import cloudpickle

    if trial.pickled_error_file is None:
        return None
    return cloudpickle.loads(Path(trial.pickled_error_file).read_bytes())  # this very process has written it


def error_lines(trial: "Trial") -> list[str]:
    """Return the lines that Ray wrote of a trial's last failure. Stands in for `Trial.get_error`, likewise."""
    if trial.error_file is None:
        return []
    *_, last = Path(trial.error_file).read_text(encoding="utf-8").split("Failure # ")
    return [line.strip() for line in last.splitlines()[1:] if line.strip()]


def run_ender() -> Callable[..., object] | None:
    """Return what ends a run of Ray Tune after the step under way: its handler of SIGUSR1, put there by `Tuner.fit`.

    Stands in for a method that ends the run: there is none. None where Ray Tune has put no handler there.
    """
    handler = signal.getsignal(signal.SIGUSR1)
    return handler if callable(handler) else None
