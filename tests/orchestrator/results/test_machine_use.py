"""How a trial used its machine, summed up over the epochs in which that was measured."""

from dataclasses import replace

from hypothesis import given

from orchestrator.ledger.epoch import USAGE_FIELDS
from orchestrator.ledger.records import TrialRecord
from orchestrator.results.machine_use import machine_use
from tests.orchestrator.drawn import arbitrary_records
from tests.orchestrator.epochs import an_epoch
from tests.orchestrator.example import told_trial


def trial(*usage: dict[str, float]) -> TrialRecord:
    return replace(told_trial(1), curve=tuple(an_epoch(number, **known) for number, known in enumerate(usage, 1)))


def test_speed_and_device_use_are_medians_and_memory_is_the_highest_peak() -> None:
    record = trial(
        {"images_per_second": 10.0, "peak_memory": 5e6, "device_use": 0.5},
        {"images_per_second": 1000.0, "peak_memory": 9e6, "device_use": 0.75},
        {"images_per_second": 30.0, "peak_memory": 7e6, "device_use": 0.25},
    )
    assert machine_use(record) == {"images_per_second": 30.0, "peak_memory": 9e6, "device_use": 0.5}


def test_the_median_of_two_epochs_lies_between_them() -> None:
    assert machine_use(trial({"images_per_second": 10.0}, {"images_per_second": 20.0})) == {"images_per_second": 15.0}


def test_epochs_that_were_not_measured_do_not_count() -> None:
    record = trial({"peak_memory": 5e6}, {}, {"device_use": 0.9})
    assert machine_use(record) == {"peak_memory": 5e6, "device_use": 0.9}


def test_a_trial_without_epochs_or_measurements_has_no_use() -> None:
    assert machine_use(trial()) == machine_use(trial({}, {})) == {}


@given(arbitrary_records())
def test_each_figure_lies_within_what_was_measured(record: TrialRecord) -> None:
    use = machine_use(record)
    for name in USAGE_FIELDS:
        measured = [value for epoch in record.curve if (value := epoch.figure(name)) is not None]
        assert (name in use) == bool(measured)
        if measured:
            assert min(measured) <= use[name] <= max(measured)
    if "peak_memory" in use:
        assert use["peak_memory"] in [epoch.peak_memory for epoch in record.curve]
