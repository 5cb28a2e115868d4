"""The cluster files: whole for Ray, refused as long as something is not filled in, and closed to strangers."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray.scripts.scripts
import yaml
from packaging.requirements import Requirement
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.pages import ROOT
from tests.test_project import pins

LAUNCHED = pytest.mark.parametrize("file", ["cluster.yaml", "deploy/local.yaml"])


class Filled(yaml.SafeLoader):
    """Reads a file as if somebody had deleted its `!fill-in`, and taken what stands behind for the value."""


def _as_it_is(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    assert isinstance(node, yaml.ScalarNode)
    return loader.construct_scalar(node)


Filled.add_constructor("!fill-in", _as_it_is)


def prepared(file: str) -> dict[str, Any]:
    """Return a cluster file as Ray makes it whole, and checks it, before it looks at any machine."""
    config: dict[str, Any] = prepare_config(yaml.load((ROOT / file).read_text(encoding="utf-8"), Filled))
    validate_config(config)
    return config


def kubernetes() -> dict[str, dict[str, Any]]:
    objects = yaml.safe_load_all((ROOT / "deploy/kuberay.yaml").read_text(encoding="utf-8"))
    return {one["kind"]: one for one in objects}


def starts(config: dict[str, Any]) -> Iterator[list[str]]:
    """Give the arguments of each `ray start` of a cluster file."""
    for command in config["head_start_ray_commands"] + config["worker_start_ray_commands"]:
        found = re.search(r"ray start (.*)", command)
        if found:
            yield shlex.split(found[1])


def parsed(arguments: list[str]) -> dict[str, Any]:
    """Return the parameters of a `ray start`; fails for one that this release does not know."""
    context = ray.scripts.scripts.start.make_context("start", list(arguments))
    return dict(context.params)


@LAUNCHED
def test_ray_refuses_a_file_that_is_not_filled_in_and_says_where(file: str) -> None:
    with pytest.raises(yaml.constructor.ConstructorError, match=r"!fill-in.*\n.*line \d+, column \d+"):
        yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))


@LAUNCHED
def test_a_filled_file_is_whole_for_ray(file: str) -> None:
    config = prepared(file)
    assert config["max_workers"] > 0
    assert [parsed(arguments)["head"] for arguments in starts(config)] == [True, False]


@LAUNCHED
def test_a_token_is_wanted_and_the_dashboard_answers_on_the_head_alone(file: str) -> None:
    config = prepared(file)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert any("node.env" in command for command in config["setup_commands"])
    assert "export RAY_AUTH_MODE=token" in (ROOT / "deploy/node.env").read_text(encoding="utf-8").splitlines()
    assert {parsed(arguments)["dashboard_host"] for arguments in starts(config)} == {"127.0.0.1"}


@LAUNCHED
def test_every_node_gets_all_of_espalier(file: str) -> None:
    mounts = {key: ROOT / local for key, local in prepared(file)["file_mounts"].items() if "espalier" in key}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {one.rstrip("*") for one in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert {*packages, "studies", "pyproject.toml", "requirements.lock"} <= {path.name for path in mounts.values()}
    assert all(path.exists() for path in mounts.values())
    assert all(Path(key).name == path.name for key, path in mounts.items())
    installs = [command for command in prepared(file)["setup_commands"] if "pip install" in command]
    assert len(installs) == 1
    assert ".[cluster]" in installs[0]
    assert "cluster" in project["project"]["optional-dependencies"]


def test_on_aws_workers_are_spot_machines_and_none_stays_when_nothing_runs() -> None:
    types = prepared("cluster.yaml")["available_node_types"]
    head, gpu = types["head"], types["gpu"]
    assert (gpu["min_workers"], gpu["max_workers"]) == (0, 8)
    assert gpu["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in head["node_config"]
    assert (head["max_workers"], head["resources"]) == (0, {"CPU": 0})
    profiles = [one["node_config"]["IamInstanceProfile"]["Arn"] for one in (head, gpu)]
    assert len(set(profiles)) == 2


def test_the_bucket_is_named_once() -> None:
    lines = (ROOT / "cluster.yaml").read_text(encoding="utf-8").splitlines()
    assert sum("s3://" in line for line in lines) == 1


def test_what_the_head_runs_beside_ray_listens_to_nobody_else() -> None:
    script = (ROOT / "deploy/head.sh").read_text(encoding="utf-8")
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    assert "ALTER SYSTEM SET listen_addresses = ''" in script
    assert re.findall(r"mlflow server .*", script) == [
        "mlflow server --app-name basic-auth --host 127.0.0.1 --port 5000 --workers 1 " + "\\\\"
    ]


def test_on_kubernetes_the_token_is_in_a_secret_and_only_the_cluster_reaches_itself() -> None:
    objects = kubernetes()
    assert objects.keys() == {"RayCluster", "PersistentVolumeClaim", "NetworkPolicy"}
    cluster, policy = objects["RayCluster"], objects["NetworkPolicy"]["spec"]
    assert cluster["spec"]["authOptions"] == {"mode": "token", "secretName": "espalier-token"}
    assert "ports" not in str(policy["ingress"])
    assert policy["podSelector"] == policy["ingress"][0]["from"][0]["podSelector"]
    assert policy["podSelector"]["matchLabels"] == {"ray.io/cluster": cluster["metadata"]["name"]}


def test_on_kubernetes_pods_scale_from_none_and_share_the_store() -> None:
    objects = kubernetes()
    spec = objects["RayCluster"]["spec"]
    (gpu,) = spec["workerGroupSpecs"]
    assert spec["enableInTreeAutoscaling"] is True
    assert (gpu["minReplicas"], gpu["replicas"]) == (0, 0)
    assert gpu["maxReplicas"] > 0
    for group in (spec["headGroupSpec"], gpu):
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert container["env"] == [{"name": "ESPALIER_STORE", "value": container["volumeMounts"][0]["mountPath"]}]
        claim = pod["volumes"][0]["persistentVolumeClaim"]["claimName"]
        assert claim == objects["PersistentVolumeClaim"]["metadata"]["name"]
        given = [f"--{key}={value}" for key, value in group["rayStartParams"].items()]
        assert parsed(["--head", *given])["dashboard_host"] == "127.0.0.1"


def test_kubernetes_takes_nothing_that_is_not_filled_in() -> None:
    """Names of images and of storage classes have no capitals."""
    objects = kubernetes()
    spec = objects["RayCluster"]["spec"]
    pods = [group["template"]["spec"] for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"])]
    images = {container["image"].rpartition(":")[0] for pod in pods for container in pod["containers"]}
    assert all(image != image.lower() for image in images)
    storage = objects["PersistentVolumeClaim"]["spec"]["storageClassName"]
    assert storage != storage.lower()


def test_all_files_name_the_release_of_ray_that_is_pinned() -> None:
    dockerfile = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
    assert kubernetes()["RayCluster"]["spec"]["rayVersion"] == pins()["ray"]
    assert f"rayproject/ray:{pins()['ray']}-" in dockerfile


@pytest.mark.parametrize(
    "path", [ROOT / "cluster.yaml", *sorted((ROOT / "deploy").iterdir())], ids=lambda path: path.name
)
def test_no_file_holds_a_secret(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(
        r"AKIA[0-9A-Z]{16}|-----BEGIN|(?i:password|secret[_-]?key|auth_token)\s*[:=]\s*[\"']?[\w-]{8,}", text
    )


def test_what_nodes_install_beyond_the_rest_is_pinned() -> None:
    lines = (ROOT / "deploy/requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = {**pins(), **dict(line.split("==") for line in lines if not line.startswith("#"))}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for wanted in map(Requirement, extras["cluster"]):
        assert wanted.specifier.contains(pinned[wanted.name]), wanted
    for file in ("cluster.yaml", "deploy/local.yaml", "deploy/Dockerfile"):
        assert "-c requirements.lock -c deploy/requirements.lock -e '.[cluster]'" in (ROOT / file).read_text()
