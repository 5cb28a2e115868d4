"""Measurements as people write them: 97.3 %, 40.6 M, 1.24 ms."""

import math

SHARES = ("accuracy", "test_accuracy", "sparsity", "fidelity")
COUNTS = ("macs", "params", "bytes", "images_per_second")
PREFIXES = ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k"))
NAMES = {
    "accuracy": "validation accuracy",
    "loss": "validation loss",
    "test_accuracy": "test accuracy",
    "test_loss": "test loss",
    "macs": "effective MACs",
    "params": "effective parameters",
    "latency": "latency in seconds",
    "images_per_second": "images/s",
    "peak_memory": "memory",
}


def name(metric: str) -> str:
    """Return what a metric is, in words, with the split or the kind that it is measured on."""
    return NAMES.get(metric, metric.replace("_", " "))


def show(metric: str, value: float | None) -> str:
    """Return a value of a metric in human units; a dash for None and NaN."""
    if value is None or math.isnan(value):
        return "-"
    if metric in SHARES:
        return f"{100 * value:.2f} %"
    if metric == "latency":
        return f"{1e3 * value:.3g} ms"
    if metric == "peak_memory":
        return f"{count(value)}B"
    if metric == "device_use":
        return f"{100 * value:.0f} %"
    return count(value) if metric.startswith(COUNTS) else f"{value:.4g}"


def count(value: float) -> str:
    """Return a large number with three digits and a prefix: 40.6 M."""
    for size, prefix in PREFIXES:
        if abs(value) >= size:
            return f"{_three_digits(value / size)}{prefix}"
    return f"{value:.3g}"


def duration(seconds: float) -> str:
    """Return a time span in its two largest units: 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:#.3g}"
