"""What the user said of the rows: an append-only log that folds to dropped and pinned rows."""

import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.project import Project
from core.values import as_rows

ACTIONS = ("drop", "keep", "pin", "unpin")


@dataclass(frozen=True)
class Entry:
    """One line of the log."""

    id: int
    created: float  # seconds since the epoch
    action: str  # one of ACTIONS, or "undo", "redo"
    row_count: int
    origin: str  # where it was said: "map lasso", "cli --where …"
    active: bool  # False once undone

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return self.__dict__.copy()


@dataclass(frozen=True)
class Decisions:
    """The log folded forward.

    Attributes
    ----------
    dropped, pinned : ndarray of bool, shape (rows,)
        A pinned row is never dropped.
    log : tuple of Entry
        Oldest first, undone entries included.
    """

    dropped: NDArray[np.bool_]
    pinned: NDArray[np.bool_]
    log: tuple[Entry, ...]
    can_undo: bool
    can_redo: bool

    @property
    def candidates(self) -> NDArray[np.int64]:
        """Rows that a selection may take, ascending."""
        return np.flatnonzero(~self.dropped)

    @property
    def pinned_rows(self) -> NDArray[np.int64]:
        """Rows that every selection must take, ascending."""
        return np.flatnonzero(self.pinned)


def load_decisions(project: Project, rows: int) -> Decisions:
    """Fold the project's log over a pool of `rows` rows."""
    with project.database() as db:
        stored = db.execute(
            "SELECT id, created, action, rows, row_count, origin FROM decisions ORDER BY id"
        ).fetchall()
    applied, undone = _fold((entry[0], entry[2]) for entry in stored)
    dropped, pinned = np.zeros(rows, bool), np.zeros(rows, bool)
    active = set(applied)
    for entry_id, _, action, blob, _, _ in stored:
        if entry_id in active:
            _apply(action, _unpack(blob, rows), dropped, pinned)
    log = tuple(
        Entry(entry_id, created, action, count, origin, entry_id in active)
        for entry_id, created, action, _, count, origin in stored
    )
    return Decisions(dropped, pinned, log, bool(applied), bool(undone))


def decide(
    project: Project, rows: int, action: str, chosen: NDArray[np.int64], origin: str
) -> Decisions:
    """Append one decision on the rows `chosen` of a pool of `rows` rows; return the new state.

    `chosen` holds row numbers, or is a boolean mask of shape (rows,).

    `drop` takes rows out (and unpins them); `keep` drops all other rows; `pin` makes every
    selection take them (and undrops them); `unpin` takes their pin away.

    Raises
    ------
    InputError
        Unknown action, no rows, or a row number that the pool does not have.
    """
    if action not in ACTIONS:
        raise InputError(f"Unknown decision {action!r}; use one of {', '.join(ACTIONS)}.")
    chosen = as_rows(chosen, rows)
    if not len(chosen):
        raise InputError(f"No rows to {action}; choose at least one.")
    mask = np.zeros(rows, bool)
    mask[chosen] = True
    blob = zlib.compress(np.packbits(mask).tobytes(), 1)
    _append(project, action, blob, len(chosen), origin)
    return load_decisions(project, rows)


def undo(project: Project, rows: int) -> Decisions:
    """Take back the last decision that stands.

    Raises
    ------
    InputError
        There is nothing to undo.
    """
    return _step(project, rows, "undo")


def redo(project: Project, rows: int) -> Decisions:
    """Put back the decision that was undone last.

    Raises
    ------
    InputError
        There is nothing to redo: no undo came before, or a new decision came after it.
    """
    return _step(project, rows, "redo")


def _step(project: Project, rows: int, action: str) -> Decisions:
    # The check and the append are one transaction, so that two windows cannot undo one entry twice.
    with project.database() as db:
        db.execute("BEGIN IMMEDIATE")
        stored = db.execute("SELECT id, action FROM decisions ORDER BY id").fetchall()
        applied, undone = _fold(stored)
        if not (applied if action == "undo" else undone):
            raise InputError(f"There is nothing to {action}.")
        _insert(db, action, None, 0, "")
    return load_decisions(project, rows)


def _fold(entries: Iterable[tuple[int, str]]) -> tuple[list[int], list[int]]:
    """Ids that stand, in order, and ids that a redo would bring back, the next one last."""
    applied: list[int] = []
    undone: list[int] = []
    for entry_id, action in entries:
        if action == "undo":
            undone.append(applied.pop())
        elif action == "redo":
            applied.append(undone.pop())
        else:
            applied.append(entry_id)
            undone.clear()
    return applied, undone


def _apply(
    action: str, mask: NDArray[np.bool_], dropped: NDArray[np.bool_], pinned: NDArray[np.bool_]
) -> None:
    if action == "drop":
        dropped |= mask
        pinned &= ~mask
    elif action == "keep":
        dropped |= ~mask
        pinned &= mask
    elif action == "pin":
        pinned |= mask
        dropped &= ~mask
    else:
        pinned &= ~mask


def _unpack(blob: bytes, rows: int) -> NDArray[np.bool_]:
    bits = np.frombuffer(zlib.decompress(blob), np.uint8)
    return np.unpackbits(bits, count=rows).astype(bool)


def _append(project: Project, action: str, blob: bytes, count: int, origin: str) -> None:
    with project.database() as db:
        _insert(db, action, blob, count, origin)


def _insert(db: Any, action: str, blob: bytes | None, count: int, origin: str) -> None:
    db.execute(
        "INSERT INTO decisions (created, action, rows, row_count, origin) VALUES (?, ?, ?, ?, ?)",
        (time.time(), action, blob, count, origin),
    )
