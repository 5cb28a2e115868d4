"""What the live pages cost on a long study: the server's processor time for the first page, and for updates.

    python -m benchmarks.live_pages [--trials 1500] [--epochs 20] [--objectives 3]

Makes the ledger of a study with made-up trials and opens the pages in this process. Prints the seconds of processor
time, which other work on the machine does not change, of the first page, of its first content (the whole ledger is
read), of an update after one more trial, and of an answer where nothing is new; then the bytes of an update, and its
share of the time of the first content; at last seconds and bytes of the study's report.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from starlette.testclient import TestClient

from benchmarks.reports import Nobody
from orchestrator.ledger.epoch import Epoch, EpochReport
from orchestrator.ledger.ledger import Ledger, read
from orchestrator.report.report import write_report
from orchestrator.spec.history import write_study
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from orchestrator.ui.address import Address
from orchestrator.ui.application import application

UPDATES: Final = 5
"""The updates that are measured; their median is printed."""

OBJECTIVES: Final = {"accuracy": "maximize", "macs": "minimize", "params": "minimize"}


def study(trials: int, epochs: int, objectives: int) -> StudySpec:
    """Return a study of two paradigms without rungs."""
    plain = {
        "name": "long",
        "data": {"name": "digits"},
        "model": {"name": "digits_cnn"},
        "paradigms": {"dense": {}, "magnitude": {}},
        "objectives": dict(list(OBJECTIVES.items())[:objectives]),
        "search": {"trials": trials + UPDATES, "sampler": "random"},
        "fidelity": {"epochs": epochs, "rungs": []},
    }
    return StudySpec.model_validate_json(json.dumps(plain))


def run(sweep: Sweep, draws: random.Random) -> None:
    """Run the next trial, which reports at random: the smaller, the less accurate, but for luck."""
    trial, epochs = sweep.next(), sweep.spec.fidelity.epochs
    assert trial is not None
    share = 0.02 + 0.98 * draws.random()
    sizes = {"macs": 1e6 * share, "params": 3e4 * share * (0.5 + draws.random() / 2)}
    accuracy = 0.95 - 0.3 * (1 - share) ** 4 - 0.05 * draws.random()
    dense = {"macs_dense": 1e6, "params_dense": 3e4}
    final = {"accuracy": accuracy, "test_accuracy": accuracy, "loss": 0.1, **sizes, **dense}
    sweep.begin(trial.number)
    for number in range(1, epochs + 1):
        epoch = Epoch(
            epoch=number,
            fidelity=number / epochs,
            stage="train",
            accuracy=accuracy * number / epochs,
            loss=1 / number,
            train_loss=1 / number,
            learning_rate=0.1,
            seconds=1.0,
            macs_projected=sizes["macs"],
            params_projected=sizes["params"],
        )
        sweep.report(trial.number, EpochReport(epoch, final if number == epochs else {}))
    sweep.end(trial.number)


def seconds(action: Callable[[], object]) -> float:
    """Return the processor time that an action takes."""
    begin = time.process_time()
    action()
    return time.process_time() - begin


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=1500)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--objectives", type=int, default=3, choices=(2, 3))
    given = parser.parse_args()
    spec, draws = study(given.trials, given.epochs, given.objectives), random.Random(0)
    with tempfile.TemporaryDirectory() as folder, Ledger(Store(Path(folder)).study(spec.name), spec) as ledger:
        write_study(ledger.folder.spec, spec)
        sweep = Sweep(ledger, Nobody())
        for _ in range(given.trials):
            run(sweep, draws)
        pages = application(Store(Path(folder)), Address("127.0.0.1", 5000))
        browser = TestClient(pages, base_url="http://127.0.0.1:5000")
        browser.get("/assets/ui.css")  # what is imported once
        page = seconds(lambda: browser.get("/studies/long").raise_for_status())
        first = seconds(lambda: browser.get("/studies/long/live").raise_for_status())
        updates = []
        for _ in range(UPDATES):
            run(sweep, draws)
            updates.append(seconds(lambda: browser.get("/studies/long/live").raise_for_status()))
        answer = browser.get("/studies/long/live")
        known = {"If-None-Match": answer.headers["etag"]}
        unchanged = seconds(lambda: browser.get("/studies/long/live", headers=known))
        report = Path(folder) / "report.html"
        reporting = seconds(lambda: write_report(spec, read(ledger.folder), report, stamp={}))
        size = report.stat().st_size
    update = statistics.median(updates)
    print(f"{given.trials} trials of {given.epochs} epochs, {given.objectives} objectives")
    print(f"first page: {page:.3f} s; first content: {first:.3f} s")
    print(f"update: {update:.3f} s; nothing new: {unchanged:.4f} s")
    print(f"an update has {len(answer.content) / 1e3:.0f} kB and takes {update / first:.3f} of the first content")
    print(f"report: {reporting:.2f} s, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
