"""Results of papers on pruning, up to 2019, for the same network on the same data set.

They are theirs: read from papers, with the training, the base network and the test split of each. The table is derived
from the data behind "What is the State of Neural Network Pruning?" (Blalock et al. 2020, arXiv 2003.03033; ShrinkBench,
commit b244974); its notice is ``published_results.LICENSE``. A row has the change in top-1 accuracy in percentage
points, and how many times fewer parameters (``compression``) or operations (``speedup``, counted, not timed) are left.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

FIELDS: Final = {"macs": "speedup", "params": "compression"}
"""The columns that say how many times fewer of a cost are left."""

_NOT_IN_A_NAME: Final = re.compile(r"_bn$|[^a-z0-9]")


@dataclass(frozen=True, kw_only=True)
class PublishedResult:
    """A pruned network of a paper: its change in accuracy, as a share, and by how many times costs fell, if known."""

    paper: str
    year: int
    data: str
    network: str
    change: float
    folds: dict[str, float]

    @property
    def title(self) -> str:
        return f"{self.paper} ({self.year})"


def published_for(data: str, networks: Iterable[str]) -> list[PublishedResult]:
    """Return the results for the networks on the data, by the names that study files give them."""
    wanted, short = {_short(network) for network in networks}, _short(data)
    return [result for result in published() if _short(result.data) == short and _short(result.network) in wanted]


@cache
def published() -> tuple[PublishedResult, ...]:
    """Return all rows that tell a change in top-1 accuracy."""
    text = files("orchestrator.results").joinpath("published_results.csv").read_text(encoding="utf-8")
    return tuple(_results(csv.DictReader(text.splitlines())))


def _results(rows: Iterable[dict[str, str]]) -> Iterable[PublishedResult]:
    for row in rows:
        if row["delta_top1"]:
            yield PublishedResult(
                paper=row["paper"],
                year=int(row["year"]),
                data=row["dataset"],
                network=row["architecture"],
                change=float(row["delta_top1"]) / 100,
                folds={cost: float(row[column]) for cost, column in FIELDS.items() if row[column]},
            )


def _short(name: str) -> str:
    """Return a name as ``resnet56``: without its library, case and punctuation, or that it has batch normalisation."""
    return _NOT_IN_A_NAME.sub("", name.rpartition("/")[2].lower())
