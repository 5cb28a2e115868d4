"""How runs in MLflow show where a study and its trials stand: as tags and as metrics.

`on_front` marks the members of the study's front. Where the study asks for several seeds these are the first trials of
configurations, whose runs also have the means (`mean/accuracy`, and so on) and the number of `seeds`;
`on_front_of_single_trials` marks the front of single trials, and `configuration` names a trial's configuration.
"""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from math import isfinite
from typing import Final

from mlflow.entities import Metric

from orchestrator.ledger.records import TrialRecord
from orchestrator.ledger.standings import MeanStandings, Standings
from orchestrator.results.front import hypervolume_over_trials, in_order_told
from orchestrator.tracking.run_contents import key, milliseconds
from orchestrator.tracking.saved_views import CONFIGURATION, MEAN, OF_SINGLE_TRIALS, ON_FRONT, SEEDS
from orchestrator.tracking.steps import TrackedStudy

MARKS: Final = (ON_FRONT, OF_SINGLE_TRIALS, CONFIGURATION)


def marks(standings: Standings, trial: int) -> dict[str, str]:
    """Return the tags that show where a trial stands."""
    by_mean = standings.by_mean or MeanStandings()
    fronts = {ON_FRONT: standings.members, OF_SINGLE_TRIALS: by_mean.single}
    configuration = {CONFIGURATION: str(by_mean.first[trial])} if trial in by_mean.first else {}
    return {**{name: "true" for name, members in fronts.items() if trial in members}, **configuration}


def marks_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return those of a run's tags that `marks` gives."""
    return {name: tags[name] for name in MARKS if name in tags}


def means_of(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return those of a run's metrics that `mean_metrics` gives."""
    return {name: value for name, value in metrics.items() if name == SEEDS or name.startswith(MEAN)}


def mean_metrics(
    standings: Standings, records: Sequence[TrialRecord], shown: Container[int]
) -> dict[int, list[Metric]]:
    """Return the means as metrics, by first trial, of configurations on the front or with several seeds.

    Those of trials that have been `shown` follow, whatever has become of their configurations. The step is the number
    of seeds and the time that of the last of them, so that MLflow shows the newest means.
    """
    by_mean, last = standings.by_mean or MeanStandings(), dict[int, int]()
    for record in records:
        if (first := by_mean.first.get(record.trial)) is not None:
            last[first] = max(last.get(first, 0), milliseconds(record.finished) or 0)
    return {
        first: [Metric(key(name), value, last[first], seeds) for name, value in _averages(by_mean, first)]
        for first, seeds in by_mean.seeds.items()
        if seeds > 1 or first in standings.members or first in shown
    }


def must_go(shown: Mapping[str, float], wanted: Sequence[Metric]) -> bool:
    """Return whether means that a run shows stay there if others are logged.

    MLflow shows each metric's value of the highest step, the most seeds, and does not forget one that is not logged.
    """
    seeds = next((metric.value for metric in wanted if metric.key == SEEDS), 0.0)
    lacking = shown.keys() - {metric.key for metric in wanted}
    return bool(shown) and (bool(lacking) or shown.get(SEEDS, seeds) >= seeds)


def _averages(by_mean: MeanStandings, first: int) -> Iterator[tuple[str, float]]:
    yield SEEDS, by_mean.seeds[first]
    for name, mean in by_mean.means[first].items():
        if isfinite(mean):  # MLflow gives back others changed
            yield f"{MEAN}{name}", mean


def study_metrics(study: TrackedStudy, records: list[TrialRecord], members: int) -> tuple[list[Metric], list[Metric]]:
    """Return the hypervolume after each finished trial, and the numbers of trials by state and of members."""
    told = in_order_told(records)
    volumes = hypervolume_over_trials(told, study.objectives)
    times = [milliseconds(record.finished) or 0 for record in told]
    rising = [Metric("hypervolume", v, t, n) for n, (v, t) in enumerate(zip(volumes, times, strict=True), start=1)]
    counts = Counter(f"trials_{record.state.value.lower()}" for record in told) | Counter(front_members=members)
    return rising, [Metric(name, float(count), max(times, default=0), 0) for name, count in counts.items()]
