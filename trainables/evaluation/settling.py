"""How far an equilibrium network is from its equilibrium when it gives its outputs."""

from typing import Final

import torch

from trainables.data.batches import ordered
from trainables.errors import NotSettled
from trainables.models.deq import EquilibriumNetwork
from trainables.state import LiveTrial

BATCH: Final = 500


def measure_settling(trial: LiveTrial) -> None:
    """Measure of an equilibrium network, on validation images, how it settles; of others nothing.

    `residual`: by which share of the state's norm the last evaluation of the cell moves it, the mean over images.
    `iterations`: the evaluations, which the MACs count. `iterations_needed`: those after which the network would first
    have settled, the mean over images. Raises NotSettled where the residual is above the network's tolerance.
    """
    network, data = trial.model, trial.dataset
    if not isinstance(network, EquilibriumNetwork):
        return
    batches = ordered(data.validation, data.mean, data.std, batch_size=BATCH, channels_last=False)
    residuals = torch.cat([network.residuals(inputs) for inputs, _ in batches], 1).double()
    residual = float(residuals[-1].mean())
    needed = (residuals > network.tolerance).int().cumprod(0).sum(0) + 1
    trial.measured |= {
        "residual": residual,
        "iterations": float(network.iterations),
        "iterations_needed": float(needed.clamp_max(network.iterations).double().mean()),
    }
    if not residual <= network.tolerance:
        raise NotSettled(
            f"the state still moves by {residual:.2e} of its norm after {network.iterations} iterations, and tolerance "
            f"is {network.tolerance:g}: its outputs are none of an equilibrium; give {trial.spec.model.name} more "
            "iterations or jacobian, or train with a lower lr"
        )
