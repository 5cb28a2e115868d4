"""StudySpec: what a user writes, in YAML or in Python, and what is refused before anything starts."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from trainables.spec import DataSpec, ModelSpec, TrainingSpec, Value

Direction = Literal["maximize", "minimize"]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Range(Strict):
    """A range that narrows a dimension of the search space."""

    low: float
    high: float
    log: bool = False


Choice = Value | list[Value] | Range


class Search(Strict):
    """How configurations are chosen, and how many."""

    sampler: Literal["tpe", "nsga2", "gp", "random"] = "tpe"
    trials: Annotated[int, Field(ge=1)] = 24


class Fidelity(Strict):
    """The training budget of a trial, and the epochs (rungs) at which hopeless trials are stopped."""

    epochs: Annotated[int, Field(ge=1)]
    rungs: list[int] = []
    reduction: Annotated[int, Field(ge=2)] = 3


class Budget(Strict):
    """After how many hours of running no new trial is begun; None is no limit."""

    hours: Annotated[float, Field(gt=0)] | None = None


class Resources(Strict):
    """What one trial occupies."""

    cpus: Annotated[float, Field(gt=0)] = 1
    gpus: Annotated[float, Field(ge=0)] = 0


class StudySpec(Strict):
    """One sweep."""

    name: str
    seed: Annotated[int, Field(ge=0)] = 0
    data: DataSpec
    model: ModelSpec
    training: TrainingSpec = TrainingSpec()
    objectives: dict[str, Direction] = {"accuracy": "maximize", "macs": "minimize"}
    constraints: dict[str, str] = {}
    paradigms: dict[str, dict[str, Choice]]
    search: Search = Search()
    fidelity: Fidelity
    budget: Budget = Budget()
    resources: Resources = Resources()
