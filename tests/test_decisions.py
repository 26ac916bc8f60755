"""The decision log against a plain model: any sequence of decisions and steps between them."""

import shutil
import sqlite3
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from unittest import mock

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core import decision_log
from core.decisions import (
    annotate,
    decide,
    decisions_version,
    entry_rows,
    go_back,
    is_present,
    load_decisions,
    redo,
    undo,
)
from core.errors import InputError
from core.project import SCHEMA_VERSION, Project

ROWS = 23
some_rows = st.sets(st.integers(0, ROWS - 1), min_size=1)
some_label = st.sampled_from(["good", "später", "☂"])


class Model:
    """A state as plain sets; what is not given stays."""

    def __init__(self, before=None, dropped=None, pinned=None, tags=None):
        self.dropped = before.dropped if dropped is None else dropped
        self.pinned = before.pinned if pinned is None else pinned
        self.tags = before.tags if tags is None else tags


class Log(RuleBasedStateMachine):
    """Keeps whole states in two lists, where the engine keeps a log."""

    @initialize()
    def begin(self):
        import tempfile

        # Few and near, so that short sequences meet their limits.
        self.patch = mock.patch.multiple(decision_log, _STATES=3, _STATE_EVERY=2)
        self.patch.start()
        self.folder = tempfile.TemporaryDirectory()
        self.project = Project.create(self.folder.name + "/p")
        self.now = Model(None, frozenset(), frozenset(), {})
        self.past, self.future, self.after, self.notes = [], [], [self.now], {}
        # Entries of the steps that stand and of those taken back; of each undo or redo, its step.
        self.done, self.undone, self.steps = [], [], {}

    def teardown(self):
        if hasattr(self, "folder"):
            self.patch.stop()
            self.folder.cleanup()

    def _decide(self, action, rows, label=None, **changed):
        decide(self.project, ROWS, action, np.array(sorted(rows)), "test", label=label)
        self._go(Model(self.now, **changed))

    def _go(self, state):
        self.past.append(self.now)
        self.future.clear()
        self.done.append(len(self.after))
        self.undone.clear()
        self.now = state
        self.after.append(state)

    def _step(self, come, go):
        go.append(come.pop())
        self.steps[len(self.after)] = go[-1]

    @rule(rows=some_rows)
    def drop(self, rows):
        self._decide("drop", rows, dropped=self.now.dropped | rows, pinned=self.now.pinned - rows)

    @rule(rows=some_rows)
    def keep(self, rows):
        dropped = self.now.dropped | (set(range(ROWS)) - rows)
        self._decide("keep", rows, dropped=dropped, pinned=self.now.pinned & rows)

    @rule(rows=some_rows)
    def pin(self, rows):
        self._decide("pin", rows, dropped=self.now.dropped - rows, pinned=self.now.pinned | rows)

    @rule(rows=some_rows)
    def restore(self, rows):
        self._decide("restore", rows, dropped=self.now.dropped - rows)

    @rule(rows=some_rows)
    def unpin(self, rows):
        self._decide("unpin", rows, pinned=self.now.pinned - rows)

    @rule(rows=some_rows, label=some_label)
    def tag(self, rows, label):
        tags = self.now.tags
        self._decide("tag", rows, label, tags=tags | {label: tags.get(label, set()) | rows})

    @precondition(lambda self: self.now.tags)
    @rule(rows=some_rows, data=st.data())
    def untag(self, rows, data):
        label = data.draw(st.sampled_from(sorted(self.now.tags)))
        tags = self.now.tags | {label: self.now.tags[label] - rows}
        self._decide("untag", rows, label, tags={k: v for k, v in tags.items() if v})

    @precondition(lambda self: self.past)
    @rule()
    def undo(self):
        undo(self.project, ROWS)
        self._step(self.done, self.undone)
        self.future.append(self.now)
        self.now = self.past.pop()
        self.after.append(self.now)

    @precondition(lambda self: self.future)
    @rule()
    def redo(self):
        redo(self.project, ROWS)
        self._step(self.undone, self.done)
        self.past.append(self.now)
        self.now = self.future.pop()
        self.after.append(self.now)

    @rule(data=st.data())
    def go_back(self, data):
        entry = data.draw(st.integers(0, len(self.after)))
        here = entry < len(self.after) and self.after[entry] is self.now
        assert is_present(self.project, ROWS, entry) == here
        if entry == len(self.after) or here:
            with pytest.raises(InputError, match=r"no entry|already"):
                go_back(self.project, ROWS, entry)
        else:
            go_back(self.project, ROWS, entry)
            self._go(self.after[entry])

    @precondition(lambda self: len(self.after) > 1)
    @rule(data=st.data(), note=st.sampled_from(["", "why", "two\nlines"]))
    def annotate(self, data, note):
        entry = data.draw(st.integers(1, len(self.after) - 1))
        if load_decisions(self.project, ROWS).log[entry - 1].action in decision_actions:
            annotate(self.project, entry, note)
            self.notes[entry] = note or None
            self.after.append(self.now)
        else:
            with pytest.raises(InputError, match="is no decision"):
                annotate(self.project, entry, note)

    @rule()
    def forget(self):
        """Another process has read nothing yet."""
        decision_log._logs.clear()

    @invariant()
    def same_state(self):
        if not hasattr(self, "project"):
            return
        state = load_decisions(self.project, ROWS)
        assert set(np.flatnonzero(state.dropped)) == self.now.dropped
        assert set(state.pinned_rows) == self.now.pinned
        assert set(state.candidates) == set(range(ROWS)) - self.now.dropped
        tags = {label: set(np.flatnonzero(state.tags[label])) for label in state.tags}
        assert tags == self.now.tags
        assert state.tags.counts == {label: len(rows) for label, rows in tags.items()}
        assert state.can_undo == bool(self.past)
        assert state.can_redo == bool(self.future)
        for entry, steps in ((state.to_undo, self.done), (state.to_redo, self.undone)):
            assert entry == (state.log[steps[-1] - 1] if steps else None)
        for entry, of in self.steps.items():
            undid, step = state.log[of - 1], state.log[entry - 1]
            assert step.about == of and step.sentence == f"{step.action}: {undid.sentence}"
        assert len(state.log) == len(self.after) - 1 == decisions_version(self.project)
        for entry, note in self.notes.items():
            assert state.log[entry - 1].note == note


decision_actions = ("drop", "keep", "restore", "pin", "unpin", "tag", "untag")
TestLog = Log.TestCase
TestLog.settings = settings(max_examples=15, stateful_step_count=20)


@pytest.fixture
def project(tmp_path):
    return Project.create(tmp_path / "p")


@pytest.mark.parametrize("step", [undo, redo])
def test_nothing_to_step_back_or_forward_to(project, step):
    with pytest.raises(InputError, match="nothing to"):
        step(project, ROWS)


@pytest.mark.parametrize(
    ("action", "rows", "said", "message"),
    [
        ("drop", [], {}, "No rows to drop"),
        ("drop", [ROWS], {}, f"no row {ROWS}"),
        ("pin", [-1], {}, "no row -1"),
        ("burn", [1], {}, "Unknown decision"),
        ("undo", [1], {}, "Unknown decision"),
        ("tag", [1], {}, "tag needs a label"),
        ("drop", [1], {"label": "a"}, "drop takes no label"),
        ("tag", [1], {"label": " \n "}, "label is empty"),
        ("tag", [1], {"label": "x" * 65}, "at most 64"),
        ("tag", [1], {"label": "two\nlines"}, "without control"),
        ("tag", [1], {"label": "two\u2028lines"}, "without control"),
        ("tag", [1], {"label": "half \ud83d"}, "without control"),
        ("untag", [1], {"label": "a"}, "No row has the label 'a'; labels: none yet"),
        ("drop", [1], {"note": "x" * 501}, "at most 500"),
        ("drop", [1], {"note": "a\x1b[2Jb"}, "without control"),
    ],
)
def test_bad_decisions_are_refused_and_leave_no_entry(project, action, rows, said, message):
    with pytest.raises(InputError, match=message):
        decide(project, ROWS, action, np.array(rows, np.int64), "test", **said)
    assert load_decisions(project, ROWS).log == ()
    assert decisions_version(project) == 0


def test_labels_have_a_number(project, monkeypatch):
    monkeypatch.setattr("core.decisions.MOST_LABELS", 2)
    for label in ("a", "b", "a"):
        decide(project, ROWS, "tag", [1], "test", label=label)
    with pytest.raises(InputError, match="2 labels already"):
        decide(project, ROWS, "tag", [1], "test", label="c")
    decide(project, ROWS, "untag", [1], "test", label="b")
    assert list(decide(project, ROWS, "tag", [1], "test", label="c").tags) == ["a", "c"]


def test_one_label_however_it_is_typed(project):
    decide(project, ROWS, "tag", [1], "test", label="café")
    state = decide(project, ROWS, "tag", [2], "test", label=" cafe\u0301 ")
    assert state.tags.counts == {"café": 2}


def test_the_log_says_what_how_many_and_from_where(project):
    decide(project, ROWS, "drop", np.array([3, 1, 3]), "map lasso", note=" rude \r\n or wrong ")
    undo(project, ROWS)
    first, second = load_decisions(project, ROWS).log
    assert (first.action, first.row_count, first.origin, first.active, first.note) == (
        "drop",
        2,
        "map lasso",
        False,
        "rude \n or wrong",
    )
    assert (second.action, second.note) == ("undo", None)


def test_the_rows_of_a_decision(project):
    decide(project, ROWS, "drop", np.array([3, 1, 3]), "test")
    decide(project, ROWS, "keep", np.arange(9) + 2, "test")
    undo(project, ROWS)
    assert entry_rows(project, ROWS, 1).tolist() == [1, 3]
    assert entry_rows(project, ROWS, 2).tolist() == list(range(2, 11))
    for entry, message in ((3, "is no decision"), (4, "no entry 4"), (0, "no entry 0")):
        with pytest.raises(InputError, match=message):
            entry_rows(project, ROWS, entry)


def test_a_decision_as_a_person_says_it(project):
    decide(project, ROWS, "drop", [1], "test")
    decide(project, ROWS, "restore", [1, 2], "test")
    decide(project, ROWS, "tag", [1], "test", label="a {rows}")
    decide(project, ROWS, "untag", [1], "test", label="a {rows}")
    undo(project, ROWS)
    go_back(project, ROWS, 1)
    go_back(project, ROWS, 0)
    annotate(project, 1, "why")
    assert [entry.sentence for entry in load_decisions(project, ROWS).log] == [
        "dropped 1 row",
        "restored 2 rows",
        "tagged 1 row “a {rows}”",
        "took the tag “a {rows}” off 1 row",
        "undo: took the tag “a {rows}” off 1 row",
        "went back to entry 1",
        "went back to before all decisions",
        "a note on entry 1",
    ]


def test_a_state_cannot_be_written_to(project):
    state = decide(project, ROWS, "tag", [1], "test", label="a")
    for array in (state.dropped, state.pinned, state.tags["a"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = True


def test_another_project_at_the_same_place_is_read_anew(tmp_path):
    for row in (3, 5):
        project = Project.create(tmp_path / "p")
        for _ in range(row):
            decide(project, ROWS, "pin", [row], "test")
        assert load_decisions(project, ROWS).pinned_rows.tolist() == [row]
        assert len(load_decisions(project, ROWS).log) == row
        shutil.rmtree(project.root)


def test_only_new_decisions_are_unpacked(project, monkeypatch):
    for row in range(20):
        decide(project, ROWS, "drop", [row], "test")
    unpacked = []

    def note(blob):
        unpacked.append(blob)
        return from_blob(blob)

    from_blob = decision_log.from_blob
    monkeypatch.setattr(decision_log, "from_blob", note)
    decide(project, ROWS, "pin", [3], "test")
    assert load_decisions(project, ROWS) is load_decisions(project, ROWS)
    assert len(unpacked) == 1
    decision_log._logs.clear()
    assert load_decisions(project, ROWS).pinned_rows.tolist() == [3]
    assert len(unpacked) == 22


def test_memory_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(decision_log, "_STATES", 5)
    projects = [Project.create(tmp_path / str(n)) for n in range(decision_log._LOGS + 2)]
    for project in projects:
        for row in range(7):
            decide(project, ROWS, "drop", [row], "test")
    assert len(decision_log._logs) == decision_log._LOGS
    assert {len(log._states) for log in decision_log._logs.values()} == {5}
    assert [load_decisions(project, ROWS).dropped.sum() for project in projects] == [7] * 6


def test_two_windows_cannot_take_the_same_step_twice(project):
    decide(project, ROWS, "drop", [1], "test")
    decide(project, ROWS, "pin", [2], "test")

    def step(action):
        start.wait()
        try:
            action()
        except InputError:
            return "refused"
        return "done"

    start = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        told = pool.map(step, [lambda: go_back(project, ROWS, 1)] * 2)
        assert sorted(told) == ["done", "refused"]
        undo(project, ROWS)
        undo(project, ROWS)
        told = pool.map(step, [lambda: undo(project, ROWS)] * 2)
        assert sorted(told) == ["done", "refused"]
    assert len(load_decisions(project, ROWS).log) == 6


def test_windows_that_decide_at_once_lose_nothing(project):
    """Each thread owns rows; what it did last to them stands, and is the end of its log."""

    def work(window):
        mine = np.arange(ROWS) % 3 == window
        for _ in range(8):
            own = decide(project, ROWS, "drop", mine, f"window {window}")
            assert own.log[-1].origin == own.to_undo.origin == f"window {window}"
            seen = decide(project, ROWS, "tag", mine, "test", label=str(window))
            assert seen.dropped[mine].all() and seen.tags[str(window)][mine].all()
            assert decide(project, ROWS, "pin", mine, "test").pinned[mine].all()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    decision_log._logs.clear()
    state = load_decisions(project, ROWS)
    assert state.pinned.all() and not state.dropped.any() and len(state.log) == 72
    assert sum(state.tags.counts.values()) == ROWS


def test_undo_takes_back_what_was_seen_and_nothing_else(project):
    seen = decide(project, ROWS, "drop", [1], "test").to_undo.id
    other = decide(project, ROWS, "pin", [2], "another window").to_undo.id
    for expected in (seen, 0):
        with pytest.raises(
            InputError, match=r"Nothing was undone: .* another step by now \(pinned 1 row\)"
        ):
            undo(project, ROWS, expected=expected)
    assert len(load_decisions(project, ROWS).log) == 2
    assert undo(project, ROWS, expected=other).log[-1].what == "pinned 1 row"
    with pytest.raises(
        InputError, match=r"Nothing was redone: .* another step by now \(pinned 1 row\)"
    ):
        redo(project, ROWS, expected=seen)
    assert redo(project, ROWS, expected=other).log[-1].what == "pinned 1 row"


OLD_SCHEMA = """
CREATE TABLE pointers (kind TEXT PRIMARY KEY, fingerprint TEXT NOT NULL);
CREATE TABLE runs (id TEXT PRIMARY KEY, created REAL NOT NULL, report TEXT NOT NULL);
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL NOT NULL, action TEXT NOT NULL,
    rows BLOB, row_count INTEGER NOT NULL, origin TEXT NOT NULL);
PRAGMA user_version=1;
"""


def _old_project(root):
    """A project as version 1 of the database had it: dropped 1 and 2, undone, pinned 4."""
    root.mkdir()
    with closing(sqlite3.connect(root / "project.db")) as db, db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(OLD_SCHEMA)
        db.execute("INSERT INTO pointers VALUES ('pool', 'abc')")
        for action, rows in (("drop", [1, 2]), ("undo", None), ("pin", [4])):
            blob = zlib.compress(np.packbits(np.isin(range(ROWS), rows)), 1) if rows else None
            db.execute(
                "INSERT INTO decisions (created, action, rows, row_count, origin)"
                " VALUES (?, ?, ?, ?, 'map lasso')",
                (1.7e9 + len(action), action, blob, len(rows or ())),
            )


def test_a_project_of_an_older_winnow_is_upgraded_with_nothing_lost(tmp_path):
    _old_project(tmp_path / "p")
    shutil.copytree(tmp_path / "p", tmp_path / "copy")
    start = threading.Barrier(4)

    def open_at_once(_):
        start.wait()
        return Project.open(tmp_path / "p")

    with ThreadPoolExecutor(4) as pool:
        project, *_ = pool.map(open_at_once, range(4))
    with project.database() as db:
        assert db.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    assert project.pointer("pool") == "abc"
    state = load_decisions(project, ROWS)
    assert state.pinned_rows.tolist() == [4] and not state.dropped.any()
    assert [(e.id, e.action, e.row_count, e.active) for e in state.log] == [
        (1, "drop", 2, False),
        (2, "undo", 0, False),
        (3, "pin", 1, True),
    ]
    again = load_decisions(Project.open(tmp_path / "copy"), ROWS)
    assert [entry.uid for entry in again.log] == [entry.uid for entry in state.log]
    assert len({entry.uid for entry in state.log}) == 3
    state = decide(project, ROWS, "tag", [5], "test", label="new", note="later")
    assert state.log[-1].id == 4 and state.tags.counts == {"new": 1}
    assert go_back(project, ROWS, 1).dropped.sum() == 2


def test_creating_over_a_project_upgrades_it_or_leaves_a_newer_one_alone(tmp_path):
    _old_project(tmp_path / "p")
    project = Project.create(tmp_path / "p")
    decide(project, ROWS, "tag", [5], "test", label="new")
    with project.database() as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(InputError, match="newer Winnow"):
        Project.create(tmp_path / "p")
    with project.database() as db:
        assert db.execute("PRAGMA user_version").fetchone() == (99,)
