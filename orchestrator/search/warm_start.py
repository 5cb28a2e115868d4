"""What a study's sampler learns from earlier studies of the same store."""

import logging
from collections.abc import Iterator
from dataclasses import replace

from orchestrator.ledger import ledger
from orchestrator.ledger.records import State
from orchestrator.results.front import Objectives
from orchestrator.search.sampler_view import Lesson, lesson
from orchestrator.spec.params import Params
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store, StudyFolder
from trainables.errors import InvalidValue

logger = logging.getLogger(__name__)

KEY = "search.warm_start"


def check(spec: StudySpec, store: Store) -> None:
    """Raise InvalidValue for an earlier study that does not exist or has other objectives."""
    for name in spec.search.warm_start:
        objectives = StudySpec.stored(store.existing(name, KEY, earlier_than=spec.name).spec).objectives
        if objectives != spec.objectives:
            here, there = _in_words(spec.objectives), _in_words(objectives)
            raise InvalidValue(KEY, name, f"has other objectives ({there}) than this study ({here}): leave it out")


def lessons(spec: StudySpec, folder: StudyFolder) -> Iterator[Lesson]:
    """Yield the lessons of earlier studies' COMPLETE trials, study by study as the spec names them.

    `folder` is that of the new study; the others lie beside it. A study deleted since the launch teaches nothing.
    """
    for name in spec.search.warm_start:
        earlier = folder.beside(name)
        if not earlier.spec.exists():
            logger.warning("%s: study %s is gone; the sampler continues without it", KEY, name)
            continue
        taught_by = StudySpec.stored(earlier.spec)
        for record in ledger.read(earlier):
            measured = record.metrics.keys() >= {*spec.objectives, *spec.constraints}
            params = Params.of(record.params).completed(taught_by.training, spec.search.training)
            known = replace(record, params=params.in_network(taught_by.networks[0].label).named)
            taught = lesson(spec, known) if record.state is State.COMPLETE and measured else None
            if taught is not None:
                yield taught


def _in_words(objectives: Objectives) -> str:
    return ", ".join(f"{direction} {name}" for name, direction in objectives.items())
