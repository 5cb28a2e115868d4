"""Evaluation in pieces: the same rows as in one process, in any order."""

import pickle
from collections.abc import Callable, Iterator, Sequence

import pytest

from orchestrator.evaluation.evaluating import Evaluated, evaluate
from orchestrator.evaluation.tasks import Measured, Task
from orchestrator.evaluation.wanted import Wanted
from orchestrator.store.evaluations import Evaluations
from orchestrator.store.store import StudyFolder

FOG = Wanted(kinds=("fog",), severities=(5,), noise=(0.2,))


class Backwards:
    """Carries tasks out from the last to the first, as another process would get them; stops after some."""

    def __init__(self, most: int = 100) -> None:
        self.tasks: list[Task] = []
        self._most = most

    def __call__(self, work: Callable[[Task], Measured], tasks: Sequence[Task]) -> Iterator[tuple[Task, Measured]]:
        self.tasks = list(tasks)
        for task in tasks[: -1 - self._most : -1]:
            copy = pickle.loads(pickle.dumps(task))
            yield copy, work(copy)
        if self._most < len(tasks):
            raise KeyboardInterrupt


def measure(study: StudyFolder, spread: Backwards | None) -> Evaluated:
    return evaluate(study, study.path / "cache", FOG, lambda *_: None, device="cpu", images=40, spread=spread)


def test_other_processes_may_have_a_device_that_this_one_lacks(study: StudyFolder) -> None:
    lacking = Backwards(most=0)
    with pytest.raises(KeyboardInterrupt):
        evaluate(study, study.path / "cache", FOG, lambda *_: None, device="cuda:99", spread=lacking)
    assert {task.device for task in lacking.tasks} == {"cuda:99"}


def test_rows_are_those_of_one_process_in_any_order(study: StudyFolder) -> None:
    spread = Backwards()
    assert measure(study, spread).measured == 9
    assert [task.condition.name for task in spread.tasks] == ["clean", "fog_5", "noise_0.2"]
    assert all(len(task.networks) == 3 for task in spread.tasks)
    rows = {trial: Evaluations(study).rows(trial) for trial in range(3)}
    for path in study.path.glob("evaluations/*.json"):
        path.unlink()
    assert measure(study, None).measured == 9
    assert {trial: Evaluations(study).rows(trial) for trial in range(3)} == rows


def test_what_was_done_before_an_interruption_is_kept(study: StudyFolder) -> None:
    with pytest.raises(KeyboardInterrupt):
        measure(study, Backwards(most=1))
    again = Backwards()
    assert (measure(study, again).measured, len(again.tasks)) == (6, 2)
