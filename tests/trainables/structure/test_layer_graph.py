"""Sums over the paths of a graph of layers, against listing the paths one by one."""

import random
from collections.abc import Iterator

import pytest

from trainables.structure.layer_graph import LayerGraph, Step

RANDOM_GRAPHS = 200


def random_graph(draw: random.Random) -> LayerGraph:
    """Draw a graph in which every step but the first adds up some earlier ones, and may be a layer."""
    steps = [Step()]
    for number in range(1, draw.randint(2, 9)):
        sources = tuple(sorted(draw.sample(range(number), draw.randint(1, min(number, 3)))))
        weight, kernel = draw.choice([(None, None), (f"w{number}", None), (f"w{number}", draw.choice([1, 3, 5]))])
        steps.append(Step(sources, "adds", weight, kernel))
    return LayerGraph(tuple(steps))


def listed(graph: LayerGraph, last: int | None = None) -> Iterator[tuple[Step, ...]]:
    """Yield the layers on each path from the input to a step."""
    step = graph.steps[-1 if last is None else last]
    here = (step,) if step.weight is not None else ()
    if not step.sources:
        yield here
    for source in step.sources:
        yield from ((*before, *here) for before in listed(graph, source))


@pytest.mark.parametrize("seed", range(RANDOM_GRAPHS))
def test_sums_over_paths_are_those_of_a_list_of_all_paths(seed: int) -> None:
    graph = random_graph(random.Random(seed))
    paths, sums = [*listed(graph)], graph.paths()
    powers = [sum(len(path) ** power for path in paths) for power in range(4)]
    kernels = [step.kernel for path in paths for step in path if step.kernel is not None]
    assert [sums.count, sums.layers, sums.squares, sums.cubes] == powers
    assert (sums.convolutions, sums.sides) == (len(kernels), sum(kernels))


def residual(blocks: int) -> LayerGraph:
    """Return blocks that add a layer to their input, and a last layer."""
    steps = [Step()]
    for _ in range(blocks):
        stream = len(steps) - 1
        steps += [Step((stream,), "acts", f"w{stream}"), Step((stream, stream + 1), "adds")]
    return LayerGraph((*steps, Step((len(steps) - 1,), "acts", "last")))


def test_paths_too_many_to_list_are_counted_exactly() -> None:
    assert residual(200).paths().count == 2**200


def test_the_average_weighs_a_path_by_the_variance_that_it_carries() -> None:
    """On average half of the blocks are on a path: a binomial distribution of lengths."""
    sums = residual(20).paths("average")
    assert sums.count == pytest.approx(1)
    assert sums.layers == pytest.approx(11)
    assert sums.squares == pytest.approx(11**2 + 20 / 4)


def test_all_summands_of_a_sum_share_alike_however_it_is_written() -> None:
    inputs = (Step(), Step((0,), weight="a"), Step((0,), weight="b"), Step((0,), weight="c"))
    at_once = LayerGraph((*inputs, Step((1, 2, 3), "adds")))
    by_two = LayerGraph((*inputs, Step((1, 2), "adds"), Step((4, 3), "adds")))
    assert at_once.paths("average") == by_two.paths("average")
    assert at_once.in_degrees == by_two.in_degrees == {"a": 3, "b": 3, "c": 3}


def test_a_sum_that_is_used_elsewhere_is_no_part_of_another() -> None:
    steps = (Step(), Step((0,), weight="a"), Step((0, 1), "adds"), Step((2,), weight="b"), Step((2, 3), "adds"))
    assert LayerGraph(steps).in_degrees == {"a": 2, "b": 2}


@pytest.mark.parametrize(("between", "degree"), [("passes", 2), ("acts", 1)])
def test_norms_lead_to_the_sum_and_activations_do_not(between: str, degree: int) -> None:
    through = Step((1,), "passes") if between == "passes" else Step((1,), "acts")
    assert LayerGraph((Step(), Step((0,), weight="a"), through, Step((0, 2), "adds"))).in_degrees == {"a": degree}


def test_a_gate_adds_no_path() -> None:
    gate = (Step(), Step((0,), weight="a"), Step((1,), weight="squeeze"), Step((2,), weight="excite"))
    sums = LayerGraph((*gate, Step((1, 3), "acts"))).paths()
    assert (sums.count, sums.layers) == (1, 1)


def test_a_readout_is_a_layer_that_no_layer_follows() -> None:
    steps = (Step(), Step((0,), weight="a"), Step((1,), weight="b"), Step((1,), weight="c"), Step((2, 3), "adds"))
    assert LayerGraph(steps).readouts == {"b", "c"}


@pytest.mark.parametrize("seed", range(50))
def test_links_and_depths_are_those_of_a_list_of_all_paths(seed: int) -> None:
    graph = random_graph(random.Random(seed))
    ends = {step.weight: number for number, step in enumerate(graph.steps) if step.weight is not None}
    paths = {weight: [*listed(graph, number)] for weight, number in ends.items()}
    links = {weight: {path[-2].weight for path in reached if len(path) > 1} for weight, reached in paths.items()}
    assert graph.links == links
    assert graph.depths == {weight: max(map(len, reached)) for weight, reached in paths.items()}
