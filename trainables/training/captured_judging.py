"""Evaluates full batches by replaying what was captured of one."""

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from torch import Tensor

from trainables import parallel
from trainables.training.capture import Course, Turn
from trainables.training.judging import Judge
from trainables.training.recorder import Recorder, Replay

LOG = logging.getLogger(__name__)

Judged = tuple[Tensor, Tensor]
"""Logits, and sums over the batch."""


@dataclass(frozen=True)
class _Captured:
    """What judges the batch in the slots `inputs` and `labels`, and where its results are."""

    inputs: Tensor
    labels: Tensor
    replay: Replay
    results: list[Judged]

    def judge(self, inputs: Tensor, labels: Tensor) -> Judged:
        self.inputs.copy_(inputs)
        self.labels.copy_(labels)
        self.replay()
        logits, sums = self.results[-1]
        return logits.clone(), sums.clone()


class CapturedJudging:
    """Lets a network be judged by replays, one after another, while a stage trains it.

    `depends_on` gives what equals itself as long as the network consists of the same operations on its tensors.
    """

    def __init__(self, recorder: Recorder, depends_on: Callable[[], Hashable]) -> None:
        self._recorder, self._depends_on = recorder, depends_on
        self._course, self._most = Course(), 0
        self._captured: _Captured | None = None
        self._said = False

    def __call__(self, judge: Judge, inputs: Tensor, labels: Tensor) -> Judged:
        """Judge a batch: by a replay if it is as large as any before."""
        self._most = max(self._most, len(inputs))
        if len(inputs) < self._most or parallel.size() > 1:
            return judge(inputs, labels)
        turn = self._course.turn(inputs.shape, (self._depends_on(), judge.addresses()))
        if turn is Turn.CAPTURE:
            self._capture(judge, inputs, labels)
        if turn is Turn.WARM_UP:
            return self._recorder.warm_up(lambda: judge(inputs, labels))
        if self._captured is None or self._course.refusal is not None:
            self._say()
            return judge(inputs, labels)
        return self._captured.judge(inputs, labels)

    def _say(self) -> None:
        if not self._said:
            LOG.info("evaluations run one operation at a time: %s", self._course.refusal)
            self._said = True

    def _capture(self, judge: Judge, inputs: Tensor, labels: Tensor) -> None:
        self._captured = None
        slots, results = (inputs.clone(), labels.clone()), list[Judged]()
        try:
            replay = self._recorder.record(lambda: results.append(judge(*slots)))
        except RuntimeError as error:
            LOG.warning("evaluations are not captured: %s", str(error).partition("\n")[0])
            self._course.refuse("capturing one failed")
        else:
            self._captured = _Captured(*slots, replay, results)
