#!/usr/bin/env bash
# ray.init leaves Ray's processes in the process group of the program that called it.
#
# Guess: processes that must outlive their starter's signals are given a group of their own, the more so as Ray blocks
# Ctrl-C (SIGINT) in them one by one. Seen: all are in the caller's group. A SIGTERM to the group, which is what
# `timeout` and batch systems send, therefore reaches Ray's control store at the same time as the program that is to
# end in order with its help. espalier starts them in groups of their own.
#
# Exits with 0 as long as that is so, with 1 once it has changed. Needs no network but for the packages.
set -eu
folder=$(mktemp -d /tmp/finding-XXXXXX)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "ray==2.60.0"
RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=disabled HOME="$folder" "$folder/env/bin/python" - "$folder" <<'PYTHON'
import os, subprocess, sys

import ray

print("ray", ray.__version__)
ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, _temp_dir=sys.argv[1] + "/r", object_store_memory=10**8)
listed = subprocess.run(["ps", "-o", "pgid=,comm=", "--ppid", str(os.getpid())], capture_output=True, text=True).stdout
ray.shutdown()
groups = {name: int(group) for group, name in map(str.split, listed.splitlines())}
vital = {name: groups[name] for name in ("gcs_server", "raylet")}
print("guess: other groups than", os.getpgrp())
print("seen: ", vital)
sys.exit(any(group != os.getpgrp() for group in vital.values()))
PYTHON
echo "as seen before"
