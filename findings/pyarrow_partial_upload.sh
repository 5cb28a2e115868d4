#!/usr/bin/env bash
# pyarrow's output stream to S3 publishes a part of an object when it is left by an exception.
#
# Good guess: `with fs.open_output_stream(path) as out:` whose block raises leaves the object as it was, for an upload
# that was not completed should be aborted. Seen: what was written until then becomes the object, and the one of before
# is gone. Installs pyarrow and moto (a local stand-in for S3) in a temporary folder. Exits with 1 if it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pyarrow==25.0.1 moto==5.2.5 flask==3.1.3 flask-cors==6.0.5
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import sys

import pyarrow
from moto.server import ThreadedMotoServer
from pyarrow.fs import S3FileSystem

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
port = server.get_host_and_port()[1]
files = S3FileSystem(
    access_key="a", secret_key="b", region="us-east-1", endpoint_override=f"http://127.0.0.1:{port}",
    allow_bucket_creation=True,
)
files.create_dir("bucket")
whole = bytes(48 * 2**20)
with files.open_output_stream("bucket/object") as out:
    out.write(whole)
try:
    with files.open_output_stream("bucket/object") as out:
        out.write(whole[: 40 * 2**20])
        raise OSError("the source cannot be read any further")
except OSError:
    pass
left = files.get_file_info("bucket/object").size
server.stop()
print(f"pyarrow {pyarrow.__version__}")
print(f"guess: the object of before, {len(whole)} bytes")
print(f"seen:  {left} bytes")
sys.exit(0 if left == 40 * 2**20 else 1)
PYTHON
