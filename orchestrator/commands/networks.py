"""The command that takes a trial's network out of the store."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.arguments import (
    HERE,
    AsJson,
    Name,
    StoreFolder,
    TrialNumber,
    print_json,
    refusing,
    require_file,
    store_at,
)
from orchestrator.networks.formats import Format
from orchestrator.store.store import Store
from orchestrator.terminal.printable import say

if TYPE_CHECKING:
    from orchestrator.networks.trial_export import TrialExport


def export(
    name: Name,
    trial: TrialNumber,
    format: Annotated[Format, typer.Option("--format", help="What to write.")] = Format.PT2,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write.", show_default="NAME-TRIAL with the format's suffix"),
    ] = None,
    store: StoreFolder = HERE,
    as_json: AsJson = False,
) -> None:
    """Write a trial's network into a file that runs without espalier (`packed`: with it), and measure it here."""
    studies = store_at(store)
    studies.existing(name, "NAME")
    if output is not None:
        with refusing("--output", str(output), "name another file"):
            require_file(output)
    from orchestrator.networks import trial_export  # imports torch

    with refusing("--output", str(output or "."), "name a file that you may write"):
        exported = trial_export.export(studies, name, trial, format.value, output)
    if as_json:
        print_json(exported.as_object())
    else:
        for line in lines(exported):
            say(line)


def write_models(name: str, store: Store, *, register: bool, quiet: bool) -> None:
    """Write a front's networks to MLflow; print what was done, exit with status 1 if one could not be written."""
    os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", **os.environ})
    from orchestrator.tracking.syncing import write_models as write  # imports MLflow and torch

    written = write(name, store, register=register)
    if not quiet:
        say(f"{'models:':<11}{len(written.models)} networks of the front, {written.new} of them new")
        for alias, trial in written.aliases.items():
            say(f"{'':<11}models:/{name}@{alias} is trial {trial}")
    for trial, reason in written.refused.items():
        say(f"espalier: trial {trial} is no model in MLflow: {reason}", error=True)
    if written.refused:
        raise typer.Exit(1)


def lines(exported: "TrialExport") -> list[str]:
    """Return what a user wants to know about an exported network."""
    file, latency, signature = exported.file, exported.latency, exported.network.signature
    shape, inputs = ", ".join(map(str, signature.input_shape)), exported.network.inputs
    record = exported.network.record
    origin = f"trial {record.trial} of {record.study} ({record.paradigm})"
    told = [
        f"{file.path}: {origin} as {file.format}, {file.bytes:,} bytes",
        f"{'checked:':<11}outputs differ from the network's by at most {file.difference:.1e} of the largest",
        f"{'note:':<11}{file.note}",
        f"{f'{inputs.name}:':<11}float32 (N, {shape}): {inputs.meaning}",
        f"{'load it:':<11}({'with' if file.format == Format.PACKED else 'without'} espalier)",
        *(f"    {line}" for line in exported.load.splitlines()),
        f"{'latency:':<11}{1e3 * latency.exported:.3f} ms {inputs.one}, dense network {1e3 * latency.dense:.3f} ms: "
        f"{_times(latency.speedup)} ({latency.engine}, {latency.threads} thread{'s' if latency.threads != 1 else ''}), "
        f"with {latency.macs_left:.1%} of its MACs",
    ]
    if exported.dynamic:
        told.append(f"{'dynamic:':<11}{exported.dynamic}")
    if exported.expanded:
        told.append(f"{'expanded:':<11}{exported.expanded}")
    if latency.hint:
        told.append(f"{'widths:':<11}{latency.hint}")
    return told + _of_zeros(exported)


def _of_zeros(exported: "TrialExport") -> list[str]:
    if not exported.gains:
        return []
    masked = f"{exported.zeros:.1%} of the weights are masked: zeros in the file, which take as long as others"
    gains = [_of_gain(gain.layout, gain.layers, gain.speedup, gain.why) for gain in exported.gains]
    return [f"{'zeros:':<11}{masked}", *(f"{'':<11}{gain}" for gain in gains)]


def _of_gain(layout: str, layers: int, speedup: float | None, why: str) -> str:
    if speedup is None:
        return f"{layout} {why}"
    held = f"{layers} linear layer{'s' if layers != 1 else ''}"
    return f"{layout} in {held} would make it {_times(speedup)} here; torch.export refuses to write such tensors"


def _times(speedup: float) -> str:
    return f"{speedup:.2f} times faster" if speedup >= 1 else f"{1 / speedup:.2f} times slower"
