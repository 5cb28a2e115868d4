"""A study file as flat settings, to compare two of them."""

from typing import Any, Final

from orchestrator.spec.study_spec import StudySpec

WHEREABOUTS: Final = (
    "data.root",
    "data.download",
    "ledger",
    "tracking",
    "training.shared_dense",
    "training.capture",
    "training.compile",
)
"""Settings that say where things lie or what is done once, and have no effect on results."""


def settings(spec: StudySpec) -> dict[str, Any]:
    """Return all settings of a study but WHEREABOUTS, by dotted key; a paradigm with its choices is one value."""
    plain = spec.model_dump(mode="json")
    flat = {
        key if below is None else f"{key}.{below}": value
        for key, section in plain.items()
        for below, value in (section.items() if isinstance(section, dict) else [(None, section)])
    }
    return {key: value for key, value in flat.items() if key not in WHEREABOUTS}
