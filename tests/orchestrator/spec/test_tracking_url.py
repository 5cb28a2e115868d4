"""MLflow pages lie in the store or on a server, and its URL holds no credentials."""

import pytest

from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_spec import StudySpec
from orchestrator.spec.tracking_url import check_tracking
from tests.orchestrator import small
from tests.orchestrator.store.test_store_url import SECRETS
from trainables.errors import InvalidValue


@pytest.mark.parametrize("wrong", ["sqlite:///mlflow.db", "databricks", "http://", "http://host?a=b", "127.0.0.1:5000"])
def test_mlflow_pages_lie_in_the_store_or_on_a_server(wrong: str) -> None:
    with pytest.raises(InvalidValue, match="must be store, none, or the URL of an MLflow server"):
        check_tracking(wrong)
    assert [check_tracking(right) for right in ("store", "none", "https://mlflow.example.org/base")]
    assert StudySpec.model_validate_json(small.study().model_dump_json(exclude={"tracking"})).tracking == "store"


@pytest.mark.parametrize("secret", SECRETS)
def test_an_mlflow_server_with_a_password_is_refused_and_the_password_not_repeated(secret: str) -> None:
    with pytest.raises(StudyError, match="tracking") as refused:
        small.study(tracking=f"http://me:{secret}@127.0.0.1:5000")
    assert secret not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://me@host:5000", "http://canary:@host", "ftp://canary@host", "http://me:canary@host#x"]
)
def test_a_user_alone_is_refused_too_and_nothing_of_the_url_shown_but_its_scheme(url: str) -> None:
    with pytest.raises(InvalidValue, match="must not hold a user or a password") as refused:
        check_tracking(url)
    assert refused.value.value == f"{url.partition(':')[0]}://***"
    assert "MLFLOW_TRACKING_USERNAME" in refused.value.allowed


@pytest.mark.parametrize("url", ["http://host:0", "https://host:65536/base"])
def test_an_impossible_port_is_refused(url: str) -> None:
    with pytest.raises(InvalidValue, match="must name a port between 1 and 65535"):
        check_tracking(url)
