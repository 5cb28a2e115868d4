"""The pages in a real browser, while a study runs; skipped where no Chromium is installed."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn

from docs.quiet_browser import chromium
from orchestrator.report.comparison import write_comparison
from orchestrator.report.report import write_report
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from orchestrator.ui.address import Address
from orchestrator.ui.application import application
from tests.orchestrator import small
from tests.orchestrator.example import OBJECTIVES, told_trial, told_trials
from tests.orchestrator.report.test_comparison import comparison
from tests.orchestrator.trained import a_trained_study
from tests.orchestrator.ui.chromium import Tab, opened

BROWSER = chromium()
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("store")
    a_trained_study(place, name="trained")
    return place


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    """Where the pages are served, by a thread of this process."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # a browser that is quicker than the server waits for it
        port = listening.getsockname()[1]
        pages = application(Store(place), Address("127.0.0.1", port))
        server = uvicorn.Server(uvicorn.Config(pages, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    assert BROWSER is not None
    with opened(BROWSER) as tab:
        yield tab


def test_the_front_grows_while_a_study_runs_and_a_filter_works(tab: Tab, address: str, place: Path) -> None:
    with small.launched(small.study(trials=4, paradigms={"dense": {}, "magnitude": small.FIXED}), place) as ledger:
        sweep = Sweep(ledger, small.Silence())
        tab.open(f"{address}/studies/small")
        tab.wait("document.body.innerText.includes('0 of 4')")
        for count in range(1, 4):
            trial = sweep.next()
            assert trial is not None
            small.run_to_end(sweep, trial)
            tab.wait(f"document.body.innerText.includes('{count} of 4')")
        assert tab.wait("document.querySelectorAll('#live svg use[data-t]').length") >= 3
        shown = "document.getElementById('shown').innerText"
        assert tab.evaluate(shown).startswith("3 of 3 trials")
        tab.evaluate("document.querySelector('[name=trial][value=\"0\"]').click()")
        tab.evaluate("document.querySelector('[name=paradigm][value=dense]').click()")
        tab.wait(f"!{shown}.startsWith('3 of 3')")
        assert tab.evaluate("location.search") == "?paradigm=dense&view=0"
        assert tab.evaluate("document.querySelector('[name=trial][value=\"0\"]').checked")
        tab.evaluate("document.querySelector('[name=where]').value = 'accuracy > 2'")
        tab.evaluate("document.getElementById('filter').requestSubmit()")
        tab.wait(f"{shown}.startsWith('0 of 3')")


def test_a_mark_opens_its_trial_with_its_layers_and_its_export_downloads(
    tab: Tab, address: str, tmp_path: Path
) -> None:
    tab.open(f"{address}/studies/trained")
    tab.wait("document.querySelector('#live svg use[data-t=\"1\"]') !== null")
    tab.evaluate(
        "document.querySelector('#live svg use[data-t=\"1\"]').dispatchEvent(new Event('click', {bubbles: true}))"
    )
    tab.wait("location.pathname.endsWith('/trials/1') && document.querySelector('.layers svg') !== null")
    tab.save_downloads(tmp_path)
    tab.evaluate("document.querySelector('a[href$=\"network.safetensors\"]').click()")
    while not (tmp_path / "trained-1.safetensors").exists():
        tab.evaluate("new Promise((done) => setTimeout(done, 50))")
    assert (tmp_path / "trained-1.safetensors").stat().st_size > 1000


def test_a_mark_tells_of_its_trial_under_the_mouse_and_by_the_arrow_keys(tab: Tab, address: str) -> None:
    tab.open(f"{address}/studies/trained")
    tab.wait("document.querySelector('#live svg use[data-t=\"1\"]') !== null")
    tab.point("document.querySelector('#live svg use[data-t=\"1\"]')")
    tab.wait("!tip.hidden")
    for told in ("trial 1", "magnitude", "validation accuracy", "effective MACs", "sparsity", "seed"):
        assert told in tab.evaluate("tip.innerText")
    tab.evaluate("document.querySelector('#live svg[tabindex]').focus()")
    seen = set()
    for _ in range(3):
        tab.press("ArrowRight")
        tab.wait("!tip.hidden && tip.innerText.startsWith(`trial ${marked.mark.dataset.t} `)")
        seen.add(tab.evaluate("tip.innerText"))
    assert len(seen) == 3
    tab.press("Escape")
    assert tab.evaluate("tip.hidden")
    tab.press("ArrowUp")
    assert tab.wait("!tip.hidden && marked.mark.closest('[data-front]') !== null")
    tab.press("Enter")
    tab.wait("/trials\\/\\d+$/.test(location.pathname)")


def test_a_report_and_a_comparison_tell_of_marks_without_a_server(tab: Tab, tmp_path: Path) -> None:
    study = small.study(objectives=OBJECTIVES, trials=12, search={"seeds": 2})
    again = replace(told_trial(1), trial=20, seed=7)
    write_report(study, [*told_trials(4), again], tmp_path / "report.html", stamp={})
    write_comparison(comparison(), tmp_path / "comparison.html")
    for page, told in (("report.html", "trials 1, 20, 2 seeds"), ("comparison.html", "trial 1 ")):
        tab.open((tmp_path / page).as_uri())
        tab.point("document.querySelector('.panel:not([hidden]) use[data-t=\"1\"]')")
        assert told in tab.evaluate("tip.hidden ? '' : tip.innerText")
        tab.evaluate("document.querySelector('.panel:not([hidden]) svg[tabindex]').focus()")
        tab.press("ArrowRight")
        assert tab.evaluate("!tip.hidden && marked.mark.classList.contains('marked')")


def test_chosen_members_stand_beside_each_other(tab: Tab, address: str) -> None:
    tab.open(f"{address}/studies/trained")
    tab.wait("document.querySelectorAll('[name=trial]').length > 3")
    tab.evaluate("document.querySelectorAll('#live > :last-child [name=trial]').forEach((box) => box.click())")
    tab.evaluate("document.querySelector('button[form=comparison]').click()")
    tab.wait("location.pathname.endsWith('/compare')")
    assert tab.wait("document.querySelectorAll('.beside th a').length") == 3


def test_the_policy_of_the_pages_blocks_nothing_of_theirs(tab: Tab, address: str) -> None:
    tab.open(f"{address}/studies/trained")
    tab.wait("document.querySelector('#live svg use[data-t]') !== null")
    assert tab.evaluate("getComputedStyle(document.querySelector('.charts.large')).display") == "grid"
    assert tab.evaluate("document.getElementById('lost').hidden")
    assert tab.evaluate("fetch('/', {method: 'POST'}).then((answer) => answer.status)") == 405


def test_a_page_of_another_site_gets_nothing(tab: Tab, address: str) -> None:
    tab.open("data:text/html,elsewhere")
    tab.wait("location.protocol === 'data:'")
    assert tab.evaluate(f"fetch('{address}/live').then(() => 'answered', () => 'refused')") == "refused"
    tab.open(address.replace("127.0.0.1", "elsewhere.localhost"))
    tab.wait("document.body.innerText.includes('none of this machine')")
