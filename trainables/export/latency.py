"""How long an exported network takes on one image here, beside the dense network in the same format."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from trainables.export.exporting import Exported, evaluated, export, module_of
from trainables.export.speed import LANES, odd_widths, seconds


@dataclass(frozen=True)
class Latency:
    """Median seconds for one image on the CPU, of the file and of the dense network in the same format.

    `odd_widths` are the convolutions whose remaining filters no processor fills its lanes with; `macs_left` is the
    share of the dense network's MACs that the file computes.
    """

    engine: str
    threads: int
    dense: float
    exported: float
    macs_left: float
    odd_widths: tuple[str, ...]

    @property
    def speedup(self) -> float:
        """How many times faster the file is."""
        return self.dense / self.exported

    @property
    def hint(self) -> str | None:
        """What keeps a smaller network from being faster, and what helps; None where time is saved as MACs are."""
        if not self.odd_widths or 1 - self.exported / self.dense >= 0.6 * (1 - self.macs_left):
            return None
        names = f"{', '.join(self.odd_widths[:3])}{', ...' if len(self.odd_widths) > 3 else ''}"
        several = len(self.odd_widths) > 1
        count = f"{len(self.odd_widths)} convolution{'s' if several else ''} ({names})"
        wide = f"{'have' if several else 'has'} a number of filters that is no multiple of {LANES}"
        return f"{count} {wide}, which engines handle slowly: a study with `round_to: {LANES}` or 16 keeps multiples"


def latency(
    exported: Exported, model: nn.Module, dense: nn.Module, input_shape: tuple[int, ...], macs_left: float
) -> Latency:
    """Measure an exported network and the dense one, which is written in the same format for the purpose."""
    chosen = module_of(exported.format)
    with TemporaryDirectory() as folder:
        written = export(dense, input_shape, Path(folder) / f"dense{chosen.SUFFIX}", exported.format)
        runs = [chosen.read(written.path, evaluated(dense)), chosen.read(exported.path, evaluated(model))]
    before, after = seconds(runs, torch.zeros(1, *input_shape))
    return Latency(chosen.ENGINE, torch.get_num_threads(), before, after, macs_left, odd_widths(model, dense))
