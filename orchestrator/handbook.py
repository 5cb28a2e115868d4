"""Generate the page on all paradigms from their code: ``python -m orchestrator.handbook > docs/paradigms.md``."""

import inspect
from collections.abc import Iterator

from optuna.distributions import BaseDistribution, CategoricalDistribution

import search_spaces
from trainables import paradigms
from trainables.paradigms.base import HyperParameter, Paradigm

_INTRODUCTION = """\
# Paradigms

Written from the code by `make docs`; `espalier paradigms` prints the same as a table. A study names paradigms under
`paradigms:` and may fix or narrow each hyper-parameter; what it leaves out is searched where a search is given, and
has its default where none is. Densities and sparsities are shares of the unpruned network.
"""


def paradigms_page() -> str:
    """Return the Markdown page on every installed paradigm."""
    sections = (_section(name, paradigms.find(name)) for name in paradigms.names())
    return "\n".join([_INTRODUCTION, *sections])


def _section(name: str, paradigm: type[Paradigm]) -> str:
    subject = inspect.getdoc(inspect.getmodule(paradigm)) or ""
    axes = "; ".join(f"{axis}: {value}" for axis, value in paradigm.axes.items())
    parts = [f"## {name}", subject, inspect.getdoc(paradigm) or "", f"Axes: {axes}.", f"Source: {paradigm.source}."]
    rows = list(_rows(name, paradigm))
    if rows:
        parts.append(
            "\n".join(["| hyper-parameter | meaning | default | allowed | searched |", "|---|---|---|---|---|", *rows])
        )
    return "\n\n".join(parts) + "\n"


def _rows(name: str, paradigm: type[Paradigm]) -> Iterator[str]:
    default, space = paradigm(), search_spaces.find(name)
    for key, domain in paradigm.hyperparameters().items():
        dimension = space.get(key)
        searched = _searched(dimension.distribution) if dimension else "no"
        if dimension and (dimension.when or dimension.unless):
            conditions = [f"{k} is {' or '.join(map(_show, v))}" for k, v in dimension.when.items()]
            conditions += [f"{k} is not {' or '.join(map(_show, v))}" for k, v in dimension.unless.items()]
            searched += f" if {' and '.join(conditions)}"
        cells = (f"`{key}`", domain.doc, _show(getattr(default, key)), _allowed(domain), searched)
        yield "| " + " | ".join(cells) + " |"


def _allowed(domain: HyperParameter) -> str:
    return domain.allowed().removeprefix("must ").removeprefix("be ").removeprefix("lie ")


def _searched(distribution: BaseDistribution) -> str:
    if isinstance(distribution, CategoricalDistribution):
        return ", ".join(map(_show, distribution.choices))
    low, high, log = (getattr(distribution, key) for key in ("low", "high", "log"))
    return f"{_show(low)} to {_show(high)}" + (", logarithmic" if log else "")


def _show(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    print(paradigms_page(), end="")
