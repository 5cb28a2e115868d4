"""What is known of the costs of a study's configurations before any is trained, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from orchestrator.results import quantities
from orchestrator.search.configurations import Configurations
from orchestrator.search.expected_costs import ExpectedCosts, Placed, unplaced
from orchestrator.search.initial_design import at_random
from orchestrator.spec.study_spec import StudySpec
from trainables.bounds import Bounds
from trainables.metrics import COSTS, short

CONFIGURATIONS: Final = 20
"""From how many random configurations of a paradigm the range of its costs is taken."""


def cost_lines(spec: StudySpec, placed: Placed = unplaced) -> tuple[str, ...]:
    """Return a line for each paradigm of which a cost that the study measures is known before training."""
    configurations = Configurations(spec, ExpectedCosts(spec, placed))
    return tuple(line for paradigm in spec.paradigms for line in _lines(configurations, paradigm))


def _lines(configurations: Configurations, paradigm: str) -> Iterator[str]:
    drawn = at_random(configurations, paradigm, CONFIGURATIONS)
    expected = [configurations.expected_costs(paradigm, params, roughly=True) for params in drawn]
    named = {*configurations.spec.objectives, *configurations.spec.constraints}
    ranges = [text for name in COSTS if name in named and (text := _range(name, expected))]
    if ranges:
        broken = sum(configurations.breach(paradigm, params) is not None for params in drawn) / len(drawn)
        refused = (
            f"; {broken:.0%} of its configurations surely break a constraint and are not trained" if broken else ""
        )
        yield f"{paradigm}: {', '.join(ranges)}{refused}"


def _range(name: str, expected: Sequence[Mapping[str, Bounds]]) -> str:
    """Return from where to where a cost of random configurations lies; empty unless it is known of all of them."""
    known = [costs[name] for costs in expected if name in costs]
    if not known or len(known) < len(expected):
        return ""
    low, high = min(bounds.low for bounds in known), max(bounds.high for bounds in known)
    ends = dict.fromkeys((quantities.number(low), quantities.number(high)))
    return f"{short(name)} {' to '.join(ends)}"
