"""A ledger lies in a file or on a PostgreSQL server, and its URL holds no password."""

import pytest

from orchestrator.spec.ledger_url import FILE, check_ledger
from trainables.errors import InvalidValue

SECRETS = ["canary", "can@ary", "can:ary", "ca/n?ary", "canary@"]


@pytest.mark.parametrize(
    "value",
    [
        FILE,
        "postgresql://me@db.example:5432/ledgers",
        "postgres://db.example/ledgers",
        "postgresql:///ledgers",
        "postgresql://a:5432,b:5433/ledgers?target_session_attrs=read-write",
        "postgresql:///ledgers?host=/run/postgresql&service=x",
    ],
)
def test_a_place_for_a_ledger_is_returned_as_it_is(value: str) -> None:
    assert check_ledger(value) == value


@pytest.mark.parametrize(
    "value", ["", "File", "file ", "ledger.db", "sqlite:///x", "mysql://h/x", "postgresql:/h/x", "//h/x"]
)
def test_another_place_is_refused_with_what_is_allowed(value: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        check_ledger(value)
    assert (refused.value.value, refused.value.allowed) == (
        value,
        "must be file, or postgresql://USER@HOST:PORT/DATABASE",
    )


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:{}@db/x",
        "postgresql://:{}@db/x",
        "postgresql://db/x?password={}",
        "postgresql://db/x?sslmode=require&sslpassword={}",
        "postgresql://db/x?oauth_client_secret={}",
        "mysql://me:{}@db/x",
    ],
)
def test_a_password_is_refused_and_not_repeated(url: str, secret: str) -> None:
    with pytest.raises(InvalidValue, match=r"must not hold a password, .*: use PGPASSWORD") as refused:
        check_ledger(url.format(secret))
    assert "canary" not in str(refused.value)
    assert "can" not in str(refused.value.value)


def test_an_impossible_port_is_refused() -> None:
    with pytest.raises(InvalidValue, match="must name a port"):
        check_ledger("postgresql://db:70000/x")
