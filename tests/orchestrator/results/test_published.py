"""Results of papers."""

import pytest

from orchestrator.results.published import published, published_for


@pytest.mark.parametrize(
    ("data", "network", "count"),
    [
        ("cifar10", "resnet56", 28),
        ("cifar10", "vgg16_bn", 4),
        ("digits", "digits_cnn", 0),
        ("torchvision/CIFAR10", "mlp", 0),
    ],
)
def test_results_are_of_the_same_network_on_the_same_data(data: str, network: str, count: int) -> None:
    assert len(published_for(data, [network])) == count


def test_every_row_tells_a_change_and_how_much_smaller_the_network_is() -> None:
    rows = published()
    assert len(rows) > 150
    assert all(row.folds and all(fold > 0 for fold in row.folds.values()) for row in rows)
    assert all(-0.5 < row.change < 0.2 and 2014 <= row.year <= 2019 for row in rows)
    assert rows[0].title.endswith(f"({rows[0].year})")
