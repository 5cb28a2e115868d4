"""A finished study of real networks, made once."""

import pytest

from orchestrator.store.store import Store, StudyFolder
from tests.orchestrator.trained import a_trained_study


@pytest.fixture(scope="package")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    place = tmp_path_factory.mktemp("store")
    return Store(place).study(a_trained_study(place).name)
