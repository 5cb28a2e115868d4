"""A comparison of studies, for people and for programs."""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from orchestrator.ledger.records import TrialRecord
from orchestrator.results.compare import Comparison, Entry, compare
from orchestrator.spec.study_spec import StudySpec
from orchestrator.terminal.comparison_tables import as_object, comparison_lines
from orchestrator.terminal.tables import MOST_ROWS
from tests.orchestrator import small
from tests.orchestrator.example import OBJECTIVES, told_trial

HALF = {"magnitude": {**small.FIXED, "sparsity": 0.5}}


def study(name: str, **changes: Any) -> StudySpec:
    return small.study(name=name, **{"objectives": OBJECTIVES, **changes})


def trials(*points: tuple[float, float]) -> list[TrialRecord]:
    """Return a trial for each pair of accuracy and MACs."""
    return [
        replace(told_trial(1), trial=number, metrics={"accuracy": accuracy, "macs": macs})
        for number, (accuracy, macs) in enumerate(points)
    ]


def compared(*studies: tuple[StudySpec, Sequence[TrialRecord]]) -> Comparison:
    return compare([Entry(spec, records, "0123") for spec, records in studies])


CHEAP = (study("cheap"), trials((0.6, 1e4), (0.7, 2e4)))
GOOD = (study("good", paradigms=HALF), trials((0.7, 3e4), (0.9, 4e4)))


def printed(comparison: Comparison) -> str:
    console = Console(file=io.StringIO(), width=250)
    console.print(comparison_lines(comparison))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(" ".join(line.split()) for line in console.file.getvalue().splitlines())


def rows_after(text: str, title: str) -> list[str]:
    """Return the rows of the table with a title, without its head."""
    begin = re.search(r"\s+".join(map(re.escape, title.split())), text)  # a title may be broken
    assert begin is not None, text
    below = [*text[begin.start() :].splitlines(), ""]
    first = next(number for number, line in enumerate(below) if line.startswith("─")) + 1
    return below[first : below.index("", first)]


def test_each_study_shows_its_trials_and_its_hypervolume_beside_the_common_reference() -> None:
    comparison = compared(CHEAP, GOOD)
    text = printed(comparison)
    title = "box up to the common reference: validation accuracy 0.00 %, effective MACs 40.0 k"
    cheap, good = (f"{group.hypervolumes[0]:.4f}" for group in comparison.groups)
    assert rows_after(text, title) == [f"cheap 2 of 4 2 2 {cheap}", f"good 2 of 4 2 2 {good}"]


def test_members_of_all_fronts_are_listed_best_first_with_those_that_beat_them() -> None:
    text = printed(compared(CHEAP, GOOD))
    rows = [row.split(" rounds")[0].split(" sparsity")[0] for row in rows_after(text, "The fronts beside each other")]
    assert [row.split()[:2] for row in rows] == [["good", "1"], ["cheap", "1"], ["good", "0"], ["cheap", "0"]]
    assert rows[2].endswith("70.00 % 30.0 k cheap")
    assert rows[3].endswith("60.00 % 10.0 k none")


def test_long_fronts_share_the_rows_of_the_table() -> None:
    most = MOST_ROWS // 2
    long = (study("long", paradigms=HALF), trials(*((0.5 + n / 1000, 1e4 + n) for n in range(most + 1))))
    text = printed(compared(CHEAP, long))
    assert f"{most} members of each long front, spread over it (long); --json gives all of them" in text
    assert len(rows_after(text, "The fronts beside each other")) == 2 + most
    assert "members of each long front" not in printed(compared(CHEAP, GOOD))


def test_each_front_says_how_much_of_the_others_it_attains() -> None:
    text = printed(compared(CHEAP, GOOD))
    assert rows_after(text, "How much of each column's front") == ["cheap 50%", "good 0%"]


def test_an_empty_front_is_attained_by_nobody_and_attains_nothing() -> None:
    comparison = compared(CHEAP, (study("empty", paradigms=HALF), []))
    text = printed(comparison)
    assert rows_after(text, "How much of each column's front") == ["cheap -", "empty 0%"]
    assert as_object(comparison)["coverage"]["cheap"]["empty"] is None


def test_ranges_say_which_study_is_best_where() -> None:
    text = printed(compared(CHEAP, GOOD))
    assert rows_after(text, "Which attains the best validation accuracy, by the effective MACs that is allowed") == [
        "10.0 k 30.0 k cheap 60.00 % to 70.00 % -",
        "30.0 k 40.0 k cheap, good 70.00 % 70.00 %",
        "40.0 k - good 70.00 % 90.00 %",
    ]


def test_a_second_objective_that_is_maximised_is_required_and_falls() -> None:
    objectives = {"macs": "minimize", "accuracy": "maximize"}
    cheap, good = study("cheap", objectives=objectives), study("good", objectives=objectives, paradigms=HALF)
    comparison = compared((cheap, CHEAP[1]), (good, GOOD[1]))
    text = printed(comparison)
    assert "from to above best" in text
    assert rows_after(text, "Which attains the best effective MACs, by the validation accuracy that is required") == [
        "90.00 % 70.00 % good - 40.0 k",
        "70.00 % - cheap 20.0 k to 10.0 k 30.0 k",
    ]
    assert as_object(comparison)["leads"][0] == {
        "from": 0.9,
        "to": 0.7,
        "best": ["good"],
        "attained": {"cheap": [None, None], "good": [4e4, 4e4]},
    }


def test_one_objective_has_no_ranges() -> None:
    one = {"accuracy": "maximize"}
    comparison = compared((study("a", objectives=one), CHEAP[1]), (study("b", objectives=one, paradigms=HALF), GOOD[1]))
    assert "Which attains" not in printed(comparison)
    assert as_object(comparison)["leads"] == []


def test_many_ranges_are_cut() -> None:
    count = MOST_ROWS + 50
    odd = trials(*((0.5 + n / 1000, 1e4 + n) for n in range(1, count, 2)))
    even = trials(*((0.5 + n / 1000, 1e4 + n) for n in range(0, count, 2)))
    text = printed(compared((study("odd"), odd), (study("even", paradigms=HALF), even)))
    assert f"{MOST_ROWS} of {count} ranges; --json gives all of them" in text
    assert len(rows_after(text, "Which attains the best")) == MOST_ROWS


def test_what_makes_fronts_incomparable_is_said_first_by_value() -> None:
    longer = [(study(name, epochs=8), CHEAP[1]) for name in ("b", "c")]
    first, grounds, *_ = printed(compared(CHEAP, *longer)).splitlines()
    assert first == "These fronts are not fully comparable, because the studies differ in:"
    assert grounds == "fidelity.epochs: 4 in cheap; 8 in b, c"


def test_other_differences_are_named_alone() -> None:
    text = printed(compared(CHEAP, GOOD))
    assert text.startswith("They differ in paradigms.magnitude\n")
    assert "not fully comparable" not in text


def test_a_long_or_missing_setting_is_abbreviated() -> None:
    text = printed(compared(CHEAP, (study("b", constraints={"accuracy": ">= 0.5"}), CHEAP[1])))
    assert "constraints.accuracy: nothing in cheap; >= 0.5 in b" in text
    augmentation = study("b", training={"milestones": [n / 100 for n in range(1, 30)]})
    text = printed(compared(CHEAP, (augmentation, CHEAP[1])))
    (line,) = [line for line in text.splitlines() if line.startswith("training.milestones")]
    assert line.endswith("... in b")


def seeds() -> Comparison:
    points = [trials((0.6, 1e4)), trials((0.7, 1e4)), trials((0.8, 1e4), (0.9, 5e4))]
    return compared(*((study(f"s{seed}", seed=seed), records) for seed, records in enumerate(points)))


def test_seeds_show_what_one_half_and_all_of_them_attain() -> None:
    comparison = seeds()
    text = printed(comparison)
    (group,) = comparison.groups
    title = (
        f"s0 + s1 + s2: what 3 seeds attain; hypervolume {group.mean:.4f} on average, "
        f"standard deviation {group.deviation:.4f}"
    )
    rows = rows_after(text, title)
    assert rows[0] == "at least one 90.00 % 50.0 k"
    assert rows[1] == "80.00 % 10.0 k"
    assert "half of them (2) 70.00 % 10.0 k" in text
    assert "all 60.00 % 10.0 k" in text
    assert text.startswith("They differ only in their seed\n")
    assert "How much of each" not in text


def test_a_long_surface_is_cut_in_the_table_and_whole_for_programs() -> None:
    many = [(0.5 + n / 1000, 1e4 + n) for n in range(100)]
    comparison = compared((study("s0", seed=0), trials(*many)), (study("s1", seed=1), trials(*many)))
    assert f"{100 - MOST_ROWS // 3} more; --json gives all" in printed(comparison)
    (group,) = as_object(comparison)["groups"]
    assert len(group["attainment"]["worst"]) == 100


def test_programs_get_values_in_their_own_units() -> None:
    found = as_object(compared(CHEAP, GOOD))
    assert (found["reference"], found["ideal"]) == ({"accuracy": 0.0, "macs": 4e4}, {"accuracy": 1.0, "macs": 0.0})
    assert found["comparable"]
    cheap, good = found["groups"]
    (entry,) = good["studies"]
    assert [(member["trial"], member["dominated_by"]) for member in entry["front"]] == [(1, []), (0, ["cheap"])]
    assert entry["front"][0]["hyperparameters"] == told_trial(1).params
    assert entry["front"][0]["metrics"] == {"accuracy": 0.9, "macs": 4e4}
    assert cheap["attainment"]["median"] == [{"accuracy": 0.7, "macs": 2e4}, {"accuracy": 0.6, "macs": 1e4}]
    assert cheap["hypervolume"]["deviation"] is None
    assert math.isclose(cheap["hypervolume"]["mean"], (0.7 * 0.5 + 0.6 * 0.25))
    assert found["leads"][-1]["to"] is None


@pytest.mark.parametrize("count", [2, 3])
def test_the_deviation_is_that_of_a_sample(count: int) -> None:
    spread = compared(*((study(f"s{n}", seed=n), trials((0.2 * (n + 1), 1e4), (0.0, 4e4))) for n in range(count)))
    (group,) = as_object(spread)["groups"]
    volumes = [entry["hypervolume"] for entry in group["studies"]]
    mean = sum(volumes) / count
    assert group["hypervolume"]["mean"] == pytest.approx(mean)
    assert group["hypervolume"]["deviation"] ** 2 == pytest.approx(sum((v - mean) ** 2 for v in volumes) / (count - 1))


def test_in_short_two_studies_take_about_twenty_lines_of_80_columns() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(comparison_lines(compared(CHEAP, GOOD), in_full=False))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) <= 22
    assert not any("beside each other" in line for line in lines)
