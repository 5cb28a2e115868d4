"""Two hosts on one machine, each with its own network, processes and home, joined by a cable."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
NETWORK: Final = "10.213.77"
"""Seen by the two hosts alone."""


@dataclass(frozen=True)
class Host:
    """A host: all that runs on it ends with the process `init`, the first of its own."""

    name: str
    address: str
    init: int
    home: Path

    def command(self, *words: str, **environment: str) -> list[str]:
        """Return what runs a command on this host, in an environment that owes nothing to this machine's user."""
        own = {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            **environment,
        }
        there = ["--target", str(self.init), "--net", "--pid", "--mount", "--uts", f"--wd={self.home}"]
        variables = [f"{name}={value}" for name, value in own.items()]
        return ["nsenter", *there, "env", "--ignore-environment", *variables, *words]

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command on this host to its end."""
        command = self.command(*words, **environment)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Make two hosts that see each other and nobody else; skips the test where nobody may."""
    if missing := [tool for tool in ("ip", "nsenter", "unshare") if shutil.which(tool) is None]:
        pytest.skip(f"there is no {' nor '.join(missing)} here")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="h-", dir="/tmp", ignore_cleanup_errors=True))
        hosts = [stack.enter_context(_host(Path(folder), name, number)) for number, name in enumerate(("a", "b"), 1)]
        _join(*hosts)
        yield hosts[0], hosts[1]


@contextmanager
def _host(folder: Path, name: str, number: int) -> Iterator[Host]:
    home = folder / name
    home.mkdir()
    apart = ["unshare", "--net", "--pid", "--mount", "--uts", "--fork", "--kill-child", "--mount-proc"]
    sleeper = subprocess.Popen(
        [*apart, "sh", "-c", f"hostname {name} && ip link set lo up && echo up && exec sleep infinity"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert sleeper.stdout is not None
        if sleeper.stdout.readline() != "up\n":
            pytest.skip(f"nobody may make network namespaces here: {sleeper.communicate()[1].strip()}")
        (init,) = Path(f"/proc/{sleeper.pid}/task/{sleeper.pid}/children").read_text().split()
        yield Host(name, f"{NETWORK}.{number}", int(init), home)
    finally:
        sleeper.kill()
        sleeper.communicate()


def _join(*hosts: Host) -> None:
    """Lay a cable between two hosts, and give each end its address."""
    ends = [f"esp{os.getpid()}{host.name}" for host in hosts]
    made = ["ip", "link", "add", ends[0], "netns", str(hosts[0].init), "type", "veth", "peer", "name", ends[1]]
    laid = subprocess.run([*made, "netns", str(hosts[1].init)], capture_output=True, text=True, check=False)
    if laid.returncode != 0:
        pytest.skip(f"nobody may join network namespaces here: {laid.stderr.strip()}")
    for host, end in zip(hosts, ends, strict=True):
        for words in (["addr", "add", f"{host.address}/24", "dev", end], ["link", "set", end, "up"]):
            assert host.run("ip", *words).returncode == 0


def home_of(folder: Path, files: Mapping[str, str]) -> Path:
    """Return a new home with these files."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
    return folder
