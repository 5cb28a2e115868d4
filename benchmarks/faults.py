"""What a study loses when things die under it: kill -9 of the driver, a worker, Ray's raylet or control store.

    python -m benchmarks.faults [--rounds 50] [--damages 200] [--seed 0]

Real studies (digits, a small network, three paradigms, one rung) are launched by the command line. A round is one kill;
after that of a driver the study is resumed, all others it must survive by itself. At the end each study is looked at:
its journal line by line, its records, its runs in MLflow. Exits with status 1 if anything was lost, told twice, left
RUNNING or doubled, failed, or if more than one epoch was repeated for each time that a trial was interrupted.
"""

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.store_faults import Tally, Verdict, damage_store
from orchestrator.ledger import ledger
from orchestrator.ledger.records import State, TrialRecord
from orchestrator.results.front import TOLD, pareto_front
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store, StudyFolder

if TYPE_CHECKING:
    from rich.table import Table

TRIALS = 24
KILLS_PER_STUDY = 5
TRIALS_DAMAGED = 6
STUDY = """
name: faults
data: {name: digits, subset: 600}
model: {name: mlp}
paradigms: {dense: {}, magnitude: {}, lottery_ticket: {}}
search: {trials: TRIALS, sampler: random}
fidelity: {epochs: 8, rungs: [3]}
"""
ESPALIER = (sys.executable, "-c", "from orchestrator.cli import main; main()")
PATIENCE = 300.0
"""Seconds after which a study that makes no progress counts as hanging."""

VICTIMS = ("driver", "worker", "raylet", "control store")
VIOLATIONS = (
    "told trials lost",
    "trials told twice",
    "trials missing, failed or RUNNING",
    "runs in MLflow RUNNING, doubled or missing",
    "interruptions with more than one epoch repeated",
    "partial trials on the front",
    "studies that hang or end badly",
)


@dataclass
class Findings:
    """What was done to studies, and what was wrong with them afterwards."""

    kills: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    interrupted: int = 0
    repeated: int = 0

    def __iadd__(self, other: "Findings") -> "Findings":
        self.kills += other.kills
        self.violations += other.violations
        self.interrupted += other.interrupted
        self.repeated += other.repeated
        return self


def run_study(root: Path, victims: Sequence[str], chance: random.Random, trials: int = TRIALS) -> Findings:
    """Run a study of so many trials to its end, killing each of the victims on the way; return what became of it."""
    folder, findings, before = Store(root).study("faults"), Findings(), dict[int, TrialRecord]()
    file, sockets = root / "faults.yaml", root / "r"
    file.write_text(_study_of(trials), encoding="utf-8")
    sockets.mkdir()
    driver = _start(["launch", str(file)], root, sockets)
    moments = sorted(chance.sample(range(trials // 2), len(victims)))  # so that seconds of the study are left
    for victim, moment in zip(victims, moments, strict=True):
        if not _wait_until_told(folder, moment, driver):
            break
        time.sleep(chance.uniform(0, 0.6))
        if not _kill(victim, driver):
            continue
        findings.kills[victim] += 1
        if victim == "driver":
            driver.wait()
            records = ledger.read(folder)
            findings.violations["told trials lost"] += _lost(before, records)
            before = _told(records)
            driver = _start(["resume", "faults"], root, sockets)
    findings.violations["studies that hang or end badly"] += _end(driver) != 0
    _look_at(Store(root), trials, before, findings)
    return findings


def _study_of(trials: int) -> str:
    return STUDY.replace("TRIALS", str(trials))


def _start(words: list[str], store: Path, sockets: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_TMPDIR": str(sockets)}
    command = [*ESPALIER, *words, "--store", str(store), "--quiet"]
    with (store / "said.txt").open("ab") as said:
        return subprocess.Popen(command, env=environment, stdout=said, stderr=said)


def _end(driver: subprocess.Popen[bytes]) -> int:
    try:
        return driver.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        driver.kill()
        return driver.wait()


def _wait_until_told(folder: StudyFolder, number: int, driver: subprocess.Popen[bytes]) -> bool:
    """Wait until so many trials are told; return whether the driver is still there then."""
    deadline = time.monotonic() + PATIENCE
    while len(_told(ledger.read(folder))) < number or not folder.trials.exists():
        if driver.poll() is not None or time.monotonic() > deadline:
            return False
        time.sleep(0.2)  # reading a ledger takes a processor that the study needs
    return driver.poll() is None


def _kill(victim: str, driver: subprocess.Popen[bytes]) -> bool:
    """Kill one of the study's processes; return whether there was one."""
    raylets = _running(driver, "/raylet/raylet")
    if victim == "driver":
        pids = [driver.pid]
    elif victim == "raylet":
        pids = raylets
    elif victim == "control store":
        pids = _running(driver, "/gcs/gcs_server")
    else:
        pids = [
            pid for raylet in raylets for pid, command in _children(raylet) if command.startswith("ray::WorkerTrial")
        ]
    if pids:
        os.kill(random.choice(pids), 9)
    return bool(pids)


def _running(driver: subprocess.Popen[bytes], program: str) -> list[int]:
    return [pid for pid, command in _children(driver.pid) if program in command]


def _children(parent: int) -> list[tuple[int, str]]:
    """Return the numbers and command lines of a process's children."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = (process / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == parent:
                found.append((int(process.name), (process / "cmdline").read_text().replace("\0", " ")))
        except OSError:
            continue
    return found


def _told(records: Iterable[TrialRecord]) -> dict[int, TrialRecord]:
    return {record.trial: record for record in records if record.state in TOLD}


def _lost(before: dict[int, TrialRecord], records: Iterable[TrialRecord]) -> int:
    now = _told(records)
    return sum(now.get(trial) != record for trial, record in before.items())


def _look_at(store: Store, trials: int, before: dict[int, TrialRecord], findings: Findings) -> None:
    """Count what is wrong with a study that came to its end."""
    folder = store.study("faults")
    records = ledger.read(folder)
    spec = StudySpec.stored(folder.spec)
    front = pareto_front(records, spec.objectives)
    ended = {record.trial for record in records if record.state in (State.COMPLETE, State.PRUNED)}
    told, epochs = _written(folder)
    repeated = {trial: _repeats(counts) for trial, counts in epochs.items()}
    again = {record.trial: max(0, record.attempts - 1) for record in records}
    findings.interrupted += sum(again.values())
    findings.repeated += sum(repeated.values())
    findings.violations += Counter(
        {
            "told trials lost": _lost(before, records),
            "trials told twice": sum(number - 1 for number in told.values()),
            "trials missing, failed or RUNNING": trials - len(ended),
            "runs in MLflow RUNNING, doubled or missing": _wrong_runs(store, trials),
            "interruptions with more than one epoch repeated": sum(
                max(0, repeated[trial] - again[trial]) for trial in repeated
            ),
            "partial trials on the front": sum(
                record.fidelity < 1 or record.state is not State.COMPLETE for record in front
            ),
        }
    )


def _repeats(epochs: Counter[str]) -> int:
    return sum(number - 1 for number in epochs.values())


def _written(folder: StudyFolder) -> tuple[Counter[int], dict[int, Counter[str]]]:
    """Return how often the journal tells each trial, and how often it has each of the epochs that trials report."""
    told, epochs = Counter[int](), dict[int, Counter[str]]()
    for line in folder.journal.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if entry.get("state") in (1, 2, 3):
            told[entry["trial_id"]] += 1
        for key, value in entry.get("user_attr", {}).items():
            if key.startswith("report:") and not value["metrics"]:  # the last report may be about an epoch once more
                epochs.setdefault(entry["trial_id"], Counter())[key] += 1
    return told, epochs


def _wrong_runs(store: Store, trials: int) -> int:
    """Count the trials that do not have exactly one run in MLflow, and the runs that have not ended."""
    query = """SELECT tags.value, runs.status FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
               WHERE tags.key = 'trial' AND runs.lifecycle_stage = 'active'"""
    with closing(sqlite3.connect(store.mlflow_database)) as database:
        rows: list[tuple[str, str]] = database.execute(query).fetchall()
    runs = Counter(int(trial) for trial, _ in rows)
    return sum(runs[trial] != 1 for trial in range(trials)) + sum(status == "RUNNING" for _, status in rows)


def run_rounds(rounds: int, seed: int) -> Findings:
    """Kill so many times, in as many studies as that takes."""
    chance, total = random.Random(seed), Findings()
    while (left := rounds - sum(total.kills.values())) > 0:
        victims = [chance.choice(VICTIMS) for _ in range(min(left, KILLS_PER_STUDY))]
        with tempfile.TemporaryDirectory(dir="/tmp", prefix="f-", ignore_cleanup_errors=True) as root:
            begun = time.monotonic()
            found = run_study(Path(root), victims, chance)
            total += found
            wrong = {name: number for name, number in found.violations.items() if number}
            took = time.monotonic() - begun
            print(f"{', '.join(victims)}: {wrong or 'nothing wrong'} ({took:.0f} s)", file=sys.stderr, flush=True)
            if wrong:
                print((Path(root) / "said.txt").read_text()[-2000:], file=sys.stderr)
        if not found.kills:
            break
    return total


def run_damages(number: int, seed: int) -> Tally:
    """Run one study to its end, and damage copies of it: its ledger so many times."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="f-", ignore_cleanup_errors=True) as root:
        file = Path(root) / "faults.yaml"
        file.write_text(_study_of(TRIALS_DAMAGED), encoding="utf-8")
        (Path(root) / "r").mkdir()
        if _end(_start(["launch", str(file)], Path(root), Path(root) / "r")):
            sys.exit((Path(root) / "said.txt").read_text()[-2000:])
        return damage_store(Path(root), number, seed)


def damage_table(tally: Tally) -> "Table":
    """Return what was tried on stores, by kind."""
    from rich.table import Table

    verdicts: tuple[Verdict, ...] = ("recognised", "harmless", "wrong")
    table = Table("", "tried", *verdicts, title="A store changed behind espalier's back")
    for kind in dict.fromkeys(kind for kind, _ in tally.verdicts):
        counts = [tally.verdicts[kind, verdict] for verdict in verdicts]
        table.add_row(kind, str(sum(counts)), *map(str, counts))
    table.add_row(
        "in all", str(tally.verdicts.total()), *(str(tally.of(verdict)) for verdict in verdicts), style="bold"
    )
    return table


def main() -> None:
    """Print what was done and what was wrong; exit with status 1 if anything was."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(description="Kill what runs a study, and count what is lost.")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--damages", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    tally = run_damages(chosen.damages, chosen.seed) if chosen.damages else Tally()
    Console().print(damage_table(tally))
    for complaint in tally.complaints:
        print(complaint, file=sys.stderr)
    findings = run_rounds(chosen.rounds, chosen.seed)
    killed = ", ".join(f"{number} of a {victim}" for victim, number in findings.kills.items())
    table = Table("", "", title=f"{sum(findings.kills.values())} kills -9: {killed}")
    for name in VIOLATIONS:
        table.add_row(name, str(findings.violations[name]))
    table.add_row("trials begun again after an interruption", str(findings.interrupted), style="dim")
    table.add_row("epochs repeated for them in all", str(findings.repeated), style="dim")
    Console().print(table)
    sys.exit(1 if findings.violations.total() or tally.of("wrong") else 0)


if __name__ == "__main__":
    main()
