"""A finished trial's network as a file, with all that a reader of the file wants to know."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.networks.formats import Format
from orchestrator.networks.loading import TrainedNetwork, load_trained
from orchestrator.store.store import Store

if TYPE_CHECKING:
    from trainables.export.exporting import Exported
    from trainables.export.latency import Latency
    from trainables.export.sparse import Gain

SPARSE = 0.05
"""The share of zeros from which a network is called masked: trained weights are hardly ever exactly zero."""

DYNAMIC = (
    "its gates choose channels for each image, and the file computes all of them and multiplies by zeros: the MACs of "
    "the trial are not saved here"
)
"""What a reader of a file must know whose network is pruned image by image."""

UNIFIED = 8
"""The number of blocks of one magnitude from which a network is called unified: a few may be so by chance."""

EXPANDED = (
    "{count} blocks of weights share one magnitude each, and the file holds all of their weights; --format packed "
    "stores each block once"
)
"""What a reader of a file must know whose network has unified blocks."""


@dataclass(frozen=True)
class TrialExport:
    """A file with a trial's network, checked against it.

    `zeros` is the share of zeros among its weights; `gains` say what storing them sparsely would do here, if there are
    many.
    """

    network: TrainedNetwork
    file: "Exported"
    latency: "Latency"
    zeros: float
    gains: "tuple[Gain, ...]"

    @property
    def dynamic(self) -> str | None:
        """What to know of a network whose channels depend on the image; None for all others."""
        from trainables.structure.instance_gates import gates_of

        return DYNAMIC if gates_of(self.network.model) is not None else None

    @property
    def expanded(self) -> str | None:
        """What to know of a file whose network has blocks of one magnitude; None where each is stored once, or none."""
        from trainables.masking.masks import prunable_weights
        from trainables.masking.packed_blocks import unified_blocks

        if self.file.format == Format.PACKED:
            return None
        blocks = unified_blocks([weight.detach() for weight in prunable_weights(self.network.model).values()])
        return EXPANDED.format(count=f"{blocks:,}") if blocks >= UNIFIED else None

    @property
    def load(self) -> str:
        """Three lines of Python that load the file and run it, without espalier unless the format is its own."""
        from trainables.export.exporting import module_of

        lines = module_of(self.file.format).LOAD.replace("images", self.network.inputs.name)
        return lines.replace("FILE", str(self.file.path))

    def as_object(self) -> dict[str, Any]:
        """Return the export for programs."""
        file, latency, signature = self.file, self.latency, self.network.signature
        return {
            "trial": self.network.record.trial,
            "paradigm": self.network.record.paradigm,
            "path": str(file.path),
            "format": file.format,
            "bytes": file.bytes,
            "largest_deviation": file.difference,
            "note": file.note,
            "dynamic": self.dynamic,
            "expanded": self.expanded,
            "load": self.load,
            "input_shape": [None, *signature.input_shape],
            "output_shape": [None, *self.network.output_shape],
            "mean": list(signature.mean),
            "std": list(signature.std),
            "engine": latency.engine,
            "threads": latency.threads,
            "latency_dense": latency.dense,
            "latency": latency.exported,
            "macs_share_of_dense": latency.macs_left,
            "slow_because": latency.hint,
            "zeros": self.zeros,
            "sparse": [vars(gain) for gain in self.gains],
        }


def export(
    store: Store | Path | str, study: str, trial: int, format: str = "pt2", output: Path | str | None = None
) -> TrialExport:
    """Write a COMPLETE trial's network into a file that runs without espalier; check it, and measure it here.

    A `packed` file needs espalier. The file is `output`, or STUDY-TRIAL with the format's suffix in the current folder.
    Raises InvalidValue as `load` does and for a format that needs packages which are not installed, and ExportFailed
    where the network cannot be written so or the file computes something else.
    """
    from trainables.export.latency import latency
    from trainables.export.sparse import gains, zeros
    from trainables.structure.complexity import measure

    network = load_trained(Store.at(store).existing(study, "NAME"), trial)
    path = Path(output) if output is not None else Path(file_name(study, trial, format))
    shape = network.signature.input_shape
    file = write(network, format, path)
    macs_left = measure(network.model, shape).macs / max(1, measure(network.dense, shape).macs)
    share = zeros(network.model)
    return TrialExport(
        network,
        file,
        latency(file, network.model, network.dense, shape, macs_left),
        share,
        gains(network.model, shape) if share >= SPARSE else (),
    )


def file_name(study: str, trial: int, format: str) -> str:
    """Return the name of a file with a trial's network."""
    from trainables.export.exporting import module_of

    return f"{study}-{trial}{module_of(format).SUFFIX}"


def write(network: TrainedNetwork, format: str, path: Path) -> "Exported":
    """Write a network into a file and check it; raises as `export` does."""
    from trainables.export import exporting

    return exporting.export(network.model, network.signature.input_shape, path, format, architecture(network))


def architecture(network: TrainedNetwork) -> Mapping[str, Any]:
    """Return what a file says about the network in it: what it was built as, what it takes, and where it comes from."""
    signature, record = network.signature, network.record
    from trainables.structure.instance_gates import gates_of

    gates = gates_of(network.model)
    widths = {name: list(weight.shape) for name, weight in network.model.named_parameters() if weight.dim() > 1}
    return {
        "name": network.spec.model.name,
        "options": dict(network.spec.model.options),
        "classes": signature.classes,
        "input_shape": list(signature.input_shape),
        "inputs": network.inputs.name,
        "mean": list(signature.mean),
        "std": list(signature.std),
        "shapes": widths,
        "dropped_blocks": list(network.dropped_blocks),
        "gates": [site.as_state() for site in gates.sites] if gates is not None else [],
        "study": record.study,
        "trial": record.trial,
        "paradigm": record.paradigm,
    }
