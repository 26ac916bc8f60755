"""The decision log against a plain model: any sequence of decide, undo and redo."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.decisions import decide, load_decisions, redo, undo
from core.errors import InputError
from core.project import Project

ROWS = 23
some_rows = st.sets(st.integers(0, ROWS - 1), min_size=1)


class Log(RuleBasedStateMachine):
    """Keeps whole states on two stacks, where the engine keeps a log."""

    @initialize()
    def begin(self):
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.project = Project.create(self.folder.name + "/p")
        self.past = [(frozenset(), frozenset())]
        self.future = []

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()

    def _decide(self, action, rows, dropped, pinned):
        decide(self.project, ROWS, action, np.array(sorted(rows)), "test")
        self.past.append((frozenset(dropped), frozenset(pinned)))
        self.future.clear()

    @rule(rows=some_rows)
    def drop(self, rows):
        dropped, pinned = self.past[-1]
        self._decide("drop", rows, dropped | rows, pinned - rows)

    @rule(rows=some_rows)
    def keep(self, rows):
        dropped, pinned = self.past[-1]
        self._decide("keep", rows, dropped | (set(range(ROWS)) - rows), pinned & rows)

    @rule(rows=some_rows)
    def pin(self, rows):
        dropped, pinned = self.past[-1]
        self._decide("pin", rows, dropped - rows, pinned | rows)

    @rule(rows=some_rows)
    def unpin(self, rows):
        dropped, pinned = self.past[-1]
        self._decide("unpin", rows, dropped, pinned - rows)

    @precondition(lambda self: len(self.past) > 1)
    @rule()
    def undo(self):
        undo(self.project, ROWS)
        self.future.append(self.past.pop())

    @precondition(lambda self: self.future)
    @rule()
    def redo(self):
        redo(self.project, ROWS)
        self.past.append(self.future.pop())

    @invariant()
    def same_state(self):
        if not hasattr(self, "project"):
            return
        state = load_decisions(self.project, ROWS)
        dropped, pinned = self.past[-1]
        assert set(np.flatnonzero(state.dropped)) == dropped
        assert set(state.pinned_rows) == pinned
        assert set(state.candidates) == set(range(ROWS)) - dropped
        assert state.can_undo == (len(self.past) > 1)
        assert state.can_redo == bool(self.future)


TestLog = Log.TestCase
TestLog.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


@pytest.fixture
def project(tmp_path):
    return Project.create(tmp_path / "p")


@pytest.mark.parametrize("step", [undo, redo])
def test_nothing_to_step_back_or_forward_to(project, step):
    with pytest.raises(InputError, match="nothing to"):
        step(project, ROWS)


@pytest.mark.parametrize(
    ("action", "rows", "message"),
    [
        ("drop", [], "No rows to drop"),
        ("drop", [ROWS], f"no row {ROWS}"),
        ("pin", [-1], "no row -1"),
        ("burn", [1], "Unknown decision"),
    ],
)
def test_bad_decisions_are_refused_and_leave_no_entry(project, action, rows, message):
    with pytest.raises(InputError, match=message):
        decide(project, ROWS, action, np.array(rows, np.int64), "test")
    assert load_decisions(project, ROWS).log == ()


def test_the_log_says_what_how_many_and_from_where(project):
    decide(project, ROWS, "drop", np.array([3, 1, 3]), "map lasso")
    undo(project, ROWS)
    first, second = load_decisions(project, ROWS).log
    assert (first.action, first.row_count, first.origin, first.active) == (
        "drop",
        2,
        "map lasso",
        False,
    )
    assert second.action == "undo"
