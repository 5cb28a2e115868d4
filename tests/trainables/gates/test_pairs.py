"""Numbers for units and branches, side by side."""

import torch

from trainables.gates.pairs import filled, kept_of, pair


def test_all_units_get_one_value_and_all_branches_another() -> None:
    units, branches = filled((3, 2), 0.5, 1.0)
    assert (units.tolist(), branches.tolist()) == ([0.5] * 3, [1.0] * 2)
    assert units.dtype == branches.dtype == torch.float64


def test_what_is_not_kept_loses_its_numbers() -> None:
    values = pair([torch.arange(3.0), torch.arange(2.0)])
    kept = torch.tensor([True, False, True]), torch.tensor([False, True])
    assert [part.tolist() for part in kept_of(values, kept)] == [[0, 2], [1]]
