#!/usr/bin/env bash
# A property test of Hypothesis leaves a function behind that Python calls at each later collection of garbage.
#
# Good guess: once a test with @given has ended, nothing of Hypothesis runs in the other tests of the process. Seen: its
# callback stays in gc.callbacks, so that each collection calls it twice, when it begins and when it ends, and it calls
# the clock. Whoever counts the calls of a piece of code with sys.setprofile, as a test that a step costs the same early
# and late, finds two more functions whenever a collection happens to fall into one of the two; without a property test
# before it in the same process, none. espalier's tests count with the collector off. Hypothesis 6.170.15.
# Exits with 1 if it changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet hypothesis==6.170.15
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import gc
import sys

from hypothesis import given
from hypothesis import strategies as st


def collected() -> list[str]:
    """Return which Python functions run while garbage is collected."""
    called = []
    sys.setprofile(lambda frame, event, _: called.append(frame.f_code.co_name) if event == "call" else None)
    gc.collect()
    sys.setprofile(None)
    return called


@given(st.integers())
def holds(number: int) -> None:
    assert number == number


before = collected()
holds()
after = collected()
print("hypothesis 6.170.15; Python functions that run at a collection of garbage")
print("guess: [] before a property test, [] after it has ended")
print(f"seen:  {before} before a property test, {after} after it has ended")
sys.exit(0 if not before and len(after) == 2 else 1)
PYTHON
