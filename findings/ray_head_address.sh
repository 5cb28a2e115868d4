#!/usr/bin/env bash
# `ray start --head --node-ip-address 127.0.0.1` does not keep a head to this machine.
#
# Guess: the head listens on 127.0.0.1 alone. Seen: it takes the machine's own address, and its server of the cluster's
# state listens on all interfaces; so a head wants Ray's token (RAY_AUTH_MODE=token), even where only this machine is meant.
#
# Exits with 0 as long as that is so, with 1 once it has changed, or where the machine has no address but loopback.
# Needs no network but for the packages.
set -eu
folder=$(mktemp -d /tmp/finding-XXXXXX)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "ray==2.60.0"
export RAY_USAGE_STATS_ENABLED=0 RAY_AUTH_MODE=token HOME="$folder"
"$folder/env/bin/ray" get-auth-token --generate > "$folder/token" 2>&1
"$folder/env/bin/python" - "$folder" <<'PYTHON'
import os, re, signal, subprocess, sys, time
from pathlib import Path

import ray

PORT, PATIENCE, folder = 6397, 300, Path(sys.argv[1])
print("ray", ray.__version__)
command = [str(folder / "env/bin/ray"), "start", "--head", "--node-ip-address", "127.0.0.1", "--port", str(PORT), "--num-cpus", "1",
           "--include-dashboard=false", "--object-store-memory", "100000000", "--temp-dir", str(folder / "r"), "--block"]
said, addresses = folder / "said", set()
with said.open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True) as head:
    try:
        end = time.monotonic() + PATIENCE
        while head.poll() is None and time.monotonic() < end and "Ray runtime started" not in said.read_text():
            time.sleep(1)
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                local, state = line.split()[1], line.split()[3]
                if state == "0A" and int(local.rpartition(":")[2], 16) == PORT:
                    addresses.add(local.rpartition(":")[0])
    finally:
        os.killpg(head.pid, signal.SIGKILL)
own = re.search(r"Local node IP: (\S+)", said.read_text())
print("guess: 127.0.0.1, and its port open on 0100007F alone")
print("seen: ", own and own[1], "and its port open on", ", ".join(sorted(addresses)))
sys.exit(int(own is None or own[1].startswith("127.") or addresses <= {"0100007F"}))
PYTHON
echo "as seen before"
