"""One training of a dense network for all trials that begin with the same: by the first, and followed by the others.

Its newest state lies in the folder that the trials of a machine share, under a hash of all that it depends on. Whoever
holds the lock beside it trains, and writes the state after each epoch; the kernel frees the lock of a killed process,
and the next holder continues from there. All others report the epochs as they appear, and take the state at the end.
"""

import hashlib
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import torch
from filelock import FileLock, Timeout

from trainables import checkpoint, parallel
from trainables.code import code_of, package_of
from trainables.context import Report
from trainables.models.weights import IMAGENET, sha256
from trainables.recipes.recipe import Recipe, Train, dense_training, training_epochs
from trainables.references import is_reference
from trainables.runner import projected, train
from trainables.spec import TrainingSpec
from trainables.state import LiveTrial
from trainables.tasks import CLASSIFICATION

LOG = logging.getLogger(__name__)

METRIC: Final = "epochs_shared"
"""How many of its epochs a trial took from another one instead of training them."""

POLL: Final = 0.2
"""Seconds between two looks at the state that another trial is training."""

PATIENCE: Final = 600.0
"""Seconds without a new epoch after which a trial trains for itself, if no epoch has shown yet how long one takes."""

SLOWER: Final = 10
LEAST: Final = 60.0
"""A trial also trains for itself once an epoch takes SLOWER times as long as the longest so far, and LEAST seconds."""

_FORMAT: Final = 1
_USUAL: Final = TrainingSpec()
_ELSEWHERE: Final = ("paradigm", "hyperparameters", "epochs", "objectives")
"""What a trial's spec says that its first stage does not depend on."""


@dataclass(frozen=True)
class Standing:
    """How far a shared training is: the trial's state after its last epoch, and the reports of all epochs so far."""

    state: dict[str, Any]
    reports: tuple[Report, ...]

    @property
    def longest(self) -> float:
        """The seconds of the longest epoch."""
        return max(report.seconds for report in self.reports)


class SharedTraining:
    """The first stage of a trial's recipe, shared with other trials."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path.with_suffix(".lock"))

    @classmethod
    def of(cls, recipe: Recipe, trial: LiveTrial) -> "SharedTraining | None":
        """Return what a fresh trial shares; None if its spec shares nothing or it has no training before pruning.

        Several processes that train one network together share nothing: sums over other numbers of them round
        differently.
        """
        stage, cache = dense_training(recipe), trial.context.cache
        if not trial.spec.training.shared_dense or stage is None or cache is None or parallel.size() > 1:
            return None
        cache.mkdir(parents=True, exist_ok=True)
        return cls(cache / f"dense-{_key(trial, stage)}.pt")

    def carry_out(self, recipe: Recipe, trial: LiveTrial) -> None:
        """Bring a trial to the end of its first stage, by its own training or by that of another trial."""
        if trial.position.stage > 0:
            return
        stage = dense_training(recipe)
        if stage is not None:
            _Part(self, recipe, stage, trial).run()
            trial.end_stage()

    def standing(self) -> Standing | None:
        """Return how far the training is; None if it has not begun, or its file is damaged."""
        try:
            content = torch.load(self.path, weights_only=True, map_location="cpu")
            return Standing(content["state"], tuple(Report(**report) for report in content["reports"]))
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - whatever damage does to a pickle: the training is done again
            LOG.warning("%s is damaged and not used: %s", self.path, error)
            return None

    def write(self, standing: Standing) -> None:
        """Replace the state on the disk atomically."""
        reports = [asdict(replace(report, usage=None)) for report in standing.reports]
        descriptor, draft = tempfile.mkstemp(dir=self.path.parent, prefix=f"{self.path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                torch.save({"state": standing.state, "reports": reports}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.path)
        finally:
            Path(draft).unlink(missing_ok=True)

    @contextmanager
    def claimed(self) -> Iterator[bool]:
        """Hold the lock while the block runs, if nobody else does; give whether it is held."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        except (OSError, RuntimeError) as error:  # what filelock raises where the file system knows no locks
            LOG.warning("%s has no locks (%s): trials may train the same", self.path.parent, error)
        try:
            yield True
        finally:
            self._lock.release()

    def changed(self) -> int:
        """Return a number that differs once the state was written again."""
        try:
            return self.path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0


class _Part:
    """What one trial does in a shared training.

    The cost that its reports foretell is that of pruning the network with which it begins, so that it is the same
    whether the trial trains or follows; each other epoch's network is known only to whoever trains it.
    """

    def __init__(self, shared: SharedTraining, recipe: Recipe, stage: Train, trial: LiveTrial) -> None:
        self._shared, self._recipe, self._stage, self._trial = shared, recipe, stage, trial
        self._reports: list[Report] = []
        self._told = trial.position.reports
        self._macs, self._params = _foretold_cost(recipe, trial)
        self._trial.measured.setdefault(METRIC, 0.0)

    def run(self) -> None:
        """Train while nobody else does; meanwhile report what is trained, and take the state once that is done."""
        seen, since, patience = -1, time.monotonic(), PATIENCE
        while not self._is_done():
            with self._shared.claimed() as mine:
                if mine:
                    self._train()
                    return
            if self._shared.changed() != seen:
                seen, since = self._shared.changed(), time.monotonic()
                standing = self._shared.standing()
                if standing is not None:
                    self._follow(standing)
                    patience = max(LEAST, SLOWER * standing.longest)
            elif time.monotonic() - since > patience:
                LOG.warning("no new epoch of the shared training for %.0f s: this trial trains for itself", patience)
                self._train(for_others=False)
                return
            else:
                time.sleep(POLL)

    def _is_done(self) -> bool:
        return self._trial.position.epoch >= self._stage.epochs

    def _train(self, *, for_others: bool = True) -> None:
        """Continue from the newest state, or from the trial's own if that is newer."""
        standing = self._shared.standing()
        if standing is not None and len(standing.reports) >= self._trial.position.reports:
            self._follow(standing)
            self._restore(standing)
            self._reports = list(standing.reports)
        if self._is_done():
            return
        published = for_others and len(self._reports) == self._trial.position.reports
        train(self._stage, self._trial, self._recipe, self._published if published else self._foretold)

    def _follow(self, standing: Standing) -> None:
        """Report the epochs that the trial has not reported yet; with a checkpoint only at the end of the stage."""
        news = standing.reports[self._told :]
        if len(standing.reports) >= self._stage.epochs:
            self._restore(standing)
        for report in news:
            self._told += 1
            self._trial.measured[METRIC] += 1
            last = report is standing.reports[-1] and self._is_done()
            self._trial.context.report(self._own(report), self._save if last else _save_nothing)

    def _restore(self, standing: Standing) -> None:
        measured = self._trial.measured
        checkpoint.load_state(self._trial, standing.state)
        self._trial.measured, self._trial.last_report = measured, self._own(standing.reports[-1])

    def _save(self, folder: Path) -> None:
        checkpoint.save(self._trial, folder)

    def _own(self, report: Report) -> Report:
        """Return another trial's report as this trial's, which took no time."""
        return self._foretold(
            replace(report, fidelity=report.epoch / training_epochs(self._recipe), seconds=0.0, usage=None)
        )

    def _foretold(self, report: Report) -> Report:
        return replace(report, macs_projected=self._macs, params_projected=self._params)

    def _published(self, report: Report) -> Report:
        """Write the trial's state for others, and return its report."""
        report = self._trial.last_report = self._foretold(report)
        self._reports.append(report)
        state = {**checkpoint.state_of(self._trial), "measured": {}}
        if self._is_done():
            state["optimizer"] = None
        self._shared.write(Standing(state, tuple(self._reports)))
        return report


def _foretold_cost(recipe: Recipe, trial: LiveTrial) -> tuple[float, float]:
    """Return the MACs and parameters that pruning would leave of the network with which the training begins."""
    if trial.last_report is not None:  # the trial was resumed, and has another network by now
        return trial.last_report.macs_projected, trial.last_report.params_projected
    cost = projected(recipe, trial)
    return cost.macs, cost.params


def _save_nothing(folder: Path) -> None:
    """Write no checkpoint: the state of the epoch is another trial's."""


def _key(trial: LiveTrial, stage: Train) -> str:
    """Return a hash of all that the training of a fresh trial's network depends on."""
    spec = {name: value for name, value in trial.spec.as_dict().items() if name not in _ELSEWHERE}
    weights = trial.spec.model.weights
    spec["data"] = {name: value for name, value in spec["data"].items() if name not in ("root", "download")}
    spec["model"] = {**spec["model"], "weights": sha256(Path(weights)) if weights not in (None, IMAGENET) else weights}
    for how in ("shared_dense", "capture", "compile"):  # say how a network is trained, not which one
        del spec["training"][how]
    for name in ("scaling", "lr_after_pruning", "paths", "readout_lr"):
        if spec["training"][name] == getattr(_USUAL, name):
            del spec["training"][name]  # so that networks of before there were other values are found again
    if spec["data"]["corruptions"] is None:
        del spec["data"]["corruptions"]  # so that networks of before there were any are found again
    if spec["task"] == CLASSIFICATION:
        del spec["task"]  # so that networks of before there were others are found again
    facts = [_FORMAT, spec, asdict(stage), trial.dataset.hash, _device(trial), _network(trial)]
    facts += [code_of(package_of(trial.spec.task))] if is_reference(trial.spec.task) else []
    facts += [version("espalier"), torch.__version__]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:24]


def _device(trial: LiveTrial) -> list[object]:
    """Return what makes sums round as they do: the kind of the GPU, or how many threads of the CPU share the work."""
    if trial.context.device.startswith("cuda"):
        return ["cuda", torch.cuda.get_device_name()]
    return ["cpu", torch.get_num_threads()]


def _network(trial: LiveTrial) -> str:
    """Return a hash of a network's first weights, and of the code of its layers that is not torch's."""
    digest = hashlib.sha256()
    for name, tensor in trial.model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    modules = sorted({type(module).__module__ for module in trial.model.modules()})
    for module in modules:
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is not None and not module.startswith("torch."):
            digest.update(Path(file).read_bytes())
    return digest.hexdigest()
