"""Check where a study's MLflow pages lie: in the store, on an MLflow server, or nowhere."""

from typing import Final

from orchestrator.spec.urls import check_port, masked, split
from trainables.errors import InvalidValue

STORE: Final = "store"
NONE: Final = "none"

UNTRACKED: Final = "none, as the study file says"
"""What a user reads in place of an address."""

_HOW: Final = (
    "must not hold a user or a password, which would be stored with the study where others can read it: "
    "put them into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or a token into MLFLOW_TRACKING_TOKEN"
)


def check_tracking(value: str) -> str:
    """Return `value` if it names a place for MLflow pages, or none; raises InvalidValue, which shows no password."""
    if value in (STORE, NONE):
        return value
    parts = split(value)
    if masked(value) != value or "@" in parts.netloc:
        raise InvalidValue("", f"{parts.scheme}://***", _HOW)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment:
        raise InvalidValue("", value, f"must be {STORE}, {NONE}, or the URL of an MLflow server, http://HOST:PORT")
    check_port(value)
    return value
