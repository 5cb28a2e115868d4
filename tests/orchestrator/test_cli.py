"""The command line as a person and as a program meet it."""

import contextlib
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from orchestrator.cli import COMMANDS
from orchestrator.ledger.trials_table import read_table
from orchestrator.results.front import pareto_front
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator import small
from tests.orchestrator.commands import Espalier, a_study, espalier_in
from tests.orchestrator.ports import free_port


def test_status_counts_every_trial(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "store")
    status, out, _ = espalier("status", "small", "--store", "store", "--json")
    counts = json.loads(out)
    assert status == 0
    assert {name: counts[name] for name in ("asked", "running", "complete", "pruned", "failed")} == {
        "asked": 6,
        "running": 1,
        "complete": 3,
        "pruned": 1,
        "failed": 1,
    }
    status, out, _ = espalier("status", "small", "--store", "store")
    assert status == 0
    assert f"small: unfinished; to resume it: espalier resume small --store {tmp_path / 'store'}" in out.splitlines()
    assert "ValueError: unlucky" in out


def test_watching_a_study_ends_when_nobody_drives_it(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "store")
    status, out, _ = espalier("status", "small", "--store", "store", "--watch")
    assert (status, "small: unfinished" in out) == (0, True)
    status, out, _ = espalier("status", "small", "--store", "store", "--watch", "--json")
    assert (status, json.loads(out)["driven"]) == (0, False)


def test_help_lists_the_commands_by_subject_and_each_has_an_example(espalier: Espalier) -> None:
    _, out, _ = espalier("--help")
    places = [out.index(heading) for heading in COMMANDS]
    assert places == sorted(places)
    for name, _, example in (command for group in COMMANDS.values() for command in group):
        assert example.split()[0] == name
        assert f"Example: espalier {example}" in espalier(name, "--help")[1]


def test_a_study_that_is_being_run_is_said_to_be(espalier: Espalier, tmp_path: Path) -> None:
    spec = a_study(tmp_path / "store")
    with small.ledger_of(spec, tmp_path / "store"):
        _, out, _ = espalier("status", "small", "--store", "store")
        assert "small: running" in out
        status, _, err = espalier("resume", "small", "--store", "store")
        assert (status, "is being run by process" in err) == (2, True)


def test_the_front_for_programs_holds_whole_trials_under_the_studys_own_names(
    espalier: Espalier, tmp_path: Path
) -> None:
    spec = a_study(tmp_path / "store", objectives={"macs": "minimize", "accuracy": "maximize"})
    status, out, _ = espalier("front", "small", "--store", "store", "--json")
    found = json.loads(out)
    assert status == 0
    assert found
    for trial in found:
        assert {"trial", "paradigm", "state", "fidelity", "seed", "hyperparameters", *spec.objectives} <= set(trial)
        assert (trial["state"], trial["fidelity"]) == ("COMPLETE", 1.0)
    with small.ledger_of(spec, tmp_path / "store") as ledger:
        front = pareto_front(ledger.records(), spec.objectives)
    assert [trial["trial"] for trial in found] == [record.trial for record in front]
    assert [trial["hyperparameters"] for trial in found] == [record.params for record in front]


def test_the_front_by_the_mean_is_shown_alone_and_selects_no_trials(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "store")
    status, out, _ = espalier("front", "small", "--store", "store", "--by-mean", "--json")
    assert (status, [len(member["seeds"]) for member in json.loads(out)]) == (0, [1, 1, 1])
    assert "Front of small by the mean over seeds" in espalier("front", "small", "--store", "store", "--by-mean")[1]
    status, _, err = espalier("front", "small", "--store", "store", "--by-mean", "--within", "0")
    assert (status, "--within = 0.0: is for trials" in err) == (2, True)


def test_the_front_for_people_shows_the_same_trials(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "store")
    _, out, _ = espalier("front", "small", "--store", "store", "--json")
    trials = [trial["trial"] for trial in json.loads(out)]
    _, out, _ = espalier("front", "small", "--store", "store")
    assert f"{len(trials)} of 3 complete trials" in out
    assert "validation" in out
    assert [int(line.split()[0]) for line in out.splitlines() if line[:5].strip().isdigit()] == trials


def test_paradigms_for_programs_hold_axes_source_and_hyperparameters(espalier: Espalier) -> None:
    status, out, _ = espalier("paradigms", "--json")
    found = {one["name"]: one for one in json.loads(out)}
    assert status == 0
    assert {"dense", "magnitude", "lottery_ticket"} <= set(found)
    for one in found.values():
        assert {"name", "axes", "source", "hyperparameters"} <= set(one)
        assert one["source"]
    assert {"weight", "filter"} <= set(found["magnitude"]["hyperparameters"]["granularity"]["choices"])
    assert found["lottery_ticket"]["hyperparameters"]["rounds"]["low"] == 1
    _, out, _ = espalier("paradigms")
    assert all(name in out for name in found)


def test_the_report_is_written_where_it_is_said_to_be(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "store")
    for more, path in (
        ((), tmp_path / "store/studies/small/report.html"),
        (("--output", "mine.html"), Path("mine.html")),
    ):
        status, out, _ = espalier("report", "small", "--store", "store", *more)
        assert (status, out) == (0, f"{path}\n")
        assert path.read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html>")
    status, out, _ = espalier("report", "small", "--store", "store", "--figures", "figures", "--json")
    written = json.loads(out)["figures"]
    assert (status, "figures/front-accuracy-macs.pdf" in written) == (0, True)
    assert all((tmp_path / path).stat().st_size > 0 for path in written)
    status, _, err = espalier("report", "small", "--store", "store", "--figures", "mine.html")
    assert (status, "--figures = 'mine.html': must be a folder" in err) == (2, True)
    status, _, err = espalier("report", "small", "--store", "store", "--output", "nowhere/mine.html")
    assert (status, "--output" in err) == (2, True)


@pytest.mark.parametrize("command", ["status", "front", "report", "resume"])
def test_an_unknown_study_names_the_nearest_one(espalier: Espalier, tmp_path: Path, command: str) -> None:
    a_study(tmp_path / "store")
    status, out, err = espalier(command, "smal", "--store", "store")
    assert (status, out) == (2, "")
    assert "did you mean 'small'?" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["status", "front", "report", "resume"])
def test_a_name_that_is_a_path_is_refused(espalier: Espalier, command: str) -> None:
    status, _, err = espalier(command, "../elsewhere")
    assert (status, "must consist of letters" in err) == (2, True)


@pytest.mark.parametrize("store", ["ftp://bucket/studies", "file.txt"])
def test_a_store_that_is_no_folder_is_refused(espalier: Espalier, tmp_path: Path, store: str) -> None:
    (tmp_path / "file.txt").touch()
    status, _, err = espalier("status", "small", "--store", store)
    assert (status, "must be a folder" in err) == (2, True)


@pytest.mark.parametrize("store", ["", "  ", "x" * 5000, "file.txt/below"])
@pytest.mark.parametrize("command", [["status", "small"], ["front", "small"], ["ui"], ["plan", "study.yaml"]])
def test_a_store_that_cannot_be_a_folder_is_one_sentence(
    espalier: Espalier, tmp_path: Path, store: str, command: list[str]
) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "study.yaml").write_text(small.study().as_yaml(), encoding="utf-8")
    status, out, err = espalier(*command, "--store", store)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("espalier: --store = ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.txt", "study.yaml"]


@pytest.mark.parametrize("file", ["", "folder", "x" * 5000, "file.txt/study.yaml", "/dev/null"])
@pytest.mark.parametrize("command", ["plan", "launch", "extend"])
def test_a_study_file_that_cannot_be_read_is_named(espalier: Espalier, tmp_path: Path, file: str, command: str) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "folder").mkdir()
    status, out, err = espalier(command, file)
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert "cannot be used" in err


@pytest.mark.parametrize("output", ["", "folder", "x" * 5000 + ".html", "file.txt/report.html", "/proc/report.html"])
def test_a_report_that_cannot_be_written_is_one_sentence(espalier: Espalier, tmp_path: Path, output: str) -> None:
    a_study(tmp_path / "store")
    (tmp_path / "file.txt").touch()
    (tmp_path / "folder").mkdir()
    status, out, err = espalier("report", "small", "--store", "store", "--output", output)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("espalier: --output = ")


def test_control_codes_of_files_never_reach_the_terminal(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "store", trial_reason="ValueError: \x1b]0;mine\x07 \x9b2J unlucky")
    attempt = tmp_path / "store/studies/small/trials/00003-1"
    attempt.mkdir(parents=True)
    (attempt / "trial.log").write_text("\x1b]0;mine\x07 \x1b[2J said", encoding="utf-8")
    for command in (["status", "small"], ["front", "small"], ["logs", "small", "3"], ["logs", "small", "3", "--json"]):
        status, out, err = espalier(*command, "--store", "store")
        assert status == 0
        assert not {"\x1b", "\x9b", "\x07"} & set(out + err)
    assert "said" in espalier("logs", "small", "3", "--store", "store")[1]
    file = tmp_path / "study.yaml"
    file.write_text('name: "a\\e[2J"\n"key\\e]0;mine\\a": 1\n', encoding="utf-8")
    status, _, err = espalier("launch", str(file))
    assert (status, {"\x1b", "\x07"} & set(err)) == (2, set())
    assert "\\x1b]0;mine\\x07" in err


def test_the_environment_names_the_store(espalier: Espalier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_study(tmp_path / "elsewhere")
    monkeypatch.setenv("ESPALIER_STORE", str(tmp_path / "elsewhere"))
    assert espalier("status", "small")[0] == 0


def test_a_study_with_mistakes_starts_nothing_and_writes_nothing(espalier: Espalier, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("name: x\ndata: {name: digit}\nmodel: {name: mlp}\nparadigms: {dense: }\nfidelity: {epoch: 3}\n")
    status, out, err = espalier("launch", str(file))
    assert (status, out) == (2, "")
    assert "data.name = 'digit'" in err
    assert "did you mean 'epochs'?" in err
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["report", "small", "--output", "folder"], "--output = 'folder': must be a file, and this is a folder"),
        (["report", "small", "--output", "no/a.html"], "--output = 'no/a.html': must lie in a folder that exists"),
        (["status", "small", "--store", " "], "--store = ' ': must name a folder, or s3://BUCKET/PREFIX; leave it out"),
        (["front", "small", "--setup", "S31"], "--setup = 'S31': must be one of S1, S2, S3.1"),
        (["logs", "small", "6"], "TRIAL = 6: is not a trial of this study: there are 0 to 5"),
        (["status", "bigger"], "NAME = 'bigger': is no study in {store}: there are small"),
        (["extend", "espalier-store/studies/small/study.yaml"], "is the store's own file; edit a copy of it"),
    ],
)
def test_what_cannot_be_used_is_refused_with_key_and_way_out(
    espalier: Espalier, tmp_path: Path, arguments: list[str], words: str
) -> None:
    a_study(tmp_path / "espalier-store")
    (tmp_path / "folder").mkdir()
    status, out, err = espalier(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words.format(store=tmp_path / "espalier-store") in err


def test_in_an_empty_store_there_is_no_study_to_show(espalier: Espalier) -> None:
    status, _, err = espalier("front", "small")
    assert (status, "there is none; launch one first" in err) == (2, True)


def test_a_port_that_is_taken_is_refused(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "espalier-store")
    Store(tmp_path / "espalier-store").mlflow_database.touch()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        status, _, err = espalier("ui", "--port", str(port))
    assert (status, err) == (2, f"espalier: --port = {port}: is taken; name another one\n")


def test_a_front_that_does_not_share_a_setup_ends_with_what_is_unequal(espalier: Espalier, tmp_path: Path) -> None:
    spec = small.study(trials=2, paradigms={"magnitude": small.FIXED})
    with small.launched(spec, tmp_path / "espalier-store") as ledger:
        sweep = Sweep(ledger, small.Silence())
        for epochs in (1.0, 3.0):
            trial = sweep.next()
            assert trial is not None
            sweep.begin(trial.number)
            for number in range(1, 5):
                report = small.epoch(sweep, trial, number)
                metrics = {**report.metrics, "finetune_epochs": epochs} if report.metrics else {}
                sweep.report(trial.number, replace(report, metrics=metrics))
            sweep.end(trial.number)
    assert espalier("front", "small", "--setup", "S2")[0] == 0
    status, out, err = espalier("front", "small", "--setup", "S3.1")
    assert (status, out) == (1, "")
    assert err == "espalier: not comparable in S3.1: finetune_epochs is 1 (trials 0); 3 (trials 1)\n"


def test_json_is_json_whatever_a_running_trial_has_come_to(espalier: Espalier, tmp_path: Path) -> None:
    spec = a_study(tmp_path / "espalier-store")
    with small.ledger_of(spec, tmp_path / "espalier-store") as ledger:
        sweep = Sweep(ledger, small.Silence())
        trial = sweep.next()
        assert trial is not None
        sweep.begin(trial.number)
        sweep.report(trial.number, small.epoch(sweep, trial, 1, accuracy=math.nan))
        status, out, _ = espalier("status", "small", "--json")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    assert status == 0
    assert json.loads(out, parse_constant=refuse)["under_way"][0]["accuracy"] is None


def test_a_repair_says_what_it_would_do_and_does_it_when_that_is_meant(espalier: Espalier, tmp_path: Path) -> None:
    a_study(tmp_path / "espalier-store")
    journal = Store(tmp_path / "espalier-store").study("small").journal
    status, out, _ = espalier("repair", "small")
    assert (status, out.startswith("The ledger is ")) == (0, True)
    damaged = b"".join(journal.read_bytes().splitlines(keepends=True)[:-3])
    journal.write_bytes(damaged)
    status, out, _ = espalier("repair", "small")
    assert (status, out.splitlines()[-1]) == (1, "Nothing was changed; add --yes to repair the ledger.")
    assert journal.read_bytes() == damaged
    status, out, _ = espalier("repair", "small", "--yes")
    assert status == 0
    last = out.splitlines()[-1]
    assert last.startswith("Repaired; the damaged ledger is kept: ")
    assert Path(last.partition("kept: ")[2]).read_bytes() == damaged
    assert espalier("status", "small")[0] == 0


@pytest.mark.parametrize("arguments", [["launch"], ["statu", "x"], ["front", "x", "--jsn"], ["ui", "--port", "0"]])
def test_a_wrong_command_ends_with_status_two(espalier: Espalier, arguments: Sequence[str]) -> None:
    assert espalier(*arguments)[0] == 2


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_refused(espalier: Espalier, host: str) -> None:
    status, _, err = espalier("ui", "--host", host)
    assert (status, err) == (2, f"espalier: --host = {host!r}: is no address of this machine\n")


def test_the_version_is_the_installed_one(espalier: Espalier) -> None:
    assert espalier("--version")[:2] == (0, f"espalier {version('espalier')}\n")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["status", "small"], ["logs", "small", "3"], ["front", "small", "--json"], ["paradigms"]]
)
def test_commands_that_train_nothing_import_neither_torch_nor_ray(tmp_path: Path, arguments: list[str]) -> None:
    a_study(tmp_path / "espalier-store")
    program = (
        "import sys; from orchestrator.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code, ended.code\n"
        "print(sorted({'torch', 'ray', 'mlflow', 'matplotlib'} & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, *arguments]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stderr == "[]\n"


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Launch a real study, small enough for seconds, as a person would; give its folder and what was said."""
    folder = tmp_path_factory.mktemp("launched")
    spec = small.study(
        trials=2,
        epochs=2,
        data={"name": "digits", "subset": 200},
        model={"name": "mlp"},
        paradigms={"dense": {}, "magnitude": {**small.FIXED, "sparsity": 0.5}},
        resources={"parallel": 1},  # the second trial finds a process that has imported torch
        tracking="store",
    )
    (folder / "study.yaml").write_text(spec.as_yaml(), encoding="utf-8")
    return folder, espalier_in(folder, "launch", "study.yaml")


def test_a_launch_ends_with_the_front_and_says_where_all_is(
    launched: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, ended = launched
    assert ended.returncode == 0, ended.stderr
    assert "[2/2]" in ended.stdout
    assert "Pareto front of small" in ended.stdout
    assert "2 of 2 trials done: 2 complete" in ended.stdout
    study = Store(folder / "espalier-store").study("small")
    for path in (study.report, study.table, study.log):
        assert str(path) in ended.stdout
        assert path.stat().st_size > 0
    assert [record.state for record in read_table(study.table)] == ["COMPLETE", "COMPLETE"]
    assert json.loads(espalier_in(folder, "status", "small", "--json").stdout)["complete"] == 2


def test_the_same_study_is_launched_again_only_when_that_is_meant(
    launched: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = launched
    again = espalier_in(folder, "launch", "study.yaml")
    assert (again.returncode, "espalier resume small" in again.stderr) == (2, True)
    meant = espalier_in(folder, "launch", "study.yaml", "--exist-ok", "--quiet")
    assert meant.returncode == 0, meant.stderr
    assert "2 of 2 trials done: 2 complete" in meant.stdout
    assert "[1/2]" not in meant.stdout


def test_the_dashboard_answers_on_loopback_and_ends_on_ctrl_c(
    launched: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, _ = launched
    port = free_port(following=1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        taken = espalier_in(folder, "ui", "--port", str(port))
        assert (taken.returncode, "is taken" in taken.stderr) == (2, True)
    command = [sys.executable, "-c", "from orchestrator.cli import main; main()", "ui", "--port", str(port)]
    with (folder / "ui.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        assert b'href="/studies/small"' in _page(f"http://127.0.0.1:{port}/", server)
        assert b"mlflow" in _page(f"http://127.0.0.1:{port + 1}/", server).lower()
    finally:
        os.killpg(server.pid, signal.SIGINT)
        server.wait(60)
    assert f"http://127.0.0.1:{port}" in (folder / "ui.log").read_text()


def _page(address: str, server: subprocess.Popen[bytes]) -> bytes:
    """Return a page once its server answers."""
    while server.poll() is None:
        with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(address) as answer:
            page: bytes = answer.read()
            return page
        time.sleep(0.2)
    raise AssertionError(f"the server ended with status {server.returncode}")
