"""All that is wrong in a study file, not only what a first check finds."""

import copy
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from orchestrator.spec.spec_errors import Problem


def all_problems(
    plain: Mapping[str, Any],
    first: Sequence[Problem],
    check: Callable[[Mapping[str, Any]], Sequence[Problem]],
    keys: Sequence[str],
) -> list[Problem]:
    """Return the `first` problems and those behind them: refused values are removed and the rest is checked again.

    They are in the order of a study's `keys`.
    """
    problems: dict[str, Problem] = {}
    news: Sequence[Problem] = first
    while news:
        problems |= {problem.key: problem for problem in news}
        plain = without(plain, [problem.key for problem in news])
        left = [problem for problem in check(plain) if not any(_within(known, problem.key) for known in problems)]
        news = [problem for problem in left if not _follows(problem.key, problems)]
    order = {name: index for index, name in enumerate(keys)}
    return sorted(problems.values(), key=lambda each: order.get(re.split(r"[.\[]", each.key)[0], len(order)))


def _follows(key: str, refused: Iterable[str]) -> bool:
    """Return whether a problem is there only because a refused value was removed: weights, or what a metric needs."""
    removed = tuple(refused)
    unweighted = key.endswith(".pretrain") and any(one.endswith(".weights") for one in removed)
    unmeasured = "task" in removed or any(one.partition(".")[0] == "evaluation" for one in removed)
    return unweighted or (key.startswith(("objectives.", "constraints.")) and unmeasured)


def _within(key: str, ancestor: str) -> bool:
    return key == ancestor or key.startswith((f"{ancestor}.", f"{ancestor}["))


def without(plain: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Any]:
    """Return a mapping without some keys, given as paths."""
    left = copy.deepcopy(dict(plain))
    for key in keys:
        *parents, last = re.sub(r"\[.*", "", key).split(".")
        section: Any = left
        for parent in parents:
            section = section.get(parent) if isinstance(section, dict) else None
        if isinstance(section, dict):
            section.pop(last, None)
    return left
