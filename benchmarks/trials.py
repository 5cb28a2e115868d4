"""Trials run one after another, without a sweep; what they measure goes into a file as it comes.

A configuration that the file holds already is not run again, so that an interrupted benchmark continues.
"""

import argparse
import hashlib
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch

from trainables.context import Report, SaveCheckpoint
from trainables.spec import Option, TrialSpec, Value
from trainables.trial import run_trial

Metrics = Mapping[str, float]
Row = dict[str, Any]
Key = TypeVar("Key", bound=tuple[object, ...])


@dataclass(frozen=True)
class Method:
    """The paradigm of a row, its hyper-parameters, for how many trainings' epochs it runs, its network's options."""

    paradigm: str
    settings: Mapping[str, Value] = field(default_factory=dict)
    trainings: int = 1
    network: Mapping[str, Option] = field(default_factory=dict)


@dataclass
class Alone:
    """A context without a sweep, which keeps the last report's metrics; `cache` holds the data that are read once.

    With a folder `base`, the checkpoint of epoch `base_epoch` is written there, and trials go on from it where it is
    there: those that train the same network for so many epochs before they differ need to do so only once.
    """

    device: str
    cache: Path
    base: Path | None = None
    base_epoch: int = 0
    metrics: Metrics = field(default_factory=dict)

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        self.metrics = report.metrics
        if self.base is not None and report.epoch == self.base_epoch:
            unfinished = Path(tempfile.mkdtemp(dir=self.base.parent))
            save(unfinished)
            unfinished.rename(self.base)

    def restore(self) -> Path | None:
        return self.base if self.base is not None and self.base.exists() else None


def run_all(
    specs: Sequence[TrialSpec], options: argparse.Namespace, shared_epochs: Mapping[str, int] | None = None
) -> list[Metrics]:
    """Run what the results file does not hold; return the metrics of all, in the order of `specs`.

    `shared_epochs` says by paradigm how many epochs its trials train alike, if they differ in nothing but
    hyper-parameters.
    """
    results: Path = options.results
    beside = results.with_suffix("")
    (beside / "data").mkdir(parents=True, exist_ok=True)
    rows = _read(results)
    measured = []
    for number, spec in enumerate(specs, start=1):
        row = next((row for row in rows if row["spec"] == _plain(spec)), None)
        if row is None:
            shared = (shared_epochs or {}).get(spec.paradigm, 0)
            base = beside / _base_name(spec, shared) if shared else None
            row = _run(spec, Alone(options.device, beside / "data", base, shared))
            _append(results, row)
            print(f"[{number}/{len(specs)}] {_line(row)}", flush=True)
        measured.append(row["metrics"])
    return measured


class OutOfTime(Exception):
    """The time of a piece is over; the trial continues from its checkpoint in the next one."""


@dataclass
class Piece(Alone):
    """A context whose trial keeps its last epoch in `kept`, continues from there, and ends after `deadline`.

    The deadline is of `time.monotonic`. Each checkpoint replaces the one before at once, so that there is always one.
    """

    kept: Path = Path()
    deadline: float = float("inf")

    @property
    def unfinished(self) -> Path:
        return self.kept.with_suffix(".unfinished")

    def report(self, report: Report, save: SaveCheckpoint) -> None:
        self.metrics = report.metrics
        if report.metrics:
            return
        written = self.unfinished
        shutil.rmtree(written, ignore_errors=True)  # of a run that was killed while it wrote
        written.mkdir()
        save(written)
        self.kept.mkdir(exist_ok=True)
        for file in written.iterdir():
            file.replace(self.kept / file.name)
        written.rmdir()
        if time.monotonic() >= self.deadline:
            raise OutOfTime

    def restore(self) -> Path | None:
        return self.kept if self.kept.exists() and any(self.kept.iterdir()) else None


def run_until(specs: Sequence[TrialSpec], options: argparse.Namespace, seconds: float) -> list[Metrics | None]:
    """Run what the results file does not hold for so many seconds; return the metrics of all, None of what is left.

    The trial that is running then stops after an epoch, which is at least one, and the next call continues it.
    """
    beside = options.results.with_suffix("")
    (beside / "data").mkdir(parents=True, exist_ok=True)
    deadline, measured, begun = time.monotonic() + seconds, list[Metrics | None](), False
    for spec in specs:
        row = next((row for row in _read(options.results) if row["spec"] == _plain(spec)), None)
        if row is None and (not begun or time.monotonic() < deadline):
            begun = True
            kept = beside / _base_name(spec, spec.epochs, shared=False)
            row = _piece(spec, Piece(options.device, beside / "data", kept=kept, deadline=deadline), options.results)
        measured.append(row["metrics"] if row else None)
    return measured


def run_rows(
    rows: Sequence[str], trial: Callable[[str, int], TrialSpec], options: argparse.Namespace
) -> tuple[dict[str, list[Metrics]], int]:
    """Run a trial of each row and seed until the minutes of `options` are over, and say how many are left.

    Return the metrics of each row so far, and how many trials are left.
    """
    wanted = [(row, seed) for seed in options.seeds for row in rows]
    measured: dict[str, list[Metrics]] = {}
    trials = run_until([trial(*one) for one in wanted], options, 60 * options.minutes)
    for (row, _), metrics in zip(wanted, trials, strict=True):
        if metrics is not None:
            measured.setdefault(row, []).append(metrics)
    left = trials.count(None)
    print(f"{left} of {len(trials)} trials are left", flush=True)
    return measured, left


def add_minutes(parser: argparse.ArgumentParser) -> None:
    """Let a parser take after how many minutes a benchmark that runs in pieces stops."""
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="minutes after which no further epoch is begun (20)"
    )


def _piece(spec: TrialSpec, context: Piece, results: Path) -> Row | None:
    try:
        row = _run(spec, context)
    except OutOfTime:
        print(f"{spec.paradigm} seed {spec.seed}: to be continued", flush=True)
        return None
    _append(results, row)
    print(_line(row), flush=True)
    for folder in (context.kept, context.unfinished):
        shutil.rmtree(folder, ignore_errors=True)
    return row


def rows_in(
    path: Path, wanted: Iterable[Key], key_of: Callable[[Row], Key], measure: Callable[[Key, list[Row]], Row]
) -> list[Row]:
    """Return the rows of a file of JSON lines, after what is `wanted` and not there yet is measured and added.

    `measure` is given the rows before. Each row is written as it comes, so that an interrupted benchmark continues.
    """
    rows = _read(path)
    done = {key_of(row) for row in rows}
    for key in wanted:
        if key not in done:
            print(", ".join(map(str, key)), flush=True)
            rows.append(measure(key, rows))
            _append(path, rows[-1])
    return rows


def digest(*described: object) -> str:
    """Return a few characters that differ where what is described by its `repr` differs."""
    return hashlib.blake2b(repr(described).encode(), digest_size=4).hexdigest()


def _append(results: Path, row: Row) -> None:
    with results.open("a") as file:
        file.write(json.dumps(row) + "\n")


def _run(spec: TrialSpec, context: Alone) -> Row:
    begin = time.perf_counter()
    run_trial(spec, context)
    return {"spec": _plain(spec), "metrics": dict(context.metrics), "seconds": time.perf_counter() - begin}


def _read(results: Path) -> list[Row]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def _plain(spec: TrialSpec) -> Row:
    """Return the spec as JSON gives it back, without the folder of the data, which may move."""
    plain: Row = json.loads(json.dumps(spec.as_dict()))
    plain["data"]["root"] = None
    return plain


def _base_name(spec: TrialSpec, epochs: int, *, shared: bool = True) -> str:
    """Return the name of a checkpoint: one for all hyper-parameters where their first epochs are shared."""
    common = {**_plain(spec), "shared_epochs": epochs} | ({"hyperparameters": {}} if shared else {})
    return hashlib.sha256(json.dumps(common, sort_keys=True).encode()).hexdigest()[:16]


def _line(row: Row) -> str:
    spec, metrics = row["spec"], row["metrics"]
    settings = " ".join(f"{name}={value}" for name, value in spec["hyperparameters"].items())
    scores = f"validation {metrics['accuracy']:.2%}, test {metrics['test_accuracy']:.2%}"
    return f"{spec['paradigm']} {settings} seed {spec['seed']}: {scores} in {row['seconds']:.0f} s"


def percent(values: Sequence[float]) -> str:
    """Return shares as percent: their mean and, in brackets, the least and the greatest."""
    least, greatest = 100 * min(values), 100 * max(values)
    return f"{100 * statistics.mean(values):.2f} ({least:.2f} to {greatest:.2f})"


def new_parser(description: str | None, name: str, *, epochs: int, subset: int | None) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks of trials have, and their defaults."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    results = Path(tempfile.gettempdir()) / "espalier-benchmarks" / f"{name}.jsonl"
    parser.add_argument("--root", default="../shared/data", help="folder that holds cifar-10-batches-py")
    parser.add_argument("--results", type=Path, default=results, help=f"file that keeps the results ({results})")
    parser.add_argument("--epochs", type=int, default=epochs, help=f"epochs of a training ({epochs})")
    parser.add_argument("--subset", type=int, default=subset, help=f"training images ({subset or 'all'})")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, help="threads of torch on the CPU (default: its own choice)")
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Return the options, once torch has the threads that they name."""
    options = parser.parse_args()
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__} on {options.device}; results: {options.results}", flush=True)
    return options
