#!/usr/bin/env bash
# `mlflow server --workers 1` starts ten processes, which take up to four times the memory of its server.
#
# Guess: one worker is one process, with its parent. Seen: a runner of jobs and several consumers of queues beside it, each
# of which imports MLflow and takes up to a quarter of a gigabyte, for judges of language models. With
# MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false there are none. `espalier ui` sets it.
#
# Exits with 0 as long as that is so, with 1 once it has changed. Needs no network but for the packages.
set -eu
folder=$(mktemp -d /tmp/finding-XXXXXX)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "mlflow==3.17.2"
cd "$folder"
MLFLOW_DISABLE_TELEMETRY=true "$folder/env/bin/python" - <<'PYTHON'
import os, signal, subprocess, sys, time
from pathlib import Path
from urllib.request import urlopen

PORT, PATIENCE = 18611, 300


def members(group: int) -> dict[int, int]:
    """Return the processes of a group, with their memory in MB."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == group:
            found[int(stat.parent.name)] = int(words[21]) * os.sysconf("SC_PAGE_SIZE") // 10**6
    return found


def served(jobs: str) -> dict[int, int]:
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": jobs}
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{jobs}.db",
               "--host", "127.0.0.1", "--port", str(PORT), "--workers", "1"]
    with open("log", "wb") as log, subprocess.Popen(command, env=environment, stdout=log, stderr=log, process_group=0) as server:
        try:
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                time.sleep(1)
                try:
                    urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5).close()
                    break
                except OSError:
                    pass
            seen: dict[int, int] = {}
            for _ in range(60):  # what it starts comes later than its answers
                time.sleep(1)
                now = members(server.pid)
                seen = now if len(now) >= len(seen) else seen
            return seen
        finally:
            os.killpg(server.pid, signal.SIGKILL)


import mlflow

print("mlflow", mlflow.__version__)
usual, without = served("true"), served("false")
print("guess: 2 processes")
print("seen: ", len(usual), "processes,", sum(usual.values()), "MB; without jobs", len(without), "processes,", sum(without.values()), "MB")
sys.exit(int(not len(usual) >= len(without) + 5))
PYTHON
echo "as seen before"
