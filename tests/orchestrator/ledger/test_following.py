"""Reading a ledger that grows."""

from pathlib import Path

import pytest

from orchestrator.ledger import ledger
from orchestrator.ledger.following import FollowedLedger
from orchestrator.ledger.proof import LedgerDamaged
from orchestrator.store.store import Store
from orchestrator.sweep.sweep import Sweep
from tests.orchestrator import small
from tests.orchestrator.commands import a_study


def test_each_look_is_what_a_reader_of_the_whole_ledger_sees(tmp_path: Path) -> None:
    spec = small.study(trials=3)
    with small.launched(spec, tmp_path) as opened:
        sweep, followed = Sweep(opened, small.Silence()), FollowedLedger(opened.folder)
        assert followed.contents().records == []
        while (trial := sweep.next()) is not None:
            small.run_to_end(sweep, trial)
            assert followed.contents() == ledger.read_all(opened.folder)
        seen = followed.contents().records
        assert [one is other for one, other in zip(seen, followed.contents().records, strict=True)] == [True] * 3


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    folder = Store(tmp_path).study(a_study(tmp_path).name)
    whole = folder.journal.read_bytes()
    cut = whole.rstrip(b"\n").rfind(b"\n") + 20
    folder.witness.unlink()
    folder.journal.write_bytes(whole[:cut])
    followed = FollowedLedger(folder)
    before = followed.contents().records
    with folder.journal.open("ab") as journal:
        journal.write(whole[cut:])
    assert before != followed.contents().records == ledger.read(folder)


def test_a_ledger_that_was_replaced_is_read_from_its_beginning(tmp_path: Path) -> None:
    folder = Store(tmp_path / "one").study(a_study(tmp_path / "one").name)
    other = Store(tmp_path / "other").study(a_study(tmp_path / "other", trial_reason="another").name)
    followed = FollowedLedger(folder)
    followed.contents()
    for name in ("journal", "witness"):
        getattr(other, name).replace(getattr(folder, name))
    assert followed.contents().records[3].reason == "another"


def test_damage_is_named_and_a_repair_is_read(tmp_path: Path) -> None:
    folder = Store(tmp_path).study(a_study(tmp_path).name)
    whole, followed = folder.journal.read_bytes(), FollowedLedger(folder)
    known = followed.contents().records
    with folder.journal.open("ab") as journal:
        journal.write(b'{"op_code": 4}\n')
    with pytest.raises(LedgerDamaged):
        followed.contents()
    folder.journal.write_bytes(whole)
    assert followed.contents().records == known


def test_trials_are_judged_by_the_study_file_as_it_is_now(tmp_path: Path) -> None:
    spec = a_study(tmp_path)
    folder = Store(tmp_path).study(spec.name)
    followed = FollowedLedger(folder)
    assert followed.contents().records[0].feasible
    folder.spec.write_text(spec.model_copy(update={"constraints": {"accuracy": ">= 2"}}).as_yaml())
    assert not followed.contents().records[0].feasible
