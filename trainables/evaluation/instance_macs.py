"""What a network costs whose gates choose channels image by image: its MACs over the images of a split."""

import torch
from torch import Tensor

from trainables import parallel
from trainables.data.batches import ordered
from trainables.modes import modes_kept
from trainables.state import LiveTrial
from trainables.structure.instance_costs import InstanceCosts
from trainables.structure.instance_gates import gates_of

BATCH = 250
"""How many images are looked at together."""


def measure_instances(trial: LiveTrial) -> dict[str, float]:
    """Return the expected MACs, with their spread, of a network with gates; nothing of any other.

    `macs` and `macs_effective` are the mean over the images of validation, `macs_spread` the standard deviation,
    `macs_p95` what 95 % of the images do not exceed; `test_macs` is the mean over those of test. The gates' own MACs
    are counted.
    """
    if gates_of(trial.model) is None:
        return {}
    validation, test = (macs_by_image(trial, split) for split in ("validation", "test"))
    mean = float(validation.mean())
    return {
        "macs": mean,
        "macs_effective": mean,
        "macs_spread": float(validation.std(correction=0)),
        "macs_p95": float(validation.sort().values[max(0, -(-95 * len(validation) // 100) - 1)]),
        "test_macs": float(test.mean()),
    }


@torch.no_grad()
def macs_by_image(trial: LiveTrial, split: str) -> Tensor:
    """Return the MACs for each image of a split, in order, float64; raises ValueError for a network without gates."""
    gates, data = gates_of(trial.model), trial.dataset
    if gates is None:
        raise ValueError(f"{trial.spec.model.name} has no instance gates")
    costs = InstanceCosts.of(trial.model, data.input_shape, gates.sites)
    channels_last = trial.spec.training.channels_last
    images = ordered(getattr(data, split), data.mean, data.std, batch_size=BATCH, channels_last=channels_last)
    macs = []
    with modes_kept(trial.model), parallel.alone():
        trial.model.eval()
        for batch, _ in images:
            gates.watch()
            trial.model(batch)
            macs.append(costs(gates.shares(gates.activities())))
    return torch.cat(macs)
