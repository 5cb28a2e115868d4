"""Give the validator study files that somebody got wrong, and the command line commands that make no sense.

    python benchmarks/fuzz.py [--mutants 5000] [--commands 100] [--seed 0]

Mutants are made of the files in `studies/`: of their text (bytes, lines) and of what they say (values, keys, nesting).
Each is accepted, or refused with problems of which each names a key, a line, or the file as a whole. Commands run in
processes of their own, in an empty folder that must stay empty, and end with status 0, 1 or 2 without a traceback.
Ends with status 1 if anything else happens.
"""

import argparse
import random
import re
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_spec import StudySpec

STUDIES = Path(__file__).parent.parent / "studies"

NASTY: tuple[Any, ...] = (
    None,
    True,
    "",
    " ",
    "yes",
    "1:30",
    "010",
    "1_000",
    "0b11",
    "../x",
    "\x1b[31m",
    "é",
    "<<",
    "0x",
    -1,
    0,
    0.0,
    -0.0,
    1,
    1e-300,
    1e308,
    float("inf"),
    float("nan"),
    10**9,
    10**17,
    [],
    [[]],
    [0, 0.0],
    [None],
    {},
    {"low": 1},
    {"low": 2, "high": 1},
    {"low": 0, "high": 1, "log": True},
    {"a": {"b": {"c": [1]}}},
    "x" * 3000,
)
"""Values to stand where others stood."""

SNIPPETS = (
    "!!int abc",
    "!!python/object:os.system x",
    "*a",
    "&a [*a]",
    "<<: {a: 1}",
    "? x",
    "- - - -",
    "9" * 500,
    "1e999",
    ".nan",
    "%YAML 9.9",
    "---",
    "\x00",
    "\ufeff",
    '"\\ud800"',
    '"\\UFFFFFFFF"',
    "|+2",
    "[" * 60,
    "{a: " * 60,
    "\t",
    ": ",
    "? [a, b]",
    "'",
    '"',
    "#",
    ">= 0.8",
)
"""Text to put in anywhere."""

WHOLE_FILE = re.compile(r"line \d+|position \d+|is not a study|is not text|aliases|is not YAML")


@dataclass
class Tally:
    """How many were tried, what came of them, and what should not have happened, with its cause."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def mutants(count: int, seed: int) -> Iterator[bytes]:
    """Give that many study files that are wrong in one to three places."""
    dice = random.Random(seed)
    texts = [path.read_text(encoding="utf-8") for path in sorted(STUDIES.glob("*.yaml"))]
    for _ in range(count):
        text = dice.choice(texts)
        content = _of_values(dice, text) if dice.random() < 0.6 else text.encode()
        for _ in range(dice.randrange(0 if content != text.encode() else 1, 3)):
            content = dice.choice(_TEXTUAL)(dice, content)
        yield content


def _of_values(dice: random.Random, text: str) -> bytes:
    """Return a file that says something else in one to three places."""
    plain = yaml.safe_load(text)
    for _ in range(dice.randint(1, 3)):
        parent, key = dice.choice(list(_places(plain)))
        dice.choice(_CHANGES)(dice, parent, key)
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def _replace(dice: random.Random, parent: Any, key: Any) -> None:
    parent[key] = dice.choice(NASTY)


def _remove(_: random.Random, parent: Any, key: Any) -> None:
    del parent[key]


def _rename(dice: random.Random, parent: Any, key: Any) -> None:
    if isinstance(parent, dict):
        name = str(key)
        place = dice.randrange(len(name) + 1)
        parent[name[:place] + dice.choice("xyz_.[]:") + name[place + dice.randrange(2) :]] = parent.pop(key)


def _nest(dice: random.Random, parent: Any, key: Any) -> None:
    parent[key] = dice.choice([[parent[key]], {"low": parent[key], "high": parent[key]}, {str(key): parent[key]}])


def _scale(dice: random.Random, parent: Any, key: Any) -> None:
    if isinstance(parent[key], int | float):
        parent[key] = parent[key] * dice.choice([-1, 0, 0.5, 10, 1000, 10**6, 10**12])


_CHANGES: Sequence[Callable[[random.Random, Any, Any], None]] = (_replace, _replace, _remove, _rename, _nest, _scale)


def _flip(dice: random.Random, content: bytes) -> bytes:
    place = dice.randrange(max(1, len(content)))
    return content[:place] + bytes([dice.randrange(256)]) + content[place + 1 :]


def _insert(dice: random.Random, content: bytes) -> bytes:
    place = dice.randrange(len(content) + 1)
    return content[:place] + dice.choice(SNIPPETS).encode("utf-8", "surrogatepass") + content[place:]


def _cut(dice: random.Random, content: bytes) -> bytes:
    first, last = sorted(dice.randrange(len(content) + 1) for _ in range(2))
    return content[:first] + content[min(last, first + 40) :]


def _double(dice: random.Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    if lines:
        lines.insert(dice.randrange(len(lines)), dice.choice(lines))
    return b"".join(lines)


def _shorten(dice: random.Random, content: bytes) -> bytes:
    return content[: dice.randrange(len(content) + 1)]


_TEXTUAL: Sequence[Callable[[random.Random, bytes], bytes]] = (_flip, _insert, _cut, _double, _shorten)


def validate(contents: Iterator[bytes], folder: Path) -> Tally:
    """Read each file as `espalier plan` would, and note what should not have happened."""
    tally, path = Tally(), folder / "study.yaml"
    for content in contents:
        path.write_bytes(content)
        try:
            StudySpec.load(path)
            tally.outcomes["accepted"] += 1
        except StudyError as error:
            tally.outcomes["refused"] += 1
            tally.wrong += [
                f"no key: {problem}" for problem in error.problems if not _is_placed(str(problem), problem.key)
            ]
        except Exception:  # noqa: BLE001 - whatever else is raised is what is looked for
            tally.outcomes["traceback"] += 1
            tally.wrong.append(f"{content!r}\n{traceback.format_exc()}")
    return tally


def _is_placed(text: str, key: str) -> bool:
    return (bool(key) or bool(WHOLE_FILE.search(text))) and "pydantic" not in text and text.isprintable()


def commands(count: int, seed: int) -> Iterator[list[str]]:
    """Give that many command lines, most of which make no sense; none of them starts a study."""
    dice = random.Random(seed)
    verbs = (
        "status",
        "front",
        "logs",
        "compare",
        "report",
        "sync",
        "resume",
        "paradigms",
        "plan",
        "launch",
        "extend",
        "x",
    )
    words = (
        "nothing",
        "..",
        "",
        "a b",
        "\x1b[31m",
        "x" * 300,
        "-1",
        "9" * 30,
        "/",
        "/dev/null",
        "é",
        "study.yaml",
        ".",
    )
    options = ("--json", "--quiet", "--store", "--setup", "--output", "--help", "--address", "--no-probe", "--nonsense")
    for _ in range(count):
        yield [
            *dice.choices(options, k=dice.randrange(4) == 0),
            dice.choice(verbs),
            *dice.choices([*words, *options], k=dice.randrange(5)),
        ]


def run(lines: Iterator[list[str]], folder: Path) -> Tally:
    """Run each command line in an empty folder, and note what should not have happened."""
    tally = Tally()
    program = [sys.executable, "-c", "from orchestrator.cli import main; main()"]
    for line in lines:
        done = subprocess.run([*program, *line], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        tally.outcomes[f"status {done.returncode}"] += 1
        if done.returncode not in (0, 1, 2) or "Traceback" in done.stderr:
            tally.wrong.append(f"{line!r}: status {done.returncode}\n{done.stderr[-2000:]}")
        if left := [path.name for path in folder.iterdir()]:
            tally.wrong.append(f"{line!r}: wrote {left}")
            break
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=5000)
    parser.add_argument("--commands", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as empty:
        tallies = {
            "study files": validate(mutants(asked.mutants, asked.seed), Path(folder)),
            "command lines": run(commands(asked.commands, asked.seed), Path(empty)),
        }
    for what, tally in tallies.items():
        counted = ", ".join(f"{number} {outcome}" for outcome, number in sorted(tally.outcomes.items()))
        print(f"{what}: {tally.outcomes.total()} tried, {counted}, {len(tally.wrong)} wrong")
        print(*tally.wrong[:20], sep="\n")
    sys.exit(any(tally.wrong for tally in tallies.values()))


if __name__ == "__main__":
    main()
