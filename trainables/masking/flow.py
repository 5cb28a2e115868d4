"""What can flow through a network: with |.| on all parameters it is a positive linear map, here of a blank image.

Its derivatives tell which weights lie on a path from the input to the output (Tanaka et al. 2020, arXiv 2006.05467).
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainables.masking.masks import prunable_weights


def flow_through(model: nn.Module, input_shape: tuple[int, int, int]) -> tuple[dict[str, Tensor], Tensor]:
    """Return w dR/dw by prunable weight, and dR/dx of one image [1, C, H, W]; R is the sum of the outputs for ones.

    Where a network looks its inputs up in embeddings, x is what it finds there, flattened, for nothing else flows. In
    double precision: in deep networks R leaves the range of single precision. The network itself is not touched.
    """
    network = _positive(model)
    weights = prunable_weights(network)
    device = next(network.parameters()).device
    ones = torch.ones(1, *input_shape, dtype=torch.float64, device=device, requires_grad=True)
    found = _embedded(network)
    total = network(ones).sum()
    slopes = torch.autograd.grad(total, [*weights.values(), ones, *found], materialize_grads=True)
    flow = {name: weight.detach() * slope for (name, weight), slope in zip(weights.items(), slopes, strict=False)}
    from_input, *from_found = slopes[len(weights) :]
    return flow, torch.cat([slope.flatten() for slope in from_found]) if found else from_input


def _embedded(network: nn.Module) -> list[Tensor]:
    """Return a list to which every embedding of the network adds its output, once it has run."""
    found: list[Tensor] = []

    def note(_: nn.Module, __: tuple[Tensor, ...], output: Tensor) -> None:
        found.append(output)

    for module in network.modules():
        if isinstance(module, nn.Embedding):
            module.register_forward_hook(note)
    return found


def _positive(model: nn.Module) -> nn.Module:
    """Copy the network in evaluation mode with absolute parameters, means of zero and no ceilings of activations."""
    network = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module.running_mean is not None:
            module.running_mean.zero_()
        if isinstance(module, nn.Hardtanh):  # ReLU6 is one; at its ceiling nothing would flow
            module.max_val = math.inf
    return network
