"""The pages as a browser gets them."""

import tempfile
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from orchestrator.ui.address import Address
from tests.orchestrator import small
from tests.orchestrator.trained import a_trained_study
from tests.orchestrator.ui.conftest import MARKUP, Contents, client

PAGES = [
    "/",
    "/live",
    "/studies/small",
    "/studies/small/live",
    "/studies/small/trials/0",
    "/studies/small/trials/3",
    "/studies/small/trials/3/text",
    "/studies/small/compare?trial=0&trial=1",
    "/assets/report.css",
    "/assets/report.js",
    "/assets/ui.css",
    "/assets/ui.js",
]


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_answered_run_no_script_but_ours_and_change_nothing(
    browser: TestClient, unchanged: Contents, path: str
) -> None:
    before = unchanged()
    answer = browser.get(path)
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    for inline in (" style=", " onclick=", "<style", "javascript:"):
        assert inline not in answer.text
    assert unchanged() == before


def test_a_store_shows_its_studies(browser: TestClient) -> None:
    page = browser.get("/").text
    assert "5 of 6 trials done" in page
    assert 'href="/studies/small"' in page
    assert '<svg viewBox="0 0 320 240"' in page


def test_a_study_shows_its_front_its_states_and_what_is_escaped(browser: TestClient) -> None:
    page = browser.get("/studies/small").text
    assert "5 of 6" in page
    assert "<h3>Validation accuracy against effective MACs</h3>" in page
    assert (
        "<h3>Validation accuracy against effective MACs, all trials</h3>" in browser.get("/studies/small?view=1").text
    )
    assert "hypervolume" in page
    assert "spent" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_a_filter_keeps_the_looks_of_what_it_lets_through(browser: TestClient) -> None:
    whole = browser.get("/studies/small/live").text
    some = browser.get("/studies/small/live?paradigm=magnitude").text
    assert "6 of 6 trials are shown" in whole
    assert "6 of 6 trials are shown" not in some
    assert ' fill="#D55E00" data-p="1">' in whole
    assert 'data-p="0"' in whole
    assert ' fill="#D55E00" data-p="1">' in some
    assert 'data-p="0"' not in some


def test_a_comparison_that_cannot_be_understood_is_a_sentence_in_the_page(browser: TestClient) -> None:
    answer = browser.get("/studies/small", params={"where": "macs <"})
    assert answer.status_code == 200
    assert "must be NAME COMPARISON VALUE" in answer.text
    assert "0 of 6 trials are shown" in browser.get("/studies/small/live", params={"where": "accuracy > 2"}).text


def test_what_a_browser_has_already_is_not_sent_again(tmp_path: Path) -> None:
    spec = small.study(trials=2)
    with small.launched(spec, tmp_path) as ledger:
        browser, sweep = client(tmp_path), Sweep(ledger, small.Silence())
        first = browser.get("/studies/small/live")
        again = browser.get("/studies/small/live", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.text) == (304, "")
        trial = sweep.next()
        assert trial is not None
        small.run_to_end(sweep, trial)
        grown = browser.get("/studies/small/live", headers={"If-None-Match": first.headers["etag"]})
        assert grown.status_code == 200
        assert "1 of 2" in grown.text
        assert "running" in grown.text


def test_a_trial_shows_its_curve_its_log_and_how_to_export_it(browser: TestClient, store: Path) -> None:
    log = Store(store).study("small").trials / "00000-a/trial.log"
    log.parent.mkdir(parents=True)
    log.write_text(f"printed {MARKUP}")
    page = browser.get("/studies/small/trials/0").text
    log.unlink()
    log.parent.rmdir()
    assert "printed &lt;script&gt;" in page
    assert f"espalier export small 0 --store {store}" in page
    assert '<path d="M' in page
    assert 'data-from="/studies/small/trials/0/layers"' in page


def test_a_log_behind_a_link_is_not_shown(browser: TestClient, store: Path, tmp_path: Path) -> None:
    (tmp_path / "trial.log").write_text("of somebody else")
    link = Store(store).study("small").trials / "00000-b"
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path)
    page = browser.get("/studies/small/trials/0").text
    link.unlink()
    assert "of somebody else" not in page


def test_trials_are_compared_beside_each_other(browser: TestClient) -> None:
    page = browser.get("/studies/small/compare?trial=1&trial=0&trial=1").text
    assert page.index('trials/1">trial 1') < page.index('trials/0">trial 0')
    assert page.count("<th class") == 2
    assert "tick some" in browser.get("/studies/small/compare").text


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/studies/other", "is no study in"),
        ("/studies/..%2F..", "Not Found"),
        ("/studies/.hidden", "must consist of letters"),
        ("/studies/small/trials/99", "there are 0 to 5"),
        ("/studies/small/compare?trial=x", "must be a trial"),
        ("/studies/small/trials/3/layers", "must be COMPLETE"),
        ("/studies/small/trials/0/network.exe", "must be one of"),
        ("/studies/small/trials/0/network.pt2", "has no intact checkpoint"),
        ("/assets/..%2Fserving.py", "Not Found"),
        ("/assets/serving.py", "must be one of"),
    ],
)
def test_what_is_not_there_is_a_sentence(browser: TestClient, path: str, sentence: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 404
    assert sentence in answer.text


def test_a_damaged_and_a_foreign_study_are_sentences(tmp_path: Path, store: Path) -> None:
    good = Store(store).study("small")
    for name in ("cut", "foreign", "unreadable"):
        folder = Store(tmp_path).study(name)
        folder.path.mkdir(parents=True)
        folder.spec.write_text(good.spec.read_text().replace("name: small", f"name: {name}"))
        folder.journal.write_bytes(good.journal.read_bytes())
    lines = good.journal.read_bytes().splitlines(keepends=True)
    Store(tmp_path).study("cut").journal.write_bytes(b"".join(lines[:2] + lines[3:]))
    Store(tmp_path).study("foreign").journal.write_text('{"op_code": 4, "study_id": 7}\n')
    Store(tmp_path).study("unreadable").spec.write_text("name: [")
    browser = client(tmp_path)
    for name, words in {
        "cut": "espalier repair cut",
        "foreign": "cannot be understood",
        "unreadable": "study.yaml",
    }.items():
        answer = browser.get(f"/studies/{name}")
        assert 400 <= answer.status_code < 500
        assert words in answer.text
    page = browser.get("/")
    assert page.status_code == 200
    assert page.text.count('class="state unreadable"') == 3


def test_an_empty_store_says_what_to_do(tmp_path: Path) -> None:
    assert "There is no study here yet" in client(tmp_path / "nowhere").get("/").text
    assert not (tmp_path / "nowhere").exists()


def test_other_hosts_origins_and_methods_are_refused(store: Path, browser: TestClient) -> None:
    assert client(store, host="evil.example").get("/").status_code == 403
    assert browser.get("/studies/small", headers={"Origin": "http://evil.example"}).status_code == 403
    for method in ("POST", "PUT", "DELETE"):
        assert browser.request(method, "/studies/small").status_code == 405


def test_a_token_opens_the_pages_once_and_then_the_cookie_does(store: Path) -> None:
    browser = client(store, Address("0.0.0.0", 5000, "secret"), "10.0.0.1:5000")
    assert browser.get("/").status_code == 401
    assert browser.get("/?token=wrong").status_code == 401
    opened = browser.get("http://10.0.0.1:5000//evil.example?token=secret&text=x")
    assert (opened.status_code, opened.headers["location"]) == (303, "/evil.example?text=x")
    assert "HttpOnly" in opened.headers["set-cookie"]
    assert "SameSite=strict" in opened.headers["set-cookie"]
    assert browser.get("/").status_code == 200


def test_a_download_leaves_nothing_in_the_store_nor_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_trained_study(tmp_path / "store", name="trained")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    answer = client(tmp_path / "store").get("/studies/trained/trials/1/network.safetensors")
    assert answer.status_code == 200
    assert 'filename="trained-1.safetensors"' in answer.headers["content-disposition"]
    assert len(answer.content) > 1000
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == before
    assert list(scratch.iterdir()) == []
