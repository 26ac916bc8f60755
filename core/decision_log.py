"""The log of decisions: kept in memory as far as it was read, so that only new entries are read."""

import secrets
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.decision_state import State, Tags, from_blob, unpack
from core.project import Project, fingerprint

# What is kept in memory: some 8 MB for each log of a million rows.
_LOGS = 4
_STATES = 32
_STATE_EVERY = 64  # decisions, so that stepping back through a long log folds few of them
_SAID = {
    "drop": "dropped {rows}",
    "keep": "kept only {rows}",
    "restore": "restored {rows}",
    "pin": "pinned {rows}",
    "unpin": "unpinned {rows}",
    "tag": "tagged {rows} “{label}”",
    "untag": "took the tag “{label}” off {rows}",
    "undo": "undo: {what}",
    "redo": "redo: {what}",
    "back": "went back to entry {about}",
    "note": "a note on entry {about}",
}
_READ = """SELECT id, created, action, row_count, origin, uid, label, note, about
    FROM decisions WHERE id >= ? ORDER BY id"""


@dataclass(frozen=True)
class Entry:
    """One line of the log."""

    id: int
    created: float  # seconds since the epoch
    action: str  # one of `core.decisions.ACTIONS`, or "undo", "redo", "back", "note"
    row_count: int
    origin: str  # where it was said: "map lasso", "cli --where …"
    active: bool  # whether it is a decision that stands
    uid: str  # the same in every project that the decision was imported into
    label: str | None = None  # of "tag" and "untag"
    note: str | None = None  # as it reads now
    about: int | None = None  # the entry that "back" goes to, or the other three are of
    what: str | None = None  # of "undo" and "redo": the sentence of that entry

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return self.__dict__.copy()

    @property
    def sentence(self) -> str:
        """What was done, for a person: "dropped 12 rows"."""
        rows = f"{self.row_count:,} row{'s' * (self.row_count != 1)}"
        if self.action == "back" and not self.about:
            return "went back to before all decisions"
        about, what = self.about, self.what
        return _SAID[self.action].format(rows=rows, label=self.label, about=about, what=what)


@dataclass(frozen=True)
class Decisions:
    """The log folded forward. The arrays cannot be written to.

    Attributes
    ----------
    dropped, pinned : ndarray of bool, shape (rows,)
        A pinned row is never dropped.
    tags : label to ndarray of bool, shape (rows,)
        Labels that a row has. `tags.counts` has the number of rows of each.
    log : tuple of Entry
        Oldest first, undone entries included.
    to_undo, to_redo : Entry or None
        What undo would take back now, and redo put back: a decision, or a going back.
    """

    dropped: NDArray[np.bool_]
    pinned: NDArray[np.bool_]
    tags: Tags
    log: tuple[Entry, ...]
    to_undo: Entry | None
    to_redo: Entry | None

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self.to_undo is not None

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to put back."""
        return self.to_redo is not None

    @property
    def candidates(self) -> NDArray[np.int64]:
        """Rows that a selection may take, ascending."""
        return np.flatnonzero(~self.dropped)

    @property
    def pinned_rows(self) -> NDArray[np.int64]:
        """Rows that every selection must take, ascending."""
        return np.flatnonzero(self.pinned)


@dataclass(frozen=True, eq=False, repr=False)
class Point:
    """What stands at some time: the decision `entry`, on top of what stood before it."""

    entry: int  # 0: nothing stands
    before: "Point | None"
    depth: int


@dataclass(frozen=True)
class _Step:
    """A step that can be taken back or put back: what made it, and what stands after that."""

    entry: int
    to: Point


class Log:
    """The log of a project of `rows` rows.

    Undo and redo walk along the points that were there; going back to an entry is a step to the
    point after it, which an undo takes back like any other. Not to be used without `opened_log`,
    which has it read.
    """

    def __init__(self, rows: int) -> None:
        self.lock = threading.Lock()
        self._rows = rows
        self._clear()

    def _clear(self) -> None:
        self.now = Point(0, None, 0)
        self._stored: list[tuple[Any, ...]] = []
        self._after = {0: self.now}
        self._past: list[_Step] = []
        self._future: list[_Step] = []
        self._about: dict[int, int] = {}
        self._notes: dict[int, str] = {}
        self._states: OrderedDict[Point, State] = OrderedDict()
        self._decisions: Decisions | None = None

    @property
    def to_undo(self) -> int | None:
        """The entry that undo would take back."""
        return self._past[-1].entry if self._past else None

    @property
    def to_redo(self) -> int | None:
        """The entry that redo would put back."""
        return self._future[-1].entry if self._future else None

    def point_after(self, entry_id: int) -> Point | None:
        """What stood right after an entry, 0: before all; None if there is no such entry."""
        return self._after.get(entry_id)

    def _standing(self) -> list[int]:
        """Ids of the decisions that stand, oldest first."""
        return [point.entry for point in _line(self.now)]

    def read(self, db: sqlite3.Connection) -> None:
        """Take in what was appended since."""
        last = self._stored[-1] if self._stored else None
        found = db.execute(_READ, (last[0] if last else 0,)).fetchall()
        if last:
            if found and found[0] == last:
                del found[0]
            else:  # another project stands at this place now, or a backup of this one
                self._clear()
                found = db.execute(_READ, (0,)).fetchall()
        if not found:
            return
        self._decisions = None
        try:
            for stored in found:
                self._take(*stored)
        except BaseException:
            self._clear()  # an entry must not be taken in twice
            raise
        self._stored += found

    def _take(
        self,
        entry_id: int,
        _created: float,
        action: str,
        _count: int,
        _origin: str,
        _uid: str | None,
        _label: str | None,
        note: str | None,
        about: int | None,
    ) -> None:
        if action in ("undo", "redo"):
            come, go = self._past, self._future
            if action == "redo":
                come, go = go, come
            step = come.pop()
            go.append(_Step(step.entry, self.now))
            self.now = step.to
            self._about[entry_id] = step.entry
        elif action == "note":
            assert about is not None
            self._notes[about] = note or ""
        else:
            self._past.append(_Step(entry_id, self.now))
            self._future.clear()
            if action == "back":
                assert about is not None
                self.now = self._after[about]
            else:
                self.now = Point(entry_id, self.now, self.now.depth + 1)
        self._after[entry_id] = self.now

    def state(self, db: sqlite3.Connection) -> State:
        """Fold what stands now."""
        todo, point = [], self.now
        while point.before is not None and point not in self._states:
            todo.append(point)
            point = point.before
        state = self._states[point] if point.before else State.empty(self._rows)
        for point in reversed(todo):
            state = apply_entry(state, db, point.entry)
            if point.depth % _STATE_EVERY == 0 or point is self.now:
                self._remember(point, state)
        return state

    def _remember(self, point: Point, state: State) -> None:
        self._states[point] = state
        if len(self._states) > _STATES:
            self._states.popitem(last=False)

    def decisions(self, db: sqlite3.Connection) -> Decisions:
        """What stands now, and the log."""
        if self._decisions is None:
            state, rows, entries = self.state(db), self._rows, self.entries()
            by_id = {entry.id: entry for entry in entries}
            self._decisions = Decisions(
                unpack(state.dropped, rows),
                unpack(state.pinned, rows),
                Tags(state.tags, rows),
                entries,
                by_id[self.to_undo] if self.to_undo else None,
                by_id[self.to_redo] if self.to_redo else None,
            )
        return self._decisions

    def entries(self) -> tuple[Entry, ...]:
        """All entries, oldest first, with the notes as they read now."""
        standing = set(self._standing())
        found: dict[int, Entry] = {}
        for stored in self._stored:
            entry_id, created, action, count, origin, _, label, note, about = stored
            of = self._about.get(entry_id)
            found[entry_id] = Entry(
                entry_id,
                created,
                action,
                count,
                origin,
                entry_id in standing,
                _uid(stored),
                label,
                self._notes.get(entry_id, note) or None,
                about if of is None else of,
                None if of is None else found[of].sentence,
            )
        return tuple(found.values())


_logs: OrderedDict[tuple[Path, int], Log] = OrderedDict()
_logs_lock = threading.Lock()


@contextmanager
def opened_log(
    project: Project, rows: int, *, writing: bool = False
) -> Iterator[tuple[Log, sqlite3.Connection]]:
    """Yield the log as it is in the database, in one transaction.

    With `writing` no other window can append meanwhile; what this one appends is in the log once
    that is read again.
    """
    with _logs_lock:
        log = _logs.setdefault((project.root, rows), Log(rows))
        _logs.move_to_end((project.root, rows))
        if len(_logs) > _LOGS:
            _logs.popitem(last=False)
    with project.database() as db:
        # The write lock comes first everywhere, so that no two threads wait for each other.
        db.execute("BEGIN IMMEDIATE" if writing else "BEGIN")
        with log.lock:
            log.read(db)
            yield log, db
            if writing:  # before another thread reads the log, which may hold what was appended
                db.commit()


def append(
    db: sqlite3.Connection,
    action: str,
    *,
    blob: bytes | None = None,
    count: int = 0,
    origin: str = "",
    label: str | None = None,
    note: str | None = None,
    about: int | None = None,
    created: float | None = None,
    uid: str | None = None,
) -> None:
    """Write an entry at the end of the log."""
    created = time.time() if created is None else created
    uid = uid or secrets.token_hex(8)
    db.execute(
        "INSERT INTO decisions (created, action, rows, row_count, origin, uid, label, note, about)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (created, action, blob, count, origin, uid, label, note or None, about),
    )


def apply_entry(state: State, db: sqlite3.Connection, entry_id: int) -> State:
    """The state after a decision of the log."""
    found = db.execute("SELECT action, rows, label FROM decisions WHERE id = ?", (entry_id,))
    action, blob, label = found.fetchone()
    return state.after(action, from_blob(blob), label)


def rows_of(db: sqlite3.Connection, entry_id: int, rows: int) -> NDArray[np.int64]:
    """Rows that a decision of the log names, of a pool of `rows` rows, ascending."""
    (blob,) = db.execute("SELECT rows FROM decisions WHERE id = ?", (entry_id,)).fetchone()
    return np.flatnonzero(unpack(from_blob(blob), rows))


def _line(point: Point) -> list[Point]:
    """The points that lead to one, oldest first."""
    line = []
    while point.before is not None:
        line.append(point)
        point = point.before
    return line[::-1]


def _uid(stored: tuple[Any, ...]) -> str:
    """The entry's uid; an entry older than uids has one by its content, the same in all copies."""
    entry_id, created, action, count, origin, uid, *_ = stored
    return uid or fingerprint(entry_id, created, action, count, origin)
