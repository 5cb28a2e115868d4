"""An S3-compatible object storage for tests: moto's server, on loopback, in a process of its own, in memory."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from typing import Any

import pytest

SECRET = "nobody-may-see-this-key"

SERVER = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()  # until whoever has started this ends
"""


class ObjectStore:
    """A storage, and what lies in it."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._numbers = count()

    @property
    def environment(self) -> Mapping[str, str]:
        """What finds the storage and is let in."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",  # there is none, and looking for it takes seconds
        }

    def new_bucket(self) -> str:
        """Return the name of an empty bucket."""
        name = f"bucket{next(self._numbers)}"
        self._files.create_dir(name)
        return name

    def keys(self, place: str) -> list[str]:
        """Return the objects below a path, without it, but for those that stand for folders."""
        from pyarrow.fs import FileSelector

        found = self._files.get_file_info(FileSelector(place, recursive=True))
        return sorted(one.path.removeprefix(f"{place}/") for one in found if one.is_file)

    def read(self, path: str) -> bytes:
        with self._files.open_input_stream(path) as source:
            return bytes(source.read())

    def write(self, path: str, content: bytes) -> None:
        with self._files.open_output_stream(path) as there:
            there.write(content)

    def delete(self, path: str) -> None:
        self._files.delete_file(path)

    @property
    def _files(self) -> Any:
        from pyarrow.fs import S3FileSystem

        return S3FileSystem(
            access_key="tester",
            secret_key=SECRET,
            region="us-east-1",
            endpoint_override=self.endpoint,
            allow_bucket_creation=True,
        )


@contextmanager
def running(**environment: str) -> Iterator[ObjectStore]:
    """Run a storage; skips the test where moto is not installed."""
    if find_spec("moto") is None or find_spec("flask_cors") is None:
        pytest.skip("moto, which serves the object storage, is not installed")
    command = ["env", *(f"{name}={value}" for name, value in environment.items()), sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield ObjectStore(int(server.stdout.readline()))
        finally:
            server.kill()
