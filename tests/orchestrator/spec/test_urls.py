"""No secret in a URL is shown, whatever it is made of; impossible ports are refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.spec.urls import check_port, masked, split
from trainables.errors import InvalidValue

SECRET = "canary"


@settings(max_examples=60)
@given(
    before=st.text("a@:/?#[]%& ", max_size=5),
    after=st.text("a@:/?#[]%& ", max_size=5),
    scheme=st.sampled_from(["postgresql", "http", "s3", "x+y"]),
)
def test_a_password_of_any_signs_is_masked(before: str, after: str, scheme: str) -> None:
    shown = masked(f"{scheme}://user:{before}{SECRET}{after}@host/path")
    assert SECRET not in shown
    assert shown.startswith(f"{scheme}://user:***@")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host:5000/a", "http://host:5000/a"),
        ("http://user@host:5000", "http://user@host:5000"),
        ("postgresql://user:pw@host/db", "postgresql://user:***@host/db"),
        ("postgresql://:pw@host/db", "postgresql://:***@host/db"),
        ("postgresql://host/db?password=pw&a=b", "postgresql://host/db?***"),
        ("postgresql://host/db?password=", "postgresql://host/db?***"),
        ("postgresql://host/db?sslmode=require", "postgresql://host/db?sslmode=require"),
        ("postgresql://user:pw@host/db?password=pw", "postgresql://user:***@host/db?***"),
        ("no url at all", "no url at all"),
        ("", ""),
    ],
)
def test_what_is_no_secret_stays_readable(url: str, shown: str) -> None:
    assert masked(url, ["password"]) == shown
    assert masked(shown, ["password"]) == shown


@pytest.mark.parametrize(
    "url", ["http://host:1", "http://h:65535/a", "x://a:1,b:2/c", "http://[::1]:80", "http://host", ""]
)
def test_possible_ports_are_accepted(url: str) -> None:
    check_port(url)


@pytest.mark.parametrize(
    "url", ["http://h:0", "http://h:65536", "x://a:1,b:99999/c", "x://a:0,b:1/c", "http://u:pw@h:0"]
)
def test_an_impossible_port_is_refused_without_the_password(url: str) -> None:
    with pytest.raises(InvalidValue, match="must name a port between 1 and 65535") as refused:
        check_port(url)
    assert "pw" not in str(refused.value)


def test_what_is_no_url_has_no_parts() -> None:
    assert split("http://[half") == split("")
    assert split("s3://shelf/a?b=c").netloc == "shelf"
