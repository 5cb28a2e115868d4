"""How long a network takes, image by image, that computes only the channels that its gates let pass."""

import logging

import torch

from trainables.data.batches import ordered
from trainables.state import LiveTrial
from trainables.structure.complexity import latency
from trainables.structure.gathered import gathered

LOG = logging.getLogger(__name__)

IMAGES = 30
"""How many images of validation are timed."""


def latency_by_image(trial: LiveTrial, device: str | torch.device) -> dict[str, float]:
    """Return the median seconds for one image of validation, of a network with gates.

    `latency` is that of the network whose layers are gathered, `latency_masked` that of the same network as it is
    stored, which computes all channels. A warning says where gathering does not pay.
    """
    data, shape = trial.dataset, trial.dataset.input_shape
    channels_last = trial.spec.training.channels_last
    images, _ = next(ordered(data.validation, data.mean, data.std, batch_size=IMAGES, channels_last=channels_last))
    small, masked = (
        latency(network, shape, device=device, images=images) for network in (gathered(trial.model), trial.model)
    )
    if small >= masked:
        LOG.warning(
            "gathering the channels of each image takes longer than it saves: %.2f ms an image, and %.2f ms with all "
            "channels computed",
            1e3 * small,
            1e3 * masked,
        )
    return {"latency": small, "latency_masked": masked}
