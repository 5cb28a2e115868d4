"""Records what a GPU is asked to do, and lets it do so again without Python: CUDA graphs.

It has not been run on a GPU yet. What is recorded, and when, is decided elsewhere and tested on a CPU.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from weakref import WeakSet

import torch

from trainables.spec import Capture
from trainables.training.capture import is_wanted
from trainables.training.captured import CapturedSteps
from trainables.training.captured_judging import CapturedJudging
from trainables.training.judging import Judging, judged_plainly
from trainables.training.recorder import Recorder, Result
from trainables.training.step import Steps, plainly


class CudaGraphs(Recorder):
    """Graphs of one trial, which share a pool of memory: they never run at the same time.

    The pool belongs to torch's allocator, so that a share of the GPU's memory limits it too. torch itself moves its
    random numbers on from one replay to the next.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()
        self._graphs: WeakSet[torch.cuda.CUDAGraph] = WeakSet()

    def warm_up(self, run: Callable[[], Result]) -> Result:
        """Run on the stream on which recordings are made, as torch asks for, in order with the present stream."""
        present = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(present)
        with torch.cuda.stream(self._stream):
            result = run()
        present.wait_stream(self._stream)
        return result

    def record(self, run: Callable[[], None]) -> Callable[[], None]:
        """Record what `run` asks of the GPU, which does nothing of it yet.

        Other threads may use CUDA meanwhile: the one that measures usage asks a stream whether it is busy.
        """
        if not self._graphs:  # a pool whose graphs are gone, but not all of its tensors, takes no new graph
            self._pool = torch.cuda.graph_pool_handle()
        graph, present = torch.cuda.CUDAGraph(), torch.cuda.current_stream(self._stream.device)
        try:
            with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                run()
        except (RuntimeError, TypeError):
            self._pool = torch.cuda.graph_pool_handle()  # the allocator may take the old one for still being recorded
            graph.reset()
            raise
        finally:
            torch.cuda.set_stream(present)  # torch leaves its stream behind where a recording fails
        self._graphs.add(graph)
        return graph.replay


@dataclass(frozen=True)
class Runs:
    """How the steps and the evaluations of a stage are run."""

    steps: Steps = plainly
    judging: Judging = judged_plainly


def runs_on(
    device: str | torch.device,
    mode: Capture,
    masks: Callable[[], Hashable] = lambda: None,
    companion: Callable[[], Hashable] = lambda: None,
) -> Runs:
    """Return how a stage is run on a device; by captures, which share their memory, where that is wanted.

    `masks` and `companion` give their patterns: what equals itself as long as a capture holds.
    """
    placed = torch.device(device)
    if not is_wanted(mode, placed.type):
        return Runs()
    graphs = CudaGraphs(placed)
    return Runs(CapturedSteps(graphs, masks), CapturedJudging(graphs, lambda: (masks(), companion())))
