#!/usr/bin/env bash
# A process that compiles many networks of one class stops compiling after the eighth, with a line in its log.
#
# Guess: torch.compile compiles each network it is given. Seen: all networks of a class share the code of its forward
# method, of which torch keeps eight variants; from the ninth network on it runs as it is written, or with
# fullgraph=True raises FailOnRecompileLimitHit, which is no RuntimeError. torch.compiler.reset() before each helps.
#
# Exits with 0 as long as that is so, with 1 once it has changed. Needs no network but for the packages.
set -eu
folder=$(mktemp -d /tmp/finding-XXXXXX)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "torch==2.13.0" numpy
OMP_NUM_THREADS=1 HOME="$folder" "$folder/env/bin/python" - <<'PYTHON'
import logging
import sys

import torch
from torch import nn

logging.disable(logging.WARNING)
print("torch", torch.__version__)
NETWORKS = 12


class Network(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, width), nn.Linear(width, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(inputs).relu())


def compiled(**options: object) -> tuple[int, str]:
    """Return how many networks are compiled, and the error that the next one raises, if it does."""
    count = 0

    def backend(graph: torch.fx.GraphModule, _: list[torch.Tensor]) -> object:
        nonlocal count
        count += 1
        return graph.forward

    torch.compiler.reset()
    for width in range(2, 2 + NETWORKS):
        try:
            torch.compile(Network(width), backend=backend, dynamic=False, **options)(torch.ones(2, 4))
        except Exception as error:
            kind = type(error)
            return count, f", then {kind.__name__}, a RuntimeError: {issubclass(kind, RuntimeError)}"
    return count, ""


print(f"guess: {NETWORKS} of {NETWORKS}")
seen = compiled(), compiled(fullgraph=True)
print(f"seen:  {seen[0][0]}{seen[0][1]}; with fullgraph=True {seen[1][0]}{seen[1][1]}")
sys.exit(int([count for count, _ in seen] != [8, 8]))
PYTHON
echo "as seen before"
