"""The proof that each line of a journal carries: it is unchanged, and follows the line before it.

A line is JSON as Optuna writes it, with one more key at the end, which Optuna's own reader ignores:

    "proof":"LINES TRIALS BEFORE DIGEST"

the number of the line, the number of trials asked so far, the digest of the previous line, and the digest of this line,
which covers all of these. The first three reveal lines that are missing, doubled or foreign, the last one reveals
changed bytes. Lines written before espalier had proofs have none; the first proof covers them all.
"""

import json
import os
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from orchestrator.safe_files import open_file, write_whole
from trainables.errors import InvalidValue, RequestRefused

_KEY: Final = b',"proof":"'
_END: Final = b'"}'
_CREATE_TRIAL: Final = b'{"op_code":4,'
"""The beginning of a line that creates a trial: Optuna numbers trials by the order of these lines."""
_BYTES: Final = 6
_LONGEST_COUNT: Final = 18
"""Digits of a number of lines or trials. Python refuses to read numbers of thousands of digits."""


class LedgerDamaged(RequestRefused):
    """A ledger is not as it was written."""

    def __init__(self, where: str, what: str, command: str) -> None:
        super().__init__(f"{where}: {what}; `{command}` shows what can be saved; it changes nothing without --yes")
        self.where, self.what, self.command = where, what, command

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        return type(self), (self.where, self.what, self.command)


class Damage(RequestRefused):
    """A line is damaged, or the whole journal if `line` is None."""

    def __init__(self, line: int | None, what: str) -> None:
        super().__init__(what if line is None else f"line {line} {what}")


@dataclass(frozen=True)
class Origin:
    """The location of a journal, in words for people, and its study and store."""

    where: str
    study: str
    store: str

    def damaged(self, what: str) -> LedgerDamaged:
        """Return the error that refuses the journal, with the command that repairs it."""
        return LedgerDamaged(self.where, what, shlex.join(["espalier", "repair", self.study, "--store", self.store]))


class Position(NamedTuple):
    """The length of a journal: its lines, the trials asked in them, and the digest of the last line."""

    lines: int = 0
    trials: int = 0
    digest: str = "0" * (2 * _BYTES)

    def after(self, body: bytes) -> "Position":
        """Return the position after one more line, given without its proof and its closing brace."""
        lines, trials = self.lines + 1, self.trials + body.startswith(_CREATE_TRIAL)
        covered = b"%d %d %s %s" % (lines, trials, self.digest.encode(), body)
        return Position(lines, trials, blake2b(covered, digest_size=_BYTES).hexdigest())

    def sign(self, body: bytes) -> tuple[bytes, "Position"]:
        """Return a line with its proof, and the position after it; `body` is JSON as Optuna writes it."""
        open_end = body.removesuffix(b"}")
        now = self.after(open_end)
        proof = f"{now.lines} {now.trials} {self.digest} {now.digest}".encode()
        return b"%s%s%s%s" % (open_end, _KEY, proof, _END), now

    def follow(self, line: bytes, *, proven: bool) -> "Position":
        """Return the position after a line; raises Damage if it does not follow, or lacks a proof and is `proven`."""
        cut = line.rfind(_KEY)
        if cut < 0 or not line.endswith(_END):
            if proven:
                raise Damage(self.lines + 1, "has no proof, as lines before it have")
            return self.after(line)
        now = self.after(line[:cut])
        proof = f"{now.lines} {now.trials} {self.digest} {now.digest}".encode()
        if line[cut + len(_KEY) : -len(_END)] != proof:
            raise Damage(self.lines + 1, _difference(line, self))
        return now


class Stated(NamedTuple):
    """What the proof of an unchanged line states."""

    lines: int
    trials: int
    before: str
    digest: str

    @classmethod
    def of(cls, line: bytes) -> Self | None:
        """Return what a line states; None if it has no proof, or was changed."""
        body, key, proof = line.rpartition(_KEY)
        parts = proof.removesuffix(_END).split(b" ")
        if not key or not proof.endswith(_END) or len(parts) != 4 or not all(map(_is_count, parts[:2])):
            return None
        before, digest = (part.decode("ascii", "replace") for part in parts[2:])
        stated = cls(int(parts[0]), int(parts[1]), before, digest)
        asks = body.startswith(_CREATE_TRIAL)
        computed = Position(stated.lines - 1, stated.trials - asks, stated.before).after(body)
        return stated if computed.digest == stated.digest else None


def _is_count(digits: bytes) -> bool:
    return digits.isdigit() and len(digits) <= _LONGEST_COUNT


def is_proven(line: bytes) -> bool:
    """Return whether a line has a proof, right or wrong."""
    return _KEY in line and line.endswith(_END)


def unproven(line: bytes) -> bytes:
    """Return a line without its proof."""
    return line.rpartition(_KEY)[0] + b"}" if is_proven(line) else line


class Chain:
    """Follows the lines of a journal: first those that are read, then those that are written."""

    def __init__(self, witness: Position | None = None) -> None:
        self.at, self.proven_from_the_first = Position(), False
        self._witness, self._proven = witness, False

    def read(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Yield lines; raises Damage if one does not follow the other, or they end before the witnessed position."""
        for line in lines:
            now = self.at.follow(line, proven=self._proven)
            if not self._proven and is_proven(line):
                self._proven, self.proven_from_the_first = True, self.at.lines == 0
            self.at = now
            self._compare()
            yield line
        if self._witness is not None and self.at.lines < self._witness.lines:
            now, before = self.at, self._witness
            has = f"has {now.lines} lines and {now.trials} trials"
            raise Damage(None, f"{has}, and had {before.lines} lines and {before.trials} trials")

    def sign(self, body: bytes) -> bytes:
        """Return the next line, given without its proof."""
        self.proven_from_the_first |= self.at.lines == 0
        line, self.at = self.at.sign(body)
        self._proven = True
        return line

    def _compare(self) -> None:
        if self._witness is not None and self.at.lines == self._witness.lines and self.at != self._witness:
            raise Damage(self.at.lines, "is not the one that was written")


class Witness:
    """A small file beside a journal with the length that the journal had when it was last flushed to disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Position | None:
        """Return the position; None if the file is missing or cannot be understood."""
        try:
            with os.fdopen(open_file(self.path, os.O_RDONLY), "rb") as file:
                written: dict[str, Any] = json.loads(file.read())
            position = Position(written["lines"], written["trials"], written["digest"])
            return position if written["sum"] == _sum(position) else None
        except InvalidValue:  # a link
            raise
        except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def write(self, position: Position) -> None:
        """Write the position up to which a journal is on disk."""
        if position.lines:
            plain = {**position._asdict(), "sum": _sum(position)}
            write_whole(self.path, json.dumps(plain).encode() + b"\n", sync=False)


def _sum(position: Position) -> str:
    return blake2b(repr(tuple(position)).encode(), digest_size=_BYTES).hexdigest()


def _difference(line: bytes, before: Position) -> str:
    """Describe why a line does not follow."""
    stated = Stated.of(line)
    if stated is None:
        return "was changed"
    if stated.lines > before.lines + 1:
        return f"was line {stated.lines}: {stated.lines - 1 - before.lines} before it are missing"
    if stated.lines <= before.lines:
        return f"is line {stated.lines} again"
    return "follows another line than the one before it"
