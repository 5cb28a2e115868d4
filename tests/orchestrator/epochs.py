"""Epochs of which only what matters to a test is said."""

from typing import Any

from orchestrator.ledger.epoch import Epoch

UNREMARKABLE = {
    "fidelity": 0.5,
    "stage": "train",
    "accuracy": 0.5,
    "loss": 0.5,
    "train_loss": 0.5,
    "learning_rate": 0.1,
    "seconds": 1.0,
    "macs_projected": 1.0,
    "params_projected": 1.0,
}


def an_epoch(number: int, **known: Any) -> Epoch:
    """Return an epoch with what is known of it, and otherwise unremarkable."""
    return Epoch(epoch=number, **{**UNREMARKABLE, **known})
