"""What the user said of the rows: an append-only log that folds to dropped, pinned, tagged rows."""

import sqlite3
import unicodedata

import numpy as np
from numpy.typing import NDArray

from core.decision_log import Decisions, Entry, Log, append, opened_log, rows_of
from core.decision_state import to_blob
from core.errors import InputError
from core.project import Project
from core.values import as_rows

__all__ = [
    "ACTIONS",
    "Decisions",
    "Entry",
    "annotate",
    "decide",
    "decisions_version",
    "entry_rows",
    "go_back",
    "is_present",
    "load_decisions",
    "redo",
    "undo",
]

TAG_ACTIONS = ("tag", "untag")
ACTIONS = ("drop", "keep", "restore", "pin", "unpin", *TAG_ACTIONS)
LONGEST_LABEL = 64  # characters
LONGEST_NOTE = 500
MOST_LABELS = 500  # that have rows; each takes a bit for every row
_NOT_TEXT = ("Cc", "Cs", "Zl", "Zp")  # Unicode categories: control, half of a pair, line breaks


def load_decisions(project: Project, rows: int) -> Decisions:
    """Fold the project's log over a pool of `rows` rows.

    Notes
    -----
    The fold is kept in memory: a later call reads and folds only what is new.
    """
    with opened_log(project, rows) as (log, db):
        return log.decisions(db)


def decisions_version(project: Project) -> int:
    """A number that is another one once anything was added to the log; cheap enough to poll."""
    with project.database() as db:
        (last,) = db.execute("SELECT max(id) FROM decisions").fetchone()
    return last or 0


def entry_rows(project: Project, rows: int, entry_id: int) -> NDArray[np.int64]:
    """Rows of a pool of `rows` rows on which a decision of the log was made, ascending.

    Of `keep` these are the rows that were kept.

    Raises
    ------
    InputError
        The log has no such decision.
    """
    with project.database() as db:
        _check_decision(db, entry_id)
        return rows_of(db, entry_id, rows)


def decide(
    project: Project,
    rows: int,
    action: str,
    chosen: NDArray[np.int64],
    origin: str,
    *,
    label: str | None = None,
    note: str = "",
) -> Decisions:
    """Append one decision on the rows `chosen` of a pool of `rows` rows; return the new state.

    `chosen` holds row numbers, or is a boolean mask of shape (rows,). The decision is the last
    entry of the state that is returned, whatever other windows decide meanwhile.

    `drop` takes rows out (and unpins them); `keep` drops all other rows; `restore` brings rows
    back that were dropped; `pin` makes every selection take them (and restores them); `unpin` takes
    their pin away. `tag` puts a label on them and `untag` takes it off; neither changes what a
    selection may take.

    Parameters
    ----------
    label : of `tag` and `untag` alone: one line of at most 64 characters.
    note : why; at most 500 characters.

    Raises
    ------
    InputError
        Unknown action, no rows, a row number that the pool does not have, a label or note that
        cannot be one, or a label to take off that no row has.
    """
    if action not in ACTIONS:
        raise InputError(f"Unknown decision {action!r}; use one of {', '.join(ACTIONS)}.")
    chosen = as_rows(chosen, rows)
    if not len(chosen):
        raise InputError(f"No rows to {action}; choose at least one.")
    if (action in TAG_ACTIONS) != (label is not None):
        wrong = "needs a label" if label is None else "takes no label"
        raise InputError(f"The decision {action} {wrong}.", option="label")
    label = None if label is None else clean_label(label)
    note, blob = clean_note(note), to_blob(chosen, rows)
    with opened_log(project, rows, writing=True) as (log, db):
        if label is not None:
            check_labels(log.state(db).tags, action, label)
        append(db, action, blob=blob, count=len(chosen), origin=origin, label=label, note=note)
        return _as_appended(log, db)


def undo(project: Project, rows: int, *, expected: int | None = None) -> Decisions:
    """Take back the last decision that stands, or the last going back.

    Parameters
    ----------
    expected : id of the entry that is to be taken back; unless given, whatever comes next.

    Raises
    ------
    InputError
        There is nothing to undo, or something else than what is expected.
    """
    return _step(project, rows, "undo", expected)


def redo(project: Project, rows: int, *, expected: int | None = None) -> Decisions:
    """Put back the decision that was undone last.

    Parameters
    ----------
    expected : id of the entry that is to be put back; unless given, whatever comes next.

    Raises
    ------
    InputError
        There is nothing to redo (no undo came before, or a new decision came after it), or
        something else than what is expected.
    """
    return _step(project, rows, "redo", expected)


def go_back(project: Project, rows: int, entry_id: int) -> Decisions:
    """Bring back the state right after an entry of the log; 0 is that before all entries.

    This is one more entry, which leaves all others where they are. So any state that ever was can
    be reached, also one that an undo and another decision left behind, and one undo takes the
    step back.

    Raises
    ------
    InputError
        The log has no such entry, or that state is the present one.
    """
    with opened_log(project, rows, writing=True) as (log, db):
        point = log.point_after(entry_id)
        if point is None:
            raise _no_entry(entry_id)
        if point is log.now:
            when = f"after entry {entry_id}" if entry_id else "before all decisions"
            raise InputError(f"The rows are already as they were {when}.")
        append(db, "back", about=entry_id)
        return _as_appended(log, db)


def is_present(project: Project, rows: int, entry_id: int) -> bool:
    """Whether what stood right after an entry of the log stands now: no way leads back to it."""
    with opened_log(project, rows) as (log, _):
        return log.point_after(entry_id) is log.now


def annotate(project: Project, entry_id: int, note: str) -> None:
    """Write or change the note on a decision; an empty one removes it.

    The log is only added to: earlier notes stay in it.

    Raises
    ------
    InputError
        The note is too long, or the log has no such decision.
    """
    note = clean_note(note)
    with project.database() as db:
        db.execute("BEGIN IMMEDIATE")
        _check_decision(db, entry_id)
        append(db, "note", note=note, about=entry_id)


def clean_label(text: str) -> str:
    """A label without spaces around it, in Unicode's composed form.

    Raises
    ------
    InputError
        It is empty, longer than 64 characters, or has a line break or another control character.
    """
    label = unicodedata.normalize("NFC", text.strip())
    if not label:
        raise InputError("A label is empty; give one.", option="label")
    if len(label) > LONGEST_LABEL or not _is_text(label):
        raise InputError(
            f"The label {label[:24]!r} cannot be used; give one line of at most {LONGEST_LABEL} "
            "characters, without control characters.",
            option="label",
        )
    return label


def clean_note(text: str) -> str:
    """A note without spaces around it.

    Raises
    ------
    InputError
        It is longer than 500 characters, or has a control character that is no line break.
    """
    note = "\n".join(text.strip().splitlines())
    if len(note) > LONGEST_NOTE or not _is_text(note.replace("\n", "").replace("\t", "")):
        raise InputError(
            f"The note {note[:24]!r} cannot be used; give at most {LONGEST_NOTE} characters, "
            "without control characters.",
            option="note",
        )
    return note


def check_labels(known: dict[str, NDArray[np.uint8]], action: str, label: str) -> None:
    """Refuse a label too many, and one to take off that no row has.

    Raises
    ------
    InputError
        It is that.
    """
    if label in known:
        return
    if action == "untag":
        named = ", ".join(sorted(known)[:10]) or "none yet"
        raise InputError(f"No row has the label {label!r}; labels: {named}.", option="label")
    if len(known) >= MOST_LABELS:
        raise InputError(
            f"There are {MOST_LABELS} labels already; take one off before adding {label!r}.",
            option="label",
        )


def _step(project: Project, rows: int, action: str, expected: int | None) -> Decisions:
    # The check and the append are one transaction, so that two windows cannot undo one entry twice.
    with opened_log(project, rows, writing=True) as (log, db):
        entry = log.to_undo if action == "undo" else log.to_redo
        if entry is None:
            raise InputError(f"There is nothing to {action}.")
        if expected is not None and entry != expected:
            (what,) = (one.sentence for one in log.entries() if one.id == entry)
            done = {"undo": "undone", "redo": "redone"}[action]
            raise InputError(
                f"Nothing was {done}: what comes next is another step by now ({what}); look at it "
                "first."
            )
        append(db, action)
        return _as_appended(log, db)


def _as_appended(log: Log, db: sqlite3.Connection) -> Decisions:
    """The state right after what was just appended, before any other window can append."""
    log.read(db)
    return log.decisions(db)


def _check_decision(db: sqlite3.Connection, entry_id: int) -> None:
    found = db.execute("SELECT action FROM decisions WHERE id = ?", (entry_id,)).fetchone()
    if found is None:
        raise _no_entry(entry_id)
    if found[0] not in ACTIONS:
        raise InputError(f"Entry {entry_id} is no decision ({found[0]}); give one that is.")


def _no_entry(entry_id: int) -> InputError:
    return InputError(f"The log has no entry {entry_id}; give the id of one that it lists.")


def _is_text(text: str) -> bool:
    return not any(unicodedata.category(letter) in _NOT_TEXT for letter in text)
