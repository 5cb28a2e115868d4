"""The sections of a study file that say how it is searched, how long, on what, and what happens to failures."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    field_validator,
    model_serializer,
    model_validator,
)

from orchestrator.spec import searched_training
from orchestrator.spec.choices import Choice, Strict
from orchestrator.spec.names import check_study_name
from orchestrator.spec.spec_errors import at, refuse
from trainables.errors import InvalidValue

MOST: Final = 1_000_000
"""The trials, epochs and hours that a study may have: more is a slip, for a million hours are a century."""
MOST_DEVICES: Final = 100_000
"""The workers, CPUs and GPUs that a trial may have."""


AUTO: Final = "auto"
"""The GPUs of a worker, as long as they are to be measured."""


def _word_or_number(gpus: object) -> str:
    return "<word>" if gpus == AUTO else "<number>"


def _no_other_word(gpus: object) -> object:
    if isinstance(gpus, str):
        raise InvalidValue("", gpus, "must be a number, without quotes, or auto")
    return gpus


class Search(Strict):
    """How configurations are chosen, and how many.

    `auto` is TPE; NSGA-II once TPE is too slow for the trials or the study is long; a Gaussian process for the first
    trials if they are expensive and only numbers are searched (`search.sampler_policy`).
    `known_cost` models only what is unknown: costs that follow from a configuration are computed (`search.known_cost`).
    `graph` learns from the layers of one network how good widths are (`search.graph_draws`).
    The sampler also learns from the COMPLETE trials of the studies in `warm_start`, which must be in the same store and
    have the same objectives. `training` searches hyper-parameters of training for all paradigms, instead of the values
    in the study's section `training`; `options` searches options of the network, or of those networks that take them.
    With `seeds` above 1 the last of the `trials` repeat what is on the front, or everything, with further seeds, until
    each configuration has so many (`search.replication`).
    """

    sampler: Literal["auto", "tpe", "nsga2", "gp", "random", "known_cost", "graph"] = "auto"
    trials: Annotated[int, Field(ge=1, le=MOST)] = 24
    seeds: Annotated[int, Field(ge=1, le=MOST)] = 1
    repeat: Literal["front", "all"] = "front"
    warm_start: list[str] = Field(default=[])
    training: dict[str, Choice] = Field(default={})
    options: dict[str, Choice] = Field(default={})

    @field_validator("warm_start")
    @classmethod
    def _are_safe_paths(cls, names: list[str]) -> list[str]:
        for name in names:
            at("", check_study_name, name)
        return names

    @field_validator("training")
    @classmethod
    def _can_be_searched(cls, searched: dict[str, Choice]) -> dict[str, Choice]:
        refuse(searched_training.check(searched))
        return searched

    @model_validator(mode="after")
    def _seeds_can_be_had(self) -> Self:
        if self.seeds > self.trials:
            raise InvalidValue("seeds", self.seeds, f"must be at most trials, {self.trials}: each seed is a trial")
        if self.seeds == 1 and self.repeat != "front":
            raise InvalidValue("repeat", self.repeat, "repeats nothing with one seed: set seeds, such as 5")
        return self


class Fidelity(Strict):
    """The training budget of a trial, and the epochs (rungs) at which hopeless trials are held back.

    The best 1/reduction of the trials at a rung continue, and so do trials that may still reach the front, judged by
    what finished trials gained from there (`search.prospects`). The others pause: they release their device, keep their
    checkpoints, and continue before any new trial starts once they are among the best of the trials at their rung.
    With `hopeless: stop` they are stopped for good.
    """

    epochs: Annotated[int, Field(ge=1, le=MOST)]
    rungs: list[int] = Field(default=[])
    reduction: Annotated[int, Field(ge=2, le=MOST)] = 3
    hopeless: Literal["pause", "stop"] = "pause"

    @model_validator(mode="after")
    def _rungs_rise_inside_the_budget(self) -> Self:
        if self.rungs != sorted(set(self.rungs)) or not all(0 < rung < self.epochs for rung in self.rungs):
            raise InvalidValue("rungs", self.rungs, f"must be rising epochs between 1 and {self.epochs - 1}")
        return self


class Budget(Strict):
    """What may be spent before no new trial is started; running trials finish. None is no limit.

    `hours` are those for which the study runs. `device_hours` are GPU-hours if trials have a GPU, else CPU-hours: the
    time that trials hold devices, times their number, summed over all attempts. `money` is in the currency of
    `resources.price_per_hour`.
    """

    hours: Annotated[float, Field(gt=0, le=MOST)] | None = None
    device_hours: Annotated[float, Field(gt=0, le=1000 * MOST)] | None = None
    money: Annotated[float, Field(gt=0)] | None = None


class Elastic(Strict):
    """Bounds on a trial's number of workers: it gets as many as there is room for when it starts."""

    min: Annotated[int, Field(ge=1, le=MOST_DEVICES)] = 1
    max: Annotated[int, Field(ge=1, le=MOST_DEVICES)] = 1

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.min > self.max:
            raise InvalidValue("max", self.max, f"must be at least min, {self.min}")
        return self

    @model_serializer(mode="wrap")
    def _shortest(self, plain: SerializerFunctionWrapHandler) -> Any:
        return self.min if self.min == self.max else plain(self)


class Resources(Strict):
    """The resources of one worker of a trial, and their price for an hour.

    A trial runs in one process (worker), or in several that train one network together, each with its rows of every
    batch: their number changes neither the batches nor the learning rate. At most `parallel` trials run at once, or
    wait for nodes that the cluster has yet to start; without it, as many as there is room for.

    With a share of a GPU, such as `gpus: 0.25`, a process gets that share of its memory. With `mps` the processes that
    share a GPU compute at the same time, by NVIDIA's Multi-Process Service, which is started if it does not run. With
    `gpus: auto` a short measurement on this machine's GPU says how many trials share one (`execution.gpu_shares`).
    """

    cpus: Annotated[float, Field(gt=0, le=MOST_DEVICES)] = 1
    gpus: Annotated[
        Annotated[Literal["auto"], Tag("<word>")]
        | Annotated[float, Field(ge=0, le=MOST_DEVICES), BeforeValidator(_no_other_word), Tag("<number>")],
        Discriminator(_word_or_number),
    ] = 0.0
    price_per_hour: Annotated[float, Field(gt=0)] | None = None
    workers: Elastic = Elastic()
    parallel: Annotated[int, Field(ge=1, le=MOST)] | None = None
    mps: bool = False

    @field_validator("workers", mode="before")
    @classmethod
    def _as_bounds(cls, value: object) -> object:
        if not isinstance(value, int) or isinstance(value, bool):
            return value
        if value < 1:
            raise InvalidValue("", value, "must be at least 1")
        if value > MOST_DEVICES:
            raise InvalidValue("", value, f"must be at most {MOST_DEVICES}")
        return {"min": value, "max": value}

    @model_validator(mode="after")
    def _gpus_are_whole_or_a_share_of_one(self) -> Self:
        if self.gpus == AUTO:
            return self
        if self.gpus > 1 and not self.gpus.is_integer():
            raise InvalidValue("gpus", self.gpus, "must be a whole number, or a share of one GPU below 1")
        if self.mps and not 0 < self.gpus < 1:
            raise InvalidValue(
                "mps", self.mps, f"is for trials that share a GPU: needs gpus between 0 and 1, not {self.gpus:g}"
            )
        return self

    @model_validator(mode="after")
    def _one_gpu_each(self) -> Self:
        if self.workers.max > 1 and self.gpus == AUTO:
            allowed = "is for trials of one process; write a number where a trial has several workers"
            raise InvalidValue("gpus", self.gpus, allowed)
        if self.workers.max > 1 and self.share > 1:
            raise InvalidValue(
                "gpus", self.gpus, "must be at most 1 where a trial has several workers: each has its own"
            )
        return self

    @property
    def share(self) -> float:
        """The GPUs of a worker; raises InvalidValue as long as that is to be measured."""
        if self.gpus == AUTO:
            raise InvalidValue(
                "resources.gpus",
                AUTO,
                "is measured by `espalier launch`, and by `plan` with its probe: write a number here",
            )
        return self.gpus

    @property
    def asked(self) -> str:
        """The GPUs of a worker, as they were asked for."""
        return self.gpus if self.gpus == AUTO else f"{self.share:g}"

    @property
    def has_whole_gpus(self) -> bool:
        """Whether a worker surely has a GPU to itself."""
        return self.gpus != AUTO and self.share >= 1


class Failures(Strict):
    """Which failures of a trial are retried, and when it times out.

    A trial whose process or node was lost or preempted is restarted from its last checkpoint, up to `retries` times in
    a row without progress; an error that it raised itself would be raised again. A trial that reports no epoch for
    `timeout_minutes` is ended. There is no such limit by default, because only the user knows how long an epoch takes,
    and ending a trial that is merely slow loses its work.
    """

    retries: Annotated[int, Field(ge=0, le=MOST)] = 3
    timeout_minutes: Annotated[float, Field(gt=0, le=MOST)] | None = None
