"""A small share of the fuzz: nothing that somebody writes into a study file ends in a traceback."""

from pathlib import Path

import pytest

from benchmarks import fuzz


def test_study_files_that_are_wrong_are_refused_with_a_key(tmp_path: Path) -> None:
    tally = fuzz.validate(fuzz.mutants(300, seed=1), tmp_path)
    assert tally.wrong == []
    assert tally.outcomes["refused"] > 200


def test_what_has_no_key_is_noticed() -> None:
    assert fuzz._is_placed("seed = 1: must be less", "seed")
    assert fuzz._is_placed("is not YAML in line 3, column 1: x", "")
    assert not fuzz._is_placed("must be less", "")
    assert not fuzz._is_placed("seed: see https://errors.pydantic.dev", "seed")


def test_commands_that_make_no_sense_end_in_order(tmp_path: Path) -> None:
    tally = fuzz.run(fuzz.commands(4, seed=3), tmp_path)
    assert tally.wrong == []
    assert tally.outcomes.total() == 4


@pytest.mark.parametrize("seed", [0, 1])
def test_a_seed_gives_the_same_files_again(seed: int) -> None:
    assert list(fuzz.mutants(20, seed)) == list(fuzz.mutants(20, seed))
