"""A journal whatever its lines lie in: what was written is what is read, and nothing else is believed."""

import json
import pickle
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from orchestrator.ledger.journal import Holder, Journal, LedgerLost, OwnLines, StudyBusy, busy, open_snapshot
from orchestrator.ledger.proof import LedgerDamaged, Origin, Position, is_proven, unproven
from trainables.errors import RequestRefused, StudyStopped

ORIGIN = Origin("journal.log", "small", "espalier-store")


class ListedLines(OwnLines):
    """Lines in a list, as a file or a server would hold them; `broken` makes writing fail half-way."""

    def __init__(self, lines: Iterable[bytes] = (), witness: Position | None = None) -> None:
        super().__init__(ORIGIN)
        self.lines, self.witness, self.broken = list(lines), witness, False
        self.began = 0

    def witnessed(self) -> Position | None:
        return self.witness

    def stored(self) -> list[bytes]:
        return list(self.lines)

    def begin(self) -> None:
        self.began += 1

    def write(self, lines: list[bytes]) -> None:
        if self.broken:
            raise OSError("no space left")
        self.lines += lines

    def flush(self) -> None:
        pass

    def flush_soon(self) -> None:
        pass

    def close(self) -> None:
        pass


def written(trials: int = 2) -> ListedLines:
    """Return the lines of a study with some running trials."""
    lines = ListedLines()
    journal = Journal(lines)
    study = journal.create_new_study([StudyDirection.MAXIMIZE], "small")
    for _ in range(trials):
        journal.create_new_trial(study, create_trial(state=TrialState.RUNNING))
    return lines


def trials_in(lines: Iterable[bytes], witness: Position | None = None) -> int:
    storage = open_snapshot(lines, witness, ORIGIN)
    (study,) = storage.get_all_studies()
    return len(storage.get_all_trials(study._study_id))


def test_a_snapshot_holds_what_was_written_up_to_any_line() -> None:
    lines = written(3).lines
    assert [trials_in(lines[:end]) for end in range(1, 5)] == [0, 1, 2, 3]
    assert open_snapshot([], None, ORIGIN).get_all_studies() == []


def test_a_snapshot_refuses_to_be_written_and_says_so() -> None:
    storage = open_snapshot(written().lines, None, ORIGIN)
    with pytest.raises(PermissionError, match="opened for reading; 1 lines cannot be appended"):
        storage.create_new_study([StudyDirection.MAXIMIZE], "other")


def test_stored_lines_are_read_once_and_writing_begins_after_them() -> None:
    lines = written()
    again = ListedLines(lines.lines)
    journal = Journal(again)
    assert again.began == 1
    (study,) = journal.get_all_studies()
    again.lines.insert(0, b"somebody else's")  # would be found damaged if it were read again
    assert len(journal.get_all_trials(study._study_id)) == 2
    journal.create_new_trial(study._study_id)
    assert len(journal.get_all_trials(study._study_id)) == 3
    assert again.began == 1
    assert trials_in(again.lines[1:]) == 3


def test_a_write_that_failed_leaves_no_trace_and_the_next_one_follows() -> None:
    lines = written()
    journal = Journal(ListedLines(lines.lines))
    backend = journal._lines
    assert isinstance(backend, ListedLines)
    (study,) = journal.get_all_studies()
    backend.broken = True
    with pytest.raises(OSError, match="no space left"):
        journal.create_new_trial(study._study_id)
    backend.broken = False
    journal.create_new_trial(study._study_id)
    assert trials_in(backend.lines) == 3


def test_lines_that_a_failed_write_leaves_behind_are_followed() -> None:
    class Lasting(ListedLines):
        takes_back = False

        def write(self, lines: list[bytes]) -> None:
            self.lines += lines
            super().write([])

    lasting = Lasting()
    journal = Journal(lasting)
    journal.create_new_study([StudyDirection.MAXIMIZE], "small")
    lasting.broken = True
    with pytest.raises(OSError, match="no space left"):
        lasting.append_logs([{"op_code": 2, "study_id": 0, "user_attr": {"n": 1}}])
    lasting.broken = False
    lasting.append_logs([{"op_code": 2, "study_id": 0, "user_attr": {"n": 2}}])
    assert trials_in(lasting.lines) == 0
    assert [is_proven(line) for line in lasting.lines] == [True] * 3


def test_what_the_sampler_drew_is_in_the_lines_and_not_read_back() -> None:
    lines = ListedLines()
    journal = Journal(lines)
    study = journal.create_new_study([StudyDirection.MAXIMIZE], "small")
    drawn = create_trial(
        state=TrialState.RUNNING, params={"lr": 0.1}, distributions={"lr": FloatDistribution(0, 1)}, user_attrs={"a": 1}
    )
    journal.create_new_trial(study, drawn)
    assert json.loads(lines.lines[1])["params"] == {"lr": 0.1}
    for storage in (journal, open_snapshot(lines.lines, None, ORIGIN)):
        (trial,) = storage.get_all_trials(study)
        assert (trial.params, trial.distributions, trial.user_attrs) == ({}, {}, {"a": 1})


@settings(max_examples=30)
@given(at=st.integers(1, 3), data=st.data())
def test_a_line_that_is_lost_changed_or_doubled_is_recognised_by_readers_and_drivers(
    at: int, data: st.DataObject
) -> None:
    lines = written(3).lines
    changed = lines[at].replace(b'"worker_id"', b'"worker_ID"')
    damaged = data.draw(
        st.sampled_from(
            [
                [*lines[:at], *lines[at + 1 :]],
                [*lines[: at + 1], *lines[at:]],
                [*lines[:at], changed, *lines[at + 1 :]],
                [*lines[:at], unproven(lines[at]), *lines[at + 1 :]],
            ]
        )
    )
    length = Position(4, 3, json.loads(lines[3])["proof"].split()[3])
    assert trials_in(lines, length) == 3
    with pytest.raises(LedgerDamaged, match=r"journal\.log: "):
        open_snapshot(damaged, length, ORIGIN)
    with pytest.raises(LedgerDamaged, match=r"journal\.log: "):
        Journal(ListedLines(damaged, length))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"", "line 3 is not JSON"),
        (b"\xff", "line 3 is not JSON"),
        (b'{"op_code":', "line 3 is not JSON"),
        (b"[" * 100_000, "line 3 is not JSON"),
        (b"5", "line 3 cannot be understood"),
        (b"[]", "line 3 cannot be understood"),
        (b'{"op_code":77}', "line 3 cannot be understood"),
        (b'{"op_code":4,"study_id":5,"datetime_start":"yesterday"}', "line 3 cannot be understood"),
        (b'{"op_code":6,"trial_id":9,"state":1,"values":[1]}', "line 3 cannot be understood"),
    ],
)
def test_a_line_without_a_proof_that_is_no_line_is_named(line: bytes, what: str) -> None:
    early = [unproven(line) for line in written(1).lines]
    assert trials_in(early) == 1
    uses: list[Callable[[], object]] = [
        lambda: open_snapshot([*early, line], None, ORIGIN),
        lambda: Journal(ListedLines([*early, line])),
    ]
    for use in uses:
        with pytest.raises(LedgerDamaged) as refused:
            use()
        assert (refused.value.where, refused.value.what) == ("journal.log", what)


def test_a_damaged_journal_is_not_written() -> None:
    left = written().lines[1:]
    lines = ListedLines(left)
    with pytest.raises(LedgerDamaged, match="line 1 was line 2: 1 before it are missing"):
        Journal(lines)
    assert (lines.began, lines.lines) == (0, left)


def test_a_journal_tells_whether_all_its_lines_have_proofs() -> None:
    assert Journal(ListedLines(written().lines)).is_proven
    early = Journal(ListedLines(map(unproven, written().lines)))
    assert not early.is_proven
    (study,) = early.get_all_studies()
    early.create_new_trial(study._study_id)
    assert not early.is_proven


def test_who_drives_a_study_is_told_to_the_one_that_is_refused() -> None:
    now = datetime.now(UTC)
    error = busy("small", str(Holder(17, "node-1", now, now)))
    assert str(error) == ("study 'small' is being run by process 17 on node-1; wait for it or stop it, then try again")
    assert (isinstance(error, RequestRefused), error.exit_status) == (True, 2)


def test_a_lost_ledger_stops_the_study_and_a_busy_one_refuses_it() -> None:
    assert (issubclass(LedgerLost, StudyStopped), LedgerLost.exit_status) == (True, 1)
    assert issubclass(StudyBusy, RuntimeError)
    damaged = ORIGIN.damaged("is empty")
    sent = pickle.loads(pickle.dumps(damaged))
    assert (str(sent), sent.where, sent.what, sent.command) == (
        str(damaged),
        damaged.where,
        damaged.what,
        damaged.command,
    )
