"""Who may ask for the pages."""

import pytest

from orchestrator.ui.address import Address

HERE = Address.of("127.0.0.1", 5000)
EVERYWHERE = Address.of("0.0.0.0", 5000)


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000", "localhost", "[::1]:5000", "LOCALHOST:5000"])
def test_this_machine_is_answered_under_its_own_names(host: str) -> None:
    assert HERE.refusal("GET", {"host": host, "origin": f"http://{host}"}) is None


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:5000", "192.168.0.7:5000", "", "[evil"])
def test_a_name_that_another_site_has_given_to_this_machine_is_refused(host: str) -> None:
    assert "host" in str(HERE.refusal("GET", {"host": host}))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:5001", ""])
def test_a_request_by_another_sites_script_is_refused(origin: str) -> None:
    assert "other sites" in str(HERE.refusal("GET", {"host": "127.0.0.1:5000", "origin": origin}))


def test_another_site_may_link_here_but_not_load_from_here() -> None:
    there = {"host": "localhost:5000", "sec-fetch-site": "cross-site"}
    assert HERE.refusal("GET", {**there, "sec-fetch-mode": "navigate"}) is None
    assert "other sites" in str(HERE.refusal("GET", {**there, "sec-fetch-mode": "no-cors"}))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(method: str) -> None:
    assert "only read" in str(HERE.refusal(method, {"host": "localhost"}))


def test_an_address_that_others_reach_has_a_token_and_takes_no_names_of_sites() -> None:
    assert HERE.token is None
    assert HERE.url == "http://127.0.0.1:5000/"
    assert len(EVERYWHERE.token or "") >= 32
    assert EVERYWHERE.token != Address.of("0.0.0.0", 5000).token
    assert EVERYWHERE.url.endswith(f"?token={EVERYWHERE.token}")
    assert EVERYWHERE.refusal("GET", {"host": "192.168.0.7:5000"}) is None
    assert EVERYWHERE.refusal("GET", {"host": "evil.example:5000"}) is not None
    assert EVERYWHERE.is_admitted(EVERYWHERE.token)
    assert not EVERYWHERE.is_admitted(None)
    assert not EVERYWHERE.is_admitted("wrong")


def test_a_token_can_be_given_and_is_asked_for_on_loopback_too() -> None:
    address = Address.of("::1", 5000, "secret word")
    assert address.url == "http://[::1]:5000/?token=secret%20word"
    assert not address.is_admitted("")
