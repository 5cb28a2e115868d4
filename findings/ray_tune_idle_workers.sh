#!/usr/bin/env bash
# Ray starts a worker for each processor in advance, and Ray Tune uses none of them.
#
# Guess: the workers that ray.init starts in advance run the first trials. Seen: they stay idle, because Ray Tune gives
# its workers an environment variable (PL_DISABLE_FORK), so that Ray starts others for them. On a machine with 64
# processors these are 64 Python programs too many, beside those that are to train. On one machine workers inherit the
# variables anyway: espalier keeps Ray Tune from giving any, so that workers that are ready run the first trials, and
# switches the start in advance off by RAY_prestart_worker_first_driver=0 where not every processor runs a trial.
#
# Exits with 0 as long as that is so, with 1 once it has changed. Needs no network but for the packages.
set -eu
folder=$(mktemp -d /tmp/finding-XXXXXX)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "ray[tune]==2.60.0"
RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=disabled HOME="$folder" "$folder/env/bin/python" - "$folder" <<'PYTHON'
import sys, time
from pathlib import Path

import ray
from ray import tune

print("ray", ray.__version__)
folder = Path(sys.argv[1])
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, _temp_dir=str(folder / "r"), object_store_memory=10**8)
tuner = tune.Tuner(
    lambda config: tune.report({"score": config["x"]}),
    param_space={"x": tune.grid_search([1, 2])},
    run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
)
used = {result.metrics["pid"] for result in tuner.fit()}
started = {int(log.stem.rpartition("-")[2]) for log in (folder / "r/session_latest/logs").glob("worker-*.out")}
ray.shutdown()
print("guess: workers that run no trial: 0")
print("seen: ", len(started - used))
sys.exit(len(started - used) < 2)
PYTHON
echo "as seen before"
