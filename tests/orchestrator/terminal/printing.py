"""What the terminal shows, as text."""

import io
from typing import Any

from rich.console import Console, RenderableType

from orchestrator.spec.study_spec import StudySpec
from tests.orchestrator import small
from tests.orchestrator.example import OBJECTIVES


def study(**changes: Any) -> StudySpec:
    searched = {"dense": {}, "magnitude": {"scope": "global"}, "lottery_ticket": {}}
    return small.study(**{"trials": 12, "objectives": OBJECTIVES, "paradigms": searched, **changes})


SPEC = study()


def printed(shown: RenderableType, width: int = 250) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def lines_of(shown: RenderableType) -> list[str]:
    return [line.rstrip() for line in printed(shown).splitlines()]
