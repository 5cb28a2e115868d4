"""Every private name of Ray that is used, touched once: a release of Ray that renames one fails here first.

Where a newer Ray could keep a name and ignore what is written there, the effect is tested: nobody beyond this machine
reaches Ray, and no key of AWS is sent to workers, in whose commands it would stand.
"""

import os
import re
import signal
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
from ray import tune
from ray.exceptions import RayActorError
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

import orchestrator
from orchestrator.execution import ray_internals
from orchestrator.execution.cluster import SWITCHES, ray_session

PRIVATE = re.compile(
    r"\bray\.(_private|air\._internal)|class_cache|_temp_dir|_tune_controller|temporary_state|pickled_error"
)

ORDINARY, FAILING, DYING, WITHDRAWN = range(4)


@pytest.fixture(scope="module")
def local_ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Start Ray on this machine, as a study does, with a key of AWS in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "canary-of-aws")
        patch.delenv("RAY_ADDRESS", raising=False)
        with ray_session(tmp_path_factory.mktemp("ray") / "driver.log"):
            yield


class Watch(Callback):  # type: ignore[misc]  # Ray has no types
    """Notes what Ray Tune shows of its trials, and which variables it sent to the process of each."""

    def __init__(self) -> None:
        self.ender: object = None
        self.actors: dict[str, Any] = {}
        self.errors: dict[str, object] = {}
        self.lines: dict[str, list[str]] = {}
        self.nodes: dict[int, str] = {}
        self.sent: list[set[str]] = []
        self.processes: set[int] = set()

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("watch",)

    def setup(self, **_: Any) -> None:
        self.ender = ray_internals.run_ender()

    def on_trial_result(self, *, trial: Trial, result: dict[str, Any], **_: Any) -> None:
        actor = ray_internals.actor_of(trial)
        self.actors[trial.trial_id] = actor
        self.nodes |= ray_internals.addresses({int(trial.config["number"]): actor})
        self.sent.append(set(result["sent"]))
        self.processes.add(result["pid"])

    def on_trial_error(self, *, trial: Trial, **_: Any) -> None:
        self.errors[trial.trial_id] = ray_internals.error_of(trial)
        self.lines[trial.trial_id] = ray_internals.error_lines(trial)


class Forgetful(FIFOScheduler):  # type: ignore[misc]
    """Withdraws one trial that has not started, and forgets those that are over."""

    def __init__(self) -> None:
        super().__init__()
        self.withdrawn: set[str] = set()
        self.remembered = 0

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, ("scheduler",)

    def choose_trial_to_run(self, tune_controller: Any) -> None:
        controller = ray_internals.controller_of(tune_controller)
        ray_internals.forget(controller, {trial for trial in controller.get_trials() if trial.is_finished()})
        self.remembered += sum(trial.is_finished() for trial in controller.get_trials())
        pending = [trial for trial in controller.get_trials() if trial.status == Trial.PENDING]
        for trial in (trial for trial in pending if trial.config["number"] == WITHDRAWN):
            ray_internals.withdraw(controller, trial)
            self.withdrawn.add(trial.trial_id)


def _trainable(config: dict[str, Any]) -> None:
    tune.report({"sent": list(ray.get_runtime_context().runtime_env.get("env_vars", {}))})
    if config["number"] == FAILING:
        raise ValueError("unlucky")
    if config["number"] == DYING:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope="module")
def watched(local_ray: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Watch, Forgetful]:  # noqa: ARG001
    watch, scheduler = Watch(), Forgetful()
    tuner = tune.Tuner(
        tune.with_resources(_trainable, {"cpu": 0.5}),
        param_space={"number": tune.grid_search([ORDINARY, FAILING, DYING, WITHDRAWN])},
        tune_config=tune.TuneConfig(scheduler=scheduler),
        run_config=tune.RunConfig(
            name="touched", storage_path=str(tmp_path_factory.mktemp("tune")), callbacks=[watch], verbose=0
        ),
    )
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    with ray_internals.callbacks_uncounted(), ray_internals.keys_kept():
        tuner.fit()
    for number, handler in before.items():
        signal.signal(number, handler)
    return watch, scheduler


def test_on_this_machine_ray_tune_sends_nothing_as_workers_inherit_what_it_would_always_give_them() -> None:
    from ray.tune.execution.class_cache import DEFAULT_ENV_VARS, ENV_VARS_TO_PROPAGATE

    given, sent = dict(DEFAULT_ENV_VARS), set(ENV_VARS_TO_PROPAGATE)
    assert given.items() <= SWITCHES.items()
    with ray_internals.nothing_sent():
        assert (len(DEFAULT_ENV_VARS), len(ENV_VARS_TO_PROPAGATE)) == (0, 0)
    assert (given, sent) == (DEFAULT_ENV_VARS, ENV_VARS_TO_PROPAGATE)


def test_private_names_of_ray_are_used_in_one_file_alone() -> None:
    package = Path(orchestrator.__file__).parent
    users = {path.name for path in package.rglob("*.py") if PRIVATE.search(path.read_text(encoding="utf-8"))}
    assert users == {"ray_internals.py"}


@pytest.mark.usefixtures("local_ray")
def test_a_ray_that_was_started_here_listens_on_loopback_alone() -> None:
    sockets = {
        (process.name(), one.laddr.ip)
        for process in psutil.Process().children(recursive=True)
        for one in process.net_connections(kind="inet")
        if one.laddr and not one.raddr
    }
    assert {"gcs_server", "raylet"} <= {name for name, _ in sockets}
    assert {(name, ip) for name, ip in sockets if not _is_loopback(ip)} == set()


def _is_loopback(where: str) -> bool:
    address = ip_address(where)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def test_no_worker_is_started_but_those_that_run_trials(watched: tuple[Watch, Forgetful]) -> None:
    commands = [word for process in psutil.Process().children() for word in process.cmdline()]
    (logs,) = {Path(word.removeprefix("--log_dir=")) for word in commands if word.startswith("--log_dir=")}
    started = {int(log.stem.rpartition("-")[2]) for log in logs.glob("worker-*.out")}
    assert started
    assert started <= watched[0].processes


@pytest.mark.usefixtures("local_ray")
def test_a_head_is_found_and_names_the_nodes_of_this_machine() -> None:
    place, host, port = ray_internals.head_of(ray.get_runtime_context().gcs_address)
    assert place == f"{host}:{port}"
    known = {node["NodeID"] for node in ray.nodes()}
    assert ray_internals.nodes_at(place, timeout=10) == known
    assert ray_internals.nodes_here() >= known


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="nonsense"):
        ray_internals.head_of("nonsense")


@pytest.mark.usefixtures("local_ray")
def test_the_token_of_a_study_on_this_machine_is_used() -> None:
    assert ray_internals.use_token_if_there_is_one()


def test_a_trial_that_runs_has_an_actor_on_a_node_of_this_machine(watched: tuple[Watch, Forgetful]) -> None:
    watch, _ = watched
    assert len(watch.actors) == 3
    assert all(actor is not None for actor in watch.actors.values())
    assert set(watch.nodes.values()) == {"127.0.0.1"}


def test_the_handler_that_ends_a_run_is_there_when_callbacks_are_set_up(watched: tuple[Watch, Forgetful]) -> None:
    assert callable(watched[0].ender)


def test_errors_are_known_when_callbacks_are_told(watched: tuple[Watch, Forgetful]) -> None:
    watch, _ = watched
    died = [error for error in watch.errors.values() if isinstance(error, RayActorError)]
    assert (len(watch.errors), len(died)) == (2, 1)
    assert died[0].preempted is False
    assert all(watch.lines.values())
    assert sum("unlucky" in "\n".join(lines) for lines in watch.lines.values()) == 1


def test_a_withdrawn_trial_never_starts_and_finished_ones_are_forgotten(watched: tuple[Watch, Forgetful]) -> None:
    watch, scheduler = watched
    assert len(scheduler.withdrawn) == 1
    assert not scheduler.withdrawn & watch.actors.keys()
    assert scheduler.remembered == 0


def test_no_key_of_aws_is_sent_to_a_process_and_so_into_its_command(watched: tuple[Watch, Forgetful]) -> None:
    assert len(watched[0].sent) == 3
    assert [name for names in watched[0].sent for name in names if name.startswith("AWS_")] == []


def test_callbacks_are_not_counted_within_and_as_before_afterwards() -> None:
    from ray.air._internal import usage

    before = usage.tag_callbacks
    with ray_internals.callbacks_uncounted():
        assert usage.tag_callbacks([]) is False
    assert usage.tag_callbacks is before
