"""What one trial is: data, network, training, paradigm, budget. Plain frozen values, free of torch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, get_args

from trainables.corruption.kinds import KIND_NAMES, SEVERITIES
from trainables.errors import InvalidValue, nearest

Value = bool | int | float | str
"""The type of one hyper-parameter."""

Option = Value | list[Value]
"""The type of one option of a network."""

Optimizer = Literal["sgd", "adamw"]
Schedule = Literal["cosine", "step", "one_cycle", "constant"]
Precision = Literal["auto", "float32", "bfloat16"]
Capture = Literal["auto", "never"]
Compile = Literal["auto", "never", "always"]
Memory = Literal["auto", "always", "never"]
Scaling = Literal["none", "architecture_aware"]
RateAfterPruning = Literal["kept", "scaled"]
PathWeights = Literal["sum", "average"]


def _require(condition: bool, key: str, value: object, allowed: str) -> None:
    if not condition:
        raise InvalidValue(key, value, allowed)


@dataclass(frozen=True, kw_only=True)
class CorruptionSpec:
    """Which training images are corrupted: each with probability `share`, by one of the `kinds`.

    Kind and severity, from the first to the last of `severity`, are drawn for every image in every epoch.
    """

    kinds: tuple[str, ...]
    severity: tuple[int, int] = (SEVERITIES[0], SEVERITIES[-1])
    share: float = 0.5

    def __post_init__(self) -> None:
        _require(bool(self.kinds), "kinds", self.kinds, "must name at least one kind")
        for kind in self.kinds:
            allowed = f"must be one of {', '.join(KIND_NAMES)}{nearest(kind, KIND_NAMES)}"
            _require(kind in KIND_NAMES, "kinds", kind, allowed)
            _require(self.kinds.count(kind) == 1, "kinds", kind, "must be named once")
        low, high = self.severity
        allowed = "must be the lowest and the highest, from 1 to 5"
        _require(SEVERITIES[0] <= low <= high <= SEVERITIES[-1], "severity", self.severity, allowed)
        _require(0 < self.share <= 1, "share", self.share, "must be greater than 0, and at most 1")

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "CorruptionSpec":
        """Rebuild the spec from a dictionary that may have passed through JSON."""
        low, high = plain["severity"]
        return cls(kinds=tuple(plain["kinds"]), severity=(low, high), share=plain["share"])


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """A dataset and how it is split.

    `validation` is the share of the training images held out for selection, drawn with `split_seed`, and `test` that
    held out before where the data have no test images; `subset` caps the training images that remain (drawn with the
    same seed). `image_size`, a side in pixels or (height, width), shrinks published images, each new pixel the mean of
    those it covers; images of others are resized to cover it and cut to their centre. `options` go to the source.
    `padding` and `flip` replace its usual augmentation; `corruptions` add to it. `memory` says whether the images are
    held on the device: where they do not fit (auto), or never, they are read batch by batch from a file that is mapped
    into memory.
    """

    name: str
    root: str | None = None
    download: bool = False
    validation: float = 0.1
    split_seed: int = 0
    subset: int | None = None
    image_size: int | tuple[int, int] | None = None
    test: float = 0.1
    options: Mapping[str, Option] = field(default_factory=dict, hash=False)
    padding: int | None = None
    flip: bool | None = None
    corruptions: CorruptionSpec | None = None
    memory: Memory = "auto"

    def __post_init__(self) -> None:
        _require(0 < self.validation < 1, "validation", self.validation, "must lie strictly between 0 and 1")
        _require(0 < self.test < 1, "test", self.test, "must lie strictly between 0 and 1")
        _require(self.subset is None or self.subset > 0, "subset", self.subset, "must be at least 1, or left out")
        _require(self.padding is None or self.padding >= 0, "padding", self.padding, "must be at least 0, or left out")
        sides = self.size or (2, 2)
        inside = min(sides) >= 1 and max(sides) <= 2**14
        _require(inside, "image_size", self.image_size, f"must lie between 1 and {2**14} pixels")
        modes = get_args(Memory)
        _require(self.memory in modes, "memory", self.memory, f"must be one of {', '.join(modes)}")

    @property
    def size(self) -> tuple[int, int] | None:
        """The wanted height and width; None for those that the images have."""
        return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "DataSpec":
        """Rebuild the spec from a dictionary that may have passed through JSON."""
        size, corruptions = plain.get("image_size"), plain.get("corruptions")
        return cls(
            **{
                **plain,
                "image_size": tuple(size) if isinstance(size, list) else size,
                "corruptions": CorruptionSpec.from_dict(corruptions) if corruptions is not None else None,
            }
        )


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A network by name, built for the dataset's classes and image shape; `options` go to what builds it.

    `weights` says where its first weights come from (`trainables.models.weights`); None is from the trial's seed.
    """

    name: str
    options: Mapping[str, Option] = field(default_factory=dict)
    weights: str | None = None

    @property
    def label(self) -> str:
        """Its name, options and weights in one line, as ``resnet56(width=0.5)`` or ``mlp from trial:first/3``."""
        options = ", ".join(f"{option}={value}" for option, value in self.options.items())
        name = f"{self.name}({options})" if options else self.name
        return name if self.weights is None else f"{name} from {self.weights}"


_NAMED: Final[Mapping[str, object]] = {
    "optimizer": Optimizer,
    "schedule": Schedule,
    "precision": Precision,
    "capture": Capture,
    "compile": Compile,
    "scaling": Scaling,
    "lr_after_pruning": RateAfterPruning,
    "paths": PathWeights,
}
"""The fields of `TrainingSpec` that have one of a few names as value, with these names."""


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """How every stage of every trial trains.

    `lr` is the peak learning rate; the layers that no other layer follows learn at `readout_lr` times the rate of the
    others. `milestones` are the shares of the schedule at which `step` multiplies the rate by `gamma`; `warmup` is the
    share of the schedule over which it rises linearly. `precision: auto` takes bfloat16 where the hardware multiplies
    it natively and the network's gradients in it can be trusted, float32 elsewhere.
    With `shared_dense`, trials that begin with the same training of the same dense network train it once.
    `scaling: architecture_aware` draws first weights by the in-degrees of layers, and takes `lr` for that of three
    layers in a row, from which each network's own follows; with `lr_after_pruning: scaled` the rate is scaled once more
    when residual blocks are gone. `paths` says how the paths through a network count for both.
    `capture: auto` has a GPU replay a captured step where it can; `never` starts each operation from Python.
    `compile: auto` compiles the network on a GPU where a stage is long enough to earn that back, `always` everywhere.
    """

    optimizer: Optimizer = "sgd"
    lr: float = 0.1
    readout_lr: float = 1.0
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    schedule: Schedule = "cosine"
    milestones: tuple[float, ...] = (0.5, 0.75)
    gamma: float = 0.1
    warmup: float = 0.0
    batch_size: int = 128
    label_smoothing: float = 0.0
    precision: Precision = "auto"
    channels_last: bool = True
    augment: bool = True
    shared_dense: bool = False
    scaling: Scaling = "none"
    lr_after_pruning: RateAfterPruning = "kept"
    paths: PathWeights = "sum"
    capture: Capture = "never"
    compile: Compile = "never"

    def __post_init__(self) -> None:
        for key, choices in _NAMED.items():
            value = getattr(self, key)
            _require(value in get_args(choices), key, value, f"must be one of {', '.join(get_args(choices))}")
        _require(0 < self.lr <= 1000, "lr", self.lr, "must be greater than 0, and at most 1000")
        _require(0 < self.readout_lr <= 1000, "readout_lr", self.readout_lr, "must be greater than 0, and at most 1000")
        _require(0 <= self.momentum < 1, "momentum", self.momentum, "must lie in [0, 1)")
        _require(0 <= self.weight_decay <= 1000, "weight_decay", self.weight_decay, "must lie in [0, 1000]")
        rising = list(self.milestones) == sorted(self.milestones)
        inside = all(0 < m < 1 for m in self.milestones)
        _require(rising and inside, "milestones", self.milestones, "must be rising shares between 0 and 1")
        _require(0 < self.gamma < 1, "gamma", self.gamma, "must lie strictly between 0 and 1")
        _require(0 <= self.warmup < 1, "warmup", self.warmup, "must lie in [0, 1)")
        _require(self.batch_size <= 2**20, "batch_size", self.batch_size, f"must be at most {2**20}")
        _require(self.batch_size >= 2, "batch_size", self.batch_size, "must be at least 2 (batch norm needs two)")
        _require(0 <= self.label_smoothing < 1, "label_smoothing", self.label_smoothing, "must lie in [0, 1)")


@dataclass(frozen=True, kw_only=True)
class LatencySpec:
    """How the objective `latency` is measured: with so many images at once, on the trial's own device or another."""

    batch: int = 1
    device: Literal["trial", "cpu", "cuda"] = "trial"

    def __post_init__(self) -> None:
        _require(1 <= self.batch <= 2**20, "batch", self.batch, f"must be from 1 to {2**20}")
        _require(self.device in ("trial", "cpu", "cuda"), "device", self.device, "must be one of trial, cpu, cuda")


@dataclass(frozen=True, kw_only=True)
class EnsembleSpec:
    """An ensemble that is drawn around the final network, and measured beside it (Liu et al., arXiv 1807.00847).

    Over the last share `window` of the last training stage, mean and variance of every weight are kept; each of the
    `members` draws its weights from a normal distribution of that mean and `scale` times that variance.
    """

    members: int = 8
    window: float = 0.5
    scale: float = 1.0

    def __post_init__(self) -> None:
        _require(2 <= self.members <= 1000, "members", self.members, "must be from 2 to 1000")
        _require(0 < self.window <= 1, "window", self.window, "must be greater than 0, and at most 1")
        _require(0 <= self.scale <= 1000, "scale", self.scale, "must lie in [0, 1000]")


@dataclass(frozen=True, kw_only=True)
class EvaluationSpec:
    """Corrupted and noisy validation images on which every final network is measured.

    Each of the `kinds` of CIFAR-10-C is taken at each of the `severities`, and uniform noise at each radius of `noise`,
    of pixels in [0, 1]; `images` says how many validation images at most, evenly spaced.
    """

    kinds: tuple[str, ...] = ()
    severities: tuple[int, ...] = (3,)
    noise: tuple[float, ...] = ()
    images: int | None = None

    def __post_init__(self) -> None:
        _require(bool(self.kinds or self.noise), "kinds", self.kinds, "must name a kind, unless noise has a radius")
        for kind in self.kinds:
            _require(
                kind in KIND_NAMES, "kinds", kind, f"must be one of {', '.join(KIND_NAMES)}{nearest(kind, KIND_NAMES)}"
            )
            _require(self.kinds.count(kind) == 1, "kinds", kind, "must be named once")
        _require(bool(self.severities), "severities", self.severities, "must name at least one of 1 to 5")
        for severity in self.severities:
            _require(severity in SEVERITIES, "severities", severity, "must be 1, 2, 3, 4 or 5")
            _require(self.severities.count(severity) == 1, "severities", severity, "must be named once")
        for radius in self.noise:
            _require(0 < radius <= 1, "noise", radius, "must be greater than 0, and at most 1: pixels lie in [0, 1]")
            alike = [other for other in self.noise if f"{other:g}" == f"{radius:g}"]
            _require(len(alike) == 1, "noise", radius, "must be named once, to six digits: metrics are called by it")
        _require(self.images is None or self.images >= 1, "images", self.images, "must be at least 1, or left out")

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "EvaluationSpec":
        """Rebuild the spec from a dictionary that may have passed through JSON."""
        return cls(**{**plain, **{key: tuple(plain[key]) for key in ("kinds", "severities", "noise")}})


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One configuration of a study, complete: the same spec and seed give the same result on CPU.

    `epochs` is the whole training budget of the trial, whatever the paradigm divides it into.
    `task` is what the network learns (`trainables.tasks`).
    `objectives` are the metrics whose measurement the study asks for (some, like latency, are costly).
    """

    data: DataSpec
    model: ModelSpec
    paradigm: str
    hyperparameters: Mapping[str, Value] = field(default_factory=dict)
    training: TrainingSpec = field(default_factory=TrainingSpec)
    epochs: int
    seed: int = 0
    objectives: tuple[str, ...] = ("accuracy", "macs")
    latency: LatencySpec = field(default_factory=LatencySpec)
    ensemble: EnsembleSpec | None = None
    evaluation: EvaluationSpec | None = None
    task: str = "classification"

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "epochs", self.epochs, "must be at least 1")

    def as_dict(self) -> dict[str, Any]:
        """Return the spec as plain nested dictionaries, for a queue, a file or a process boundary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "TrialSpec":
        """Rebuild the spec from what `as_dict` returned."""
        training, ensemble, evaluation = dict(plain["training"]), plain.get("ensemble"), plain.get("evaluation")
        training["milestones"] = tuple(training["milestones"])
        return cls(
            **{
                **plain,
                "data": DataSpec.from_dict(plain["data"]),
                "model": ModelSpec(**plain["model"]),
                "training": TrainingSpec(**training),
                "objectives": tuple(plain["objectives"]),
                "latency": LatencySpec(**plain.get("latency", {})),
                "ensemble": EnsembleSpec(**ensemble) if ensemble is not None else None,
                "evaluation": EvaluationSpec.from_dict(evaluation) if evaluation is not None else None,
            }
        )
