"""A finished study of real networks, to be evaluated."""

import shutil
from pathlib import Path

import pytest

from orchestrator.store.store import Store, StudyFolder
from tests.orchestrator.trained import a_trained_study


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    place = tmp_path_factory.mktemp("store")
    return Store(place).study(a_trained_study(place).name)


@pytest.fixture
def study(trained: StudyFolder, tmp_path: Path) -> StudyFolder:
    shutil.copytree(trained.store, tmp_path / "store")
    return Store(tmp_path / "store").study(trained.path.name)
