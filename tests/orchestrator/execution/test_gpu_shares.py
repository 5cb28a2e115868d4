"""How many trials share a GPU: what follows from the figures of a measurement, and where there is none."""

import io
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from orchestrator.execution import gpu_probe, gpu_shares
from orchestrator.execution.gpu_shares import (
    CONTEXT,
    COUNTS,
    SPARE,
    Together,
    fits,
    measured,
    settled,
    shared_by,
    together,
    trials_per_gpu,
)
from orchestrator.spec.history import write_study
from orchestrator.spec.sections import Resources
from orchestrator.spec.spec_errors import StudyError
from orchestrator.spec.study_spec import StudySpec
from orchestrator.store.store import Store
from tests.orchestrator import small
from trainables.errors import InvalidValue
from trainables.spec import ModelSpec

GIB = 2.0**30


def an_auto(**resources: Any) -> StudySpec:
    return small.study(
        data={"name": "digits", "subset": 100}, model={"name": "mlp"}, resources={"gpus": "auto"} | resources
    )


def asked(
    rates: Mapping[int, float], *, taken: float = GIB, memory: float = 80 * GIB, most: int = 8
) -> dict[int, float]:
    """Measure on a GPU on which so many trials are so fast; those without a rate fail."""
    return measured(lambda trials: Together(rates[trials], taken) if trials in rates else None, memory, most)


def test_trials_share_a_gpu_as_long_as_more_of_them_are_faster() -> None:
    assert trials_per_gpu(asked({1: 100, 2: 190, 4: 350, 8: 500})) == 8
    assert trials_per_gpu(asked({1: 100, 2: 190, 4: 350, 8: 360})) == 4
    assert trials_per_gpu(asked({1: 100, 2: 103, 4: 1000})) == 1, "a number that brings nothing ends the search"
    assert trials_per_gpu(asked({1: 100, 2: 60, 4: 70})) == 1


def test_only_as_many_are_measured_as_have_room() -> None:
    rates = {count: 100.0 * count for count in COUNTS}
    assert max(asked(rates, most=5)) == 4
    assert max(asked(rates, most=0)) == 1
    assert max(asked(rates, memory=3 * (SPARE * GIB + CONTEXT))) == 2
    assert max(asked({1: 100, 2: 200})) == 2, "four of them ran out of memory"
    assert asked({}) == {}


@given(st.floats(0, 1e12), st.floats(1e6, 1e12), st.sampled_from(COUNTS[1:]))
def test_what_fits_with_more_trials_fits_with_fewer(taken: float, memory: float, trials: int) -> None:
    assert fits(trials // 2, taken, memory) or not fits(trials, taken, memory)


@given(st.dictionaries(st.sampled_from(COUNTS), st.floats(1, 1e6), min_size=1))
def test_no_number_is_much_faster_than_the_one_chosen(rates: dict[int, float]) -> None:
    assert rates[trials_per_gpu(rates)] >= 0.95 * max(rates.values())


def test_a_trial_alone_has_the_gpu_and_needs_no_service() -> None:
    auto = Resources(gpus="auto", mps=True, cpus=2)
    alone, four = shared_by(auto, 1), shared_by(auto, 4)
    assert (alone.share, alone.mps, alone.cpus) == (1, False, 2)
    assert (four.share, four.mps, four.cpus) == (0.25, True, 2)


def a_store(tmp_path: Path) -> Store:
    return Store.at(tmp_path)


def test_without_a_gpu_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InvalidValue, match=r"resources.gpus = 'auto': needs a GPU .*write a number"):
        settled(an_auto(), a_store(tmp_path), None, print)


def test_different_gpus_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: ("L4", "H100")[number])
    with pytest.raises(InvalidValue, match=r"different ones \(H100, L4\)"):
        settled(an_auto(), a_store(tmp_path), None, print)


def cifar(folder: Path) -> StudySpec:
    """Return a study whose data may be downloaded, and are not there yet."""
    data = {"name": "cifar10", "root": str(folder), "download": True}
    return small.study(data=data, model={"name": "mlp"}, resources={"gpus": "auto"})


def test_data_that_are_still_to_be_downloaded_are_not_measured_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_shares, "_card", lambda: ("H100", 80 * GIB, 1))
    with pytest.raises(InvalidValue, match=r"cifar10 is still to be downloaded: write a number"):
        settled(cifar(tmp_path), a_store(tmp_path), None, print)


@pytest.mark.parametrize(
    ("study", "why"),
    [
        ({"model": {"name": "lenet"}}, r"model\.name = 'lenet': needs images"),
        ({"model": {"name": "mlp"}, "paradigms": {"layer_only": {}}}, "mlp has no residual branches to gate"),
    ],
)
def test_a_network_that_cannot_do_what_is_asked_is_refused_before_it_is_measured(
    study: dict[str, Any], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_shares, "_card", lambda: ("H100", 80 * GIB, 1))
    monkeypatch.setattr(gpu_shares, "together", lambda *_: pytest.fail("it is measured"))
    with pytest.raises((InvalidValue, StudyError), match=why):
        settled(small.study(resources={"gpus": "auto"}, **study), a_store(tmp_path), None, print)


def test_a_process_that_cannot_train_says_why_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu_probe", "cpu"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(cifar(tmp_path).model_dump_json() + "\n"))
    with pytest.raises(SystemExit, match=r"^espalier: root = .* must contain cifar-10"):
        gpu_probe.main()


def talking(classes: int, input_shape: tuple[int, int, int]) -> nn.Module:
    """Build a network, and say so where answers are expected."""
    print("a network of somebody else")
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), classes))


def test_what_a_network_prints_is_no_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = an_auto().model_copy(update={"model": ModelSpec(name=f"{__name__}:talking")})
    monkeypatch.setattr(gpu_probe, "SECONDS", 0.01)
    monkeypatch.setattr(gpu_probe, "PIECE", 0.001)
    monkeypatch.setattr(sys, "argv", ["gpu_probe", "cpu"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{spec.model_dump_json()}\ntrain\n"))
    gpu_probe.main()
    said = capsys.readouterr()
    ready, figures = said.out.splitlines()
    assert (ready, len(figures.split())) == (gpu_probe.READY, 2)
    assert "a network of somebody else" in said.err


def test_a_cluster_may_have_other_gpus(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match=r"the cluster at 10\.0\.0\.1:6379 may have other GPUs"):
        settled(an_auto(), a_store(tmp_path), "10.0.0.1:6379", print)


def test_a_study_keeps_the_number_that_it_was_launched_with(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    folder = store.study("small")
    folder.spec.parent.mkdir(parents=True)
    write_study(folder.spec, an_auto().model_copy(update={"resources": Resources(gpus=0.25, mps=True, cpus=3)}))
    resources = settled(an_auto(cpus=1), store, None, print).resources
    assert (resources.share, resources.mps, resources.cpus) == (0.25, True, 1)


def test_a_number_is_left_as_it_is(tmp_path: Path) -> None:
    spec = small.study(resources={"gpus": 0.5})
    assert settled(spec, a_store(tmp_path), None, print) is spec


def test_as_long_as_it_is_not_measured_there_is_no_number() -> None:
    with pytest.raises(InvalidValue, match="write a number here"):
        _ = an_auto().resources.share


@pytest.mark.parametrize(
    ("resources", "why"),
    [({"workers": 2}, "for trials of one process"), ({"gpus": "all"}, "must be a number, without quotes, or auto")],
)
def test_auto_is_for_trials_of_one_process(resources: dict[str, object], why: str) -> None:
    with pytest.raises(StudyError, match=why):
        an_auto(**resources)


def test_trials_train_beside_each_other_and_one_that_cannot_is_noticed() -> None:
    seen = together(an_auto(), 2, "cpu")
    assert seen is not None
    assert seen.images_per_second > 0
    assert together(an_auto(), 1, "no such device") is None
