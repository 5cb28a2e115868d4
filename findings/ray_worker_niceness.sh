#!/usr/bin/env bash
# Ray's workers run at niceness 15, whatever the program runs at that started Ray.
#
# Guess: a task has the priority of the program that asked for it. Seen: niceness 15, so that on a machine where anything
# else computes, a trial gets a small part of a processor (three programs at 0 beside two at 15 on two processors: a sixth
# of theirs). RAY_worker_niceness changes it. espalier leaves it: a sweep should not slow down the machine's user.
#
# Exits with 0 as long as that is so, with 1 once it has changed. Needs no network but for the packages.
set -eu
folder=$(mktemp -d /tmp/finding-XXXXXX)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "ray==2.60.0"
RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=disabled HOME="$folder" "$folder/env/bin/python" - "$folder" <<'PYTHON'
import os, sys

import ray

print("ray", ray.__version__)
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=f"{sys.argv[1]}/r", object_store_memory=10**8)


@ray.remote
def niceness() -> int:
    return os.nice(0)


seen, own = ray.get(niceness.remote()), os.nice(0)
ray.shutdown()
print("guess: niceness of a task:", own)
print("seen: ", seen)
sys.exit(int(seen != 15))
PYTHON
echo "as seen before"
