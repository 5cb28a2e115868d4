"""Where it pays to gather the channels of each image: ``python benchmarks/gathered.py``.

Networks with gates that let about half of the channels pass, untrained, run one image at a time on the CPU: without
gates, with gates and all channels computed, and with the channels gathered; milliseconds of processor time.
The MACs left are nominal: those where each gate lets half of its channels pass.
"""

import argparse
import copy
import time

import torch
from torch import nn

from trainables import models
from trainables.data import Facts
from trainables.methods.gate_sites import gate_sites
from trainables.methods.rehearsal import shapes_of
from trainables.spec import DataSpec, ModelSpec, TrialSpec
from trainables.structure.complexity import Shape
from trainables.structure.gathered import gathered
from trainables.structure.instance_costs import InstanceCosts
from trainables.structure.instance_gates import attach_gates

NETWORKS: tuple[tuple[str, Shape, dict[str, float]], ...] = (
    ("digits_cnn", (1, 8, 8), {}),
    ("resnet20", (1, 8, 8), {}),
    ("resnet20", (3, 32, 32), {}),
    ("resnet56", (3, 32, 32), {}),
    ("resnet20", (3, 32, 32), {"width": 4.0}),
    ("resnet20", (3, 32, 32), {"width": 16.0}),
)

TURNS, RUNS = 4, 5


def gated(name: str, shape: Shape, options: dict[str, float]) -> tuple[nn.Module, nn.Module, InstanceCosts]:
    """Return a network without gates and the same with gates, and what images cost it."""
    torch.manual_seed(0)
    spec = TrialSpec(
        data=DataSpec(name="digits"), model=ModelSpec(name=name, options=options), paradigm="dense", epochs=1
    )
    plain = models.build(name, classes=10, input_shape=shape, options=options).eval()
    network = copy.deepcopy(plain)
    gates = attach_gates(network, gate_sites(shapes_of(spec, Facts(10, shape))))
    for gate in gates.each:
        nn.init.normal_(gate.fc2.weight, std=0.03)
        gate.threshold.fill_(1.0)
    return plain, network, InstanceCosts.of(network, shape, gates.sites)


@torch.inference_mode()
def processor_ms(networks: list[nn.Module], image: torch.Tensor) -> list[float]:
    """Return the processor time of an image in milliseconds, which others on the machine do not change much.

    The networks take turns, each a warm run and then the timed ones.
    """
    taken = [0.0] * len(networks)
    for _ in range(TURNS):
        for index, network in enumerate(networks):
            network(image)
            begin = time.process_time()
            for _ in range(RUNS):
                network(image)
            taken[index] += time.process_time() - begin
    return [1e3 * seconds / (TURNS * RUNS) for seconds in taken]


def row(name: str, shape: Shape, options: dict[str, float]) -> str:
    """Measure a network and return its row of the table."""
    plain, network, costs = gated(name, shape, options)
    image = torch.randn(1, *shape)
    left = costs.at_rate(0.5) / costs.without_gates
    dense, masked, small = processor_ms([plain, network, gathered(network)], image)
    wide = "".join(f", {key} {value:g}" for key, value in options.items())
    pays = "yes" if small < dense else "no"
    return f"| {name}{wide}, {shape[1]} x {shape[2]} | {left:.2f} | {dense:.2f} | {masked:.2f} | {small:.2f} | {pays} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    torch.set_num_threads(parser.parse_args().threads)
    print("| network, image | MACs left, nominal | without gates, ms | all channels, ms | gathered, ms | pays |")
    print("| --- | --- | --- | --- | --- | --- |")
    for network in NETWORKS:
        print(row(*network), flush=True)


if __name__ == "__main__":
    main()
