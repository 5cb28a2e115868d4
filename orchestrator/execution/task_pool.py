"""Work in pieces on the connected Ray, as many at once as its workers hold."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from orchestrator.spec.sections import Resources

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def in_parallel(
    work: Callable[[Piece], Result], pieces: Sequence[Piece], resources: Resources
) -> Iterator[tuple[Piece, Result]]:
    """Yield each piece with what `work` returned for it, as soon as it is done, each on one worker's resources.

    A piece whose process or node was lost is carried out again. An error that `work` raises is raised here; what is
    left is cancelled then, and also where the caller stops.
    """
    import ray

    remote = ray.remote(num_cpus=resources.cpus, num_gpus=resources.share, max_retries=3)(work)
    running = {remote.remote(piece): piece for piece in pieces}
    try:
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            piece = running.pop(done)
            try:
                result = ray.get(done)
            except ray.exceptions.RayTaskError as failed:
                raise failed.cause from failed  # alone it would read as the worker's traceback
            yield piece, result
    finally:
        for reference in running:
            ray.cancel(reference, force=True)
