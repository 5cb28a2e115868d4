"""What becomes of a store that was changed behind espalier's back: copies of one real study, each damaged at random.

Called by `python -m benchmarks.faults --damages N`. A ledger is cut, its bytes flipped, its lines doubled, removed and
swapped, its digits changed; checkpoints are swapped, cut and forged; files become links; the store is moved and copied.
Each time the damage must be recognised, or be harmless: told trials stay as they were told, also after a repair, and
nothing foreign is on the front.
"""

import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from orchestrator.ledger import ledger
from orchestrator.ledger.epoch import EpochReport
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.proof import LedgerDamaged
from orchestrator.ledger.records import TrialRecord
from orchestrator.ledger.repair import carry_out
from orchestrator.results.front import TOLD, pareto_front
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.attempts import CheckpointRef, attempt_folder
from orchestrator.store.checkpoints import SEAL, owner_of, seal
from orchestrator.store.store import Store, StudyFolder
from orchestrator.store.trial_files import trial_files
from orchestrator.sweep.observer import Observers
from orchestrator.sweep.sweep import Sweep
from trainables.errors import InvalidValue

Verdict = Literal["recognised", "harmless", "wrong"]
Bytes = Callable[[bytes, random.Random], bytes]
CHECKPOINT_ROUNDS: Final = 5

TRACEBACKS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a person would see as a traceback."""


@dataclass
class Tally:
    """What was tried, by kind, and what came of it."""

    verdicts: Counter[tuple[str, Verdict]] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    def note(self, kind: str, verdict: Verdict, why: str = "") -> None:
        self.verdicts[kind, verdict] += 1
        if verdict == "wrong":
            self.complaints.append(f"{kind}: {why}")

    def of(self, verdict: Verdict) -> int:
        return sum(number for (_, other), number in self.verdicts.items() if other == verdict)


def _flip(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def _change_digit(content: bytes, chance: random.Random) -> bytes:
    place = chance.choice([match.start() for match in re.finditer(rb"\d", content)])
    return content[:place] + str((int(content[place : place + 1]) + 1) % 10).encode() + content[place + 1 :]


def _zero(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content))
    return content[:place] + bytes(len(content[place : place + 512])) + content[place + 512 :]


def _remove_lines(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    place = chance.randrange(len(lines))
    del lines[place : place + chance.randint(1, 5)]
    return b"".join(lines)


def _double_line(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    lines.insert(chance.randrange(len(lines)), chance.choice(lines))
    return b"".join(lines)


def _swap_lines(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    one, other = chance.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


LEDGER: Final[dict[str, Bytes]] = {
    "a bit of the ledger flipped": _flip,
    "the ledger cut": _cut,
    "a digit of the ledger changed": _change_digit,
    "512 bytes of the ledger zero": _zero,
    "lines of the ledger removed": _remove_lines,
    "a line of the ledger doubled": _double_line,
    "two lines of the ledger swapped": _swap_lines,
    "the ledger emptied": lambda *_: b"",
}


def damage_store(root: Path, rounds: int, seed: int) -> Tally:
    """Damage copies of the study `faults` in a store, its ledger at so many random places; return what came of it."""
    chance, tally = random.Random(seed), Tally()
    _hand_out_two(Store(root).study("faults"))
    before = ledger.read(Store(root).study("faults"))
    kinds = list(LEDGER)
    for number in range(rounds):
        kind = kinds[number % len(kinds)]
        with _copied(root) as store:
            tally.note(kind, *_damage_ledger(store.study("faults"), LEDGER[kind], chance, before))
    for kind, change in CHECKPOINTS.items():
        for _ in range(CHECKPOINT_ROUNDS):
            with _copied(root) as store:
                tally.note(kind, *_damage_checkpoint(store.study("faults"), change, chance))
    for name in sorted(path.relative_to(root).as_posix() for path in (root / "studies").rglob("*")):
        with _copied(root) as store:
            tally.note("a file or folder that is a link", *_link(store, name))
    for kind in ("a moved store", "a copied store"):
        with _copied(root) as store:
            tally.note(kind, *_elsewhere(store, before, is_copy=kind == "a copied store"))
    return tally


@contextmanager
def _copied(root: Path) -> Iterator[Store]:
    """Copy the studies of a store for as long as they are needed."""
    with TemporaryDirectory(prefix="faults-") as name:
        shutil.copytree(root / "studies", Path(name) / "store" / "studies")
        yield Store(Path(name) / "store")


def _hand_out_two(folder: StudyFolder) -> None:
    """Add two trials that run, each with a checkpoint of its own, as a killed driver leaves them."""
    spec = StudySpec.stored(folder.spec)
    larger = spec.model_copy(update={"search": spec.search.model_copy(update={"trials": spec.search.trials + 2})})
    told = next(record for record in ledger.read(folder) if record.metrics)
    with Ledger(folder, larger) as driver:
        sweep, (source, *_) = Sweep(driver, Observers([])), driver.checkpoints(told.trial)
        for _ in range(2):
            trial = sweep.next()
            assert trial is not None
            sweep.begin(trial.number)
            sweep.report(trial.number, EpochReport(told.curve[0]))
            ref = CheckpointRef(attempt_folder(folder.trials, trial.number, "faults").name, "checkpoint_000000")
            checkpoint = folder.checkpoint(ref)
            shutil.copytree(folder.checkpoint(source), checkpoint)
            (checkpoint / "number").write_text(str(trial.number), encoding="utf-8")
            seal(checkpoint, driver.owner(trial.number))
            sweep.save(trial.number, ref)


def _damage_ledger(
    folder: StudyFolder, change: Bytes, chance: random.Random, before: list[TrialRecord]
) -> tuple[Verdict, str]:
    content = folder.journal.read_bytes()
    folder.journal.write_bytes(change(content, chance))
    verdict: Verdict = "harmless"
    try:
        ledger.read(folder)
        Ledger(folder, StudySpec.stored(folder.spec)).close()
    except LedgerDamaged:
        verdict = "recognised"
        carry_out(folder)
    except TRACEBACKS as trouble:
        return "wrong", repr(trouble)
    why = _difference(before, ledger.read(folder), is_repaired=verdict == "recognised", folder=folder)
    return ("wrong", why) if why else (verdict, "")


def _difference(before: list[TrialRecord], after: list[TrialRecord], *, is_repaired: bool, folder: StudyFolder) -> str:
    """Return what is wrong with trials, or nothing: told ones must be as they were, and so must the front."""
    now = {record.trial: record for record in after}
    lost = [was.trial for was in before if was.state in TOLD and not _is_same(now.get(was.trial), was)]
    if lost:
        return f"told trials {lost} are lost"
    if not is_repaired and not all(_is_same(now.get(was.trial), was) for was in before):
        return "a trial that runs is another one"
    objectives = StudySpec.stored(folder.spec).objectives
    fronts = [{record.trial for record in pareto_front(records, objectives)} for records in (before, after)]
    return "" if fronts[0] == fronts[1] else f"the front was {fronts[0]} and is {fronts[1]}"


def _is_same(record: TrialRecord | None, was: TrialRecord) -> bool:
    names = ("state", "paradigm", "params", "seed", "metrics", "curve", "reason", "fidelity")
    return record is not None and all(getattr(record, name) == getattr(was, name) for name in names)


CheckpointChange = Callable[[Path, Path, random.Random], None]
"""Changes the first checkpoint, and may take from the second, which is another trial's."""


def _replace(mine: Path, other: Path, _: random.Random) -> None:
    shutil.rmtree(mine)
    shutil.copytree(other, mine)


def _forge(mine: Path, other: Path, chance: random.Random) -> None:
    _replace(mine, other, chance)
    seal(mine)  # as an early version would, without an owner


def _forge_hashes(mine: Path, other: Path, chance: random.Random) -> None:
    owner = owner_of(other)
    _replace(mine, other, chance)
    (mine / "number").write_text("forged", encoding="utf-8")
    seal(mine, owner)


def _exchange_file(mine: Path, other: Path, _: random.Random) -> None:
    shutil.copyfile(other / "number", mine / "number")


def _without_seal(mine: Path, other: Path, chance: random.Random) -> None:
    _replace(mine, other, chance)
    (mine / SEAL).unlink()


def _be_a_link(mine: Path, other: Path, _: random.Random) -> None:
    shutil.rmtree(mine)
    mine.symlink_to(other)


def _in_a_file(change: Bytes) -> CheckpointChange:
    def changed(mine: Path, _: Path, chance: random.Random) -> None:
        file = chance.choice([path for path in sorted(mine.rglob("*")) if path.is_file()])
        file.write_bytes(change(file.read_bytes(), chance))

    return changed


CHECKPOINTS: Final[dict[str, CheckpointChange]] = {
    "a checkpoint replaced by another trial's": _replace,
    "a file of a checkpoint exchanged": _exchange_file,
    "a bit of a checkpoint flipped": _in_a_file(_flip),
    "a checkpoint cut": _in_a_file(_cut),
    "another trial's checkpoint without a seal": _without_seal,
    "another trial's checkpoint, sealed for nobody": _forge,
    "a forged checkpoint, sealed for another trial": _forge_hashes,
    "a checkpoint that is a link": _be_a_link,
}


def _damage_checkpoint(folder: StudyFolder, change: CheckpointChange, chance: random.Random) -> tuple[Verdict, str]:
    mine, other = sorted(folder.trials.glob("*-faults/checkpoint_000000"))
    whole = _content(mine)
    change(mine, other, chance)
    with Ledger(folder, StudySpec.stored(folder.spec)) as driver:
        trial = Sweep(driver, Observers([])).next()
    if trial is None:
        return "wrong", "no trial is continued"
    if trial.checkpoint is None:
        return "recognised", ""
    return ("harmless", "") if _content(mine) == whole else ("wrong", f"continued from {mine.name}")


def _content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != SEAL)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def _link(store: Store, name: str) -> tuple[Verdict, str]:
    """Put a link to a harmless file elsewhere in place of a file or folder, and do what a driver does."""
    path, letter = store.root / name, store.root.with_name("elsewhere") / "letter"
    letter.parent.mkdir()
    letter.write_text("dear ...", encoding="utf-8")
    target = letter.parent if path.is_dir() else letter
    path.rename(store.root.with_name("aside"))
    path.symlink_to(target)
    verdict: Verdict = "harmless"
    try:
        folder = store.study("faults")
        with Ledger(folder, StudySpec.stored(folder.spec)) as driver:
            Sweep(driver, Observers([])).next()
            kept = [checkpoint for record in driver.records() for checkpoint in driver.checkpoints(record.trial)]
            trial_files(folder).tidy(kept, driver.asked)
    except InvalidValue:
        verdict = "recognised"
    except TRACEBACKS as trouble:
        return "wrong", f"{name}: {trouble!r}"
    untouched = letter.read_text(encoding="utf-8") == "dear ..." and list(letter.parent.iterdir()) == [letter]
    return (verdict, "") if untouched else ("wrong", f"{name}: what lies elsewhere was changed")


def _elsewhere(store: Store, before: list[TrialRecord], *, is_copy: bool) -> tuple[Verdict, str]:
    there = store.root.with_name("there")
    (shutil.copytree if is_copy else shutil.move)(store.root, there)
    old = _content(store.root) if is_copy else {}
    folder = Store(there).study("faults")
    with Ledger(folder, StudySpec.stored(folder.spec)) as driver:
        trial = Sweep(driver, Observers([])).next()
        records = driver.records()
    if trial is None or trial.checkpoint is None or not folder.checkpoint(trial.checkpoint).is_dir():
        return "wrong", "what was interrupted is not continued from its checkpoint"
    if _content(store.root) != old:
        return "wrong", "the old place was written"
    why = _difference(before, records, is_repaired=False, folder=folder)
    return ("wrong", why) if why else ("harmless", "")
