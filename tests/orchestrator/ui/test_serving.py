"""What is served beside the pages; `tests/orchestrator/test_cli.py` opens both in processes of their own."""

from pathlib import Path

from orchestrator.store.store import Store
from orchestrator.ui.serving import mlflow_beside


def test_a_store_without_a_database_has_no_pages_of_mlflow(tmp_path: Path) -> None:
    heard: list[str] = []
    with mlflow_beside(Store(tmp_path), 5001, heard.append) as mlflow:
        assert (mlflow, heard) == (None, [])


def test_a_damaged_database_hides_no_page_of_ours(tmp_path: Path) -> None:
    Store(tmp_path).mlflow_database.write_text("no database")
    heard: list[str] = []
    with mlflow_beside(Store(tmp_path), 5001, heard.append) as mlflow:
        assert mlflow is None
    assert heard[0].startswith("MLflow is not served: ")
