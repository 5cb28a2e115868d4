"""A store to look at, and its pages, answered in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from orchestrator.store.store import Store
from orchestrator.ui.address import Address
from orchestrator.ui.application import application
from orchestrator.ui.watched import Snapshot, WatchedStore
from tests.orchestrator.commands import a_study

MARKUP = '<script>alert(1)</script> & "quoted"'
"""The reason of a trial's failure; nothing of it may reach a page as it is."""

PORT = 5000


def client(store: Path, address: Address | None = None, host: str = "127.0.0.1:5000") -> TestClient:
    """Return a browser of a store's pages that follows no redirects."""
    pages = application(Store(store), address or Address("127.0.0.1", PORT))
    return TestClient(pages, base_url=f"http://{host}", follow_redirects=False)


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("store")
    a_study(place, trial_reason=MARKUP)
    return place


@pytest.fixture(scope="package")
def study(store: Path) -> Snapshot:
    """The study in the store, as it was read."""
    return WatchedStore(Store(store)).study("small")


@pytest.fixture(scope="package")
def browser(store: Path) -> TestClient:
    return client(store)


Contents = Callable[[], dict[Path, bytes]]


@pytest.fixture
def unchanged(store: Path) -> Contents:
    """What the files of the store hold."""

    def contents() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}

    return contents
