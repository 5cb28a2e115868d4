"""What the architecture makes of a study's learning rate, in words, before anything is trained."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from orchestrator.results import quantities
from orchestrator.spec.study_spec import StudySpec
from trainables.errors import InvalidValue
from trainables.spec import PathWeights

if TYPE_CHECKING:
    from trainables.state import LiveTrial


def rate_lines(spec: StudySpec, networks: Mapping[str, "LiveTrial"]) -> tuple[str, ...]:
    """Return a line for each network whose learning rate some trial scales; none where no trial does."""
    scaled = "architecture_aware" in _values(spec, "scaling")
    again = "scaled" in _values(spec, "lr_after_pruning")
    after = ("scaled once more when residual blocks are gone (training.lr_after_pruning: scaled)",) if again else ()
    return (*(_lines(spec, networks) if scaled else ()), *after, *_of_readouts(spec))


def _of_readouts(spec: StudySpec) -> Iterator[str]:
    """Yield what readouts learn at, if all trials agree on a rate of their own for them."""
    if "readout_lr" not in spec.search.training and spec.training.readout_lr != 1:
        yield f"times {spec.training.readout_lr:g} for layers that no other layer follows (training.readout_lr)"


def _lines(spec: StudySpec, networks: Mapping[str, "LiveTrial"]) -> Iterator[str]:
    options = " before its options are searched" if spec.search.options else ""
    for label, network in networks.items():
        for weights in _PATHS:
            if weights in _values(spec, "paths"):
                yield _line(f"{label}{options}", network, weights)


_PATHS: tuple[PathWeights, ...] = ("sum", "average")


def _line(label: str, network: "LiveTrial", weights: PathWeights) -> str:
    from trainables.training.architecture_scaling import graph_of, relative_rate

    try:
        graph = graph_of(network.build(), network.dataset.input_shape, network.spec.model.name)
    except InvalidValue as refused:  # where the scaling is searched, the study's other trials can run
        return f"not scaled for {label}, which {refused.allowed}"
    every, paths = graph.paths(), graph.paths(weights)
    number = "1 path" if every.count == 1 else f"{quantities.count(every.count)} paths"
    layers = quantities.number(paths.mean_layers)
    return f"times {relative_rate(paths):.3g} for {label} ({number} of {layers} layers in the mean; paths: {weights})"


def _values(spec: StudySpec, name: str) -> tuple[object, ...]:
    """Return the values that trials may have for a key of the section `training`."""
    searched = spec.search.training.get(name)
    return tuple(searched) if isinstance(searched, list) else (getattr(spec.training, name),)
