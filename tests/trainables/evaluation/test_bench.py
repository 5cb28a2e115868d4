"""Networks measured one after another."""

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.corruption.pictures import pictures
from trainables.data.dataset import Dataset, Split
from trainables.evaluation.bench import Attack, Bench
from trainables.evaluation.distributions import Clean, Corrupted, Sample

SPLIT = Split(pictures(), torch.arange(12) % 3)
DATA = Dataset("pictures", 3, SPLIT, SPLIT, SPLIT, (0.5,) * 3, (0.25,) * 3, "")


def network(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 3)).eval()


def test_a_network_is_measured_under_each_condition() -> None:
    bench = Bench(DATA, network(0))
    clean = bench.measure(Clean(), network(0))
    assert (clean["agreement@clean"], clean["distance@clean"]) == (1, 0)
    classes = [clean[f"accuracy@class_{number}"] for number in range(3)]
    assert clean["accuracy@clean"] == pytest.approx(sum(classes) / 3)
    foggy = bench.measure(Corrupted("fog", 5), network(1))
    assert {name.partition("@")[2] for name in foggy} == {"fog_5"}
    assert foggy["distance@fog_5"] > 0
    attacked = bench.measure(Attack(0.1), network(1))
    assert attacked.keys() == {f"accuracy@{attack}_0.1" for attack in ("fgsm", "pgd20", "pgd100", "transfer")}


def test_without_a_reference_there_is_no_comparison() -> None:
    bench = Bench(DATA, None)
    assert "agreement@clean" not in bench.measure(Clean(), network(0))
    assert "accuracy@transfer_0.1" not in bench.measure(Attack(0.1), network(0))


def test_images_are_made_once_for_all_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    made, of = list[str](), Corrupted.of

    def counted(self: Corrupted, sample: Sample) -> Split:
        made.append(self.name)
        return of(self, sample)

    monkeypatch.setattr(Corrupted, "of", counted)
    bench = Bench(DATA, network(0))
    for condition in (Corrupted("fog", 1), Corrupted("snow", 1)):
        for seed in range(3):
            bench.measure(condition, network(seed))
    assert made == ["fog_1", "snow_1"]


def test_fewer_images_are_spread_evenly_and_keep_their_numbers() -> None:
    seen: list[Tensor] = []

    class Look(Clean):
        def of(self, sample: Sample) -> Split:
            seen.append(sample.numbers)
            return sample.split

    Bench(DATA, None, images=3).measure(Look(), network(0))
    assert seen[0].tolist() == [0, 6, 11]
