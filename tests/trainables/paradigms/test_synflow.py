"""SynFlow: masks without data (Tanaka et al. 2020, arXiv 2006.05467)."""

from pathlib import Path
from typing import Any

import torch

from tests.trainables.stages import a_trial, alive, total
from trainables.paradigms.synflow import SynFlow
from trainables.runner import run_recipe
from trainables.state import LiveTrial


def pruned(folder: Path, model: str = "digits_cnn", *, subset: int = 120, **values: Any) -> LiveTrial:
    trial = a_trial(folder, model, subset=subset)
    run_recipe(SynFlow(**values).recipe(1)[:1], trial)
    return trial


def test_no_data_is_looked_at(tmp_path: Path) -> None:
    few, many = (pruned(tmp_path / str(n), subset=n, rounds=3) for n in (90, 300))
    assert len(few.dataset.train) < len(many.dataset.train)
    assert all(torch.equal(mask, many.weight_masks[name]) for name, mask in few.weight_masks.items())


def test_no_layer_is_emptied_where_one_round_empties_some(tmp_path: Path) -> None:
    """Theorem 3: iterative, positive, conservative scoring reaches the maximal critical compression."""
    once, often = (pruned(tmp_path / str(n), "mlp", sparsity=0.999, rounds=n, spare=False) for n in (1, 50))
    assert sum(alive(once).values()) == sum(alive(often).values()) == round(0.001 * total(often))
    assert min(alive(once).values()) == 0
    assert min(alive(often).values()) > 0


def test_signs_do_not_matter(tmp_path: Path) -> None:
    trial, flipped = a_trial(tmp_path / "as drawn"), a_trial(tmp_path / "flipped")
    with torch.no_grad():
        for parameter in flipped.model.parameters():
            parameter.mul_(-1)
    for each in (trial, flipped):
        run_recipe(SynFlow(rounds=4).recipe(1)[:1], each)
    assert all(torch.equal(mask, flipped.weight_masks[name]) for name, mask in trial.weight_masks.items())


def test_sparing_keeps_a_weight_of_every_layer_even_at_once(tmp_path: Path) -> None:
    assert min(alive(pruned(tmp_path, "mlp", sparsity=0.999, rounds=1)).values()) == 1
