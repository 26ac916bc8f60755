"""Decisions as a file: two people decide on copies of one pool and merge what they said."""

import json
import re
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.decision_log import Log, append, apply_entry, opened_log, rows_of
from core.decision_state import State, from_blob, to_blob, unpack
from core.decisions import ACTIONS, TAG_ACTIONS, check_labels, clean_label, clean_note
from core.errors import InputError
from core.paths import check_new_file, user_path
from core.pool import Pool
from core.project import Project, atomic_file
from core.told import counted
from core.values import decode_ranges, different, encode_ranges

FILE_VERSION = 1
IMPORTED = "imported: "  # what the origin of an imported decision begins with
_LONGEST_ORIGIN = 200
_LARGEST_FILE = 256 << 20  # bytes; read whole, it takes a few times that
_MOST_NAMED = 500_000_000  # rows of all decisions of a file: half a minute
_MOST_DECISIONS = 100_000
_LATEST = 1e11  # seconds since the epoch
_UID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class DecisionsFile:
    """What `export_decisions` wrote."""

    path: str
    decisions: int
    bytes: int


@dataclass(frozen=True)
class ImportReport:
    """What `import_decisions` did.

    A conflict is a row that one side dropped and the other pinned or restored, each by decisions
    that the other did not have. The imported decisions come last and hold.

    Attributes
    ----------
    added, known : decisions of the file that are new here, and that were here before.
    undone : of those that were here before, how many were taken back here, and stay so.
    now_dropped, now_pinned, now_restored : int64 ndarray, ascending
        Rows in conflict: pinned here and dropped by the file, the other way round, and dropped
        here and restored by the file.
    dropped, restored, pinned : rows of the project that are so since, in conflict or not.
    """

    added: int
    known: int
    now_dropped: NDArray[np.int64]
    now_pinned: NDArray[np.int64]
    undone: int = 0
    now_restored: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    dropped: int = 0
    restored: int = 0
    pinned: int = 0

    @property
    def conflicts(self) -> int:
        """Number of rows in conflict."""
        return len(self.now_dropped) + len(self.now_pinned) + len(self.now_restored)

    @property
    def sentence(self) -> str:
        """The outcome, for a person."""
        if self.added:
            told = (
                f"Decisions added: {self.added:,}; here before: {self.known:,}. By these "
                f"{counted(self.dropped)} are dropped, {self.restored:,} restored and "
                f"{self.pinned:,} pinned that were not."
            )
        else:
            told = (
                f"Nothing was added: all decisions of the file ({self.known:,}) were here before."
            )
        if self.undone:
            told += (
                f" Undone here, and left so: {self.undone:,}; redo, or going back in the history, "
                "brings them back."
            )
        if self.conflicts:
            told += (
                " Where the two sides differ the file holds; rows now dropped: "
                f"{len(self.now_dropped):,}, now pinned: {len(self.now_pinned):,}"
            )
            if len(self.now_restored):
                told += f", no longer dropped: {len(self.now_restored):,}"
            told += "."
        return told

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON, rows as ranges."""
        return {
            "added": self.added,
            "known": self.known,
            "undone": self.undone,
            "conflicts": self.conflicts,
            "now_dropped": encode_ranges(self.now_dropped),
            "now_pinned": encode_ranges(self.now_pinned),
            "now_restored": encode_ranges(self.now_restored),
            "dropped": self.dropped,
            "restored": self.restored,
            "pinned": self.pinned,
        }


@dataclass(frozen=True)
class _Said:
    """A decision of a file, looked at."""

    uid: str
    created: float
    action: str
    blob: bytes
    count: int
    origin: str
    label: str | None
    note: str


def export_decisions(
    project: Project, path: str | Path, *, overwrite: bool = False
) -> DecisionsFile:
    """Write the decisions that stand as one JSON file, atomically.

    Raises
    ------
    InputError
        There is no pool yet; the place cannot be used, is in a folder that is not there, or is
        taken and `overwrite` is off; the file would be larger than `import_decisions` reads.
    """
    place = user_path(path, "export").absolute()
    if not place.parent.is_dir():
        raise _refused(f"There is no folder {place.parent}; make it, or choose another place.")
    check_new_file(place, "export", overwrite=overwrite)
    pool = Pool.open(project)
    with opened_log(project, pool.rows) as (log, _):
        entries = log.entries()
    with project.database() as db:  # other windows need not wait for the writing of ranges
        said = [
            {
                "uid": entry.uid,
                "created": entry.created,
                "action": entry.action,
                "rows": encode_ranges(rows_of(db, entry.id, pool.rows)),
                **({"label": entry.label} if entry.label else {}),
                "note": entry.note or "",
                "origin": entry.origin,
            }
            for entry in entries
            if entry.active
        ]
    value = {
        "winnow_decisions": FILE_VERSION,
        "created": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "pool": {"fingerprint": pool.fingerprint, "rows": pool.rows},
        "decisions": said,
    }
    text = json.dumps(value, ensure_ascii=False, indent=1).encode()
    if len(text) > _LARGEST_FILE or len(said) > _MOST_DECISIONS:
        raise _refused(
            f"These {len(said):,} decisions take {len(text) >> 20:,} MiB as a file, and up to "
            f"{_MOST_DECISIONS:,} in {_LARGEST_FILE >> 20} MiB can be read again; copy the project "
            "instead."
        )
    try:
        with atomic_file(place) as temporary:
            temporary.write_bytes(text)
    except OSError as error:
        reason = error.strerror or str(error)
        raise _refused(f"Cannot write {place}: {reason}; choose another place.") from error
    return DecisionsFile(str(place), len(said), len(text))


def import_decisions(project: Project, path: str | Path) -> ImportReport:
    """Append the decisions of a file that the log does not have, in the file's order.

    A decision is known by its uid, also one that was undone here, which stays undone. All that is
    new is written in one transaction; `core.decisions.go_back` to the entry before it takes it all
    back.

    Raises
    ------
    InputError
        There is no such file, it is damaged, of another pool or of a newer Winnow, or would bring
        too many labels; nothing is written then.
    """
    pool = Pool.open(project)
    listed = _read(user_path(path, "import"), pool)
    with opened_log(project, pool.rows, writing=True) as (log, db):
        stands = {entry.uid: entry.active for entry in log.entries()}
        new = [one for one in listed if one.uid not in stands]
        undone = sum(not stands.get(one.uid, True) for one in listed)
        if not new:
            none = np.empty(0, np.int64)
            return ImportReport(0, len(listed), none, none, undone)
        mine = _own_side(log, db, pool.rows, {one.uid for one in listed})
        theirs, before = State.empty(pool.rows), log.state(db)
        state = before
        for one in new:
            bits = from_blob(one.blob)
            if one.action == "tag" and one.label:
                check_labels(state.tags, "tag", one.label)
            theirs = theirs.after(one.action, bits, one.label)
            state = state.after(one.action, bits, one.label)
        for one in new:
            _append(db, one)
    return ImportReport(
        len(new),
        len(listed) - len(new),
        np.flatnonzero(unpack(mine.pinned & theirs.dropped, pool.rows)),
        np.flatnonzero(unpack(mine.dropped & theirs.pinned, pool.rows)),
        undone,
        np.flatnonzero(
            unpack(mine.dropped & before.dropped & ~state.dropped & ~theirs.pinned, pool.rows)
        ),
        *(
            int(unpack(bits, pool.rows).sum())
            for bits in (
                state.dropped & ~before.dropped,
                before.dropped & ~state.dropped,
                state.pinned & ~before.pinned,
            )
        ),
    )


def _own_side(log: Log, db: sqlite3.Connection, rows: int, shared: set[str]) -> State:
    """Fold the decisions that stand here alone."""
    state = State.empty(rows)
    for entry in log.entries():
        if entry.active and entry.uid not in shared:
            state = apply_entry(state, db, entry.id)
    return state


def _append(db: sqlite3.Connection, one: _Said) -> None:
    origin = one.origin if one.origin.startswith(IMPORTED) else IMPORTED + one.origin
    append(
        db,
        one.action,
        blob=one.blob,
        count=one.count,
        origin=origin,
        label=one.label,
        note=one.note,
        created=one.created,
        uid=one.uid,
    )


def _read(path: Path, pool: Pool) -> list[_Said]:
    """Read a file of decisions and look at every part of it."""
    if not path.is_file():
        raise InputError(f"There is no file {path}; check the path.", option="import")
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise InputError(
                f"{path} is larger than {_LARGEST_FILE >> 20} MiB; it is no file of decisions.",
                option="import",
            )
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}.", option="import") from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or "winnow_decisions" not in value:
        raise InputError(
            f"{path} is no file of decisions, or not all of it; give one that "
            "`decisions --export` wrote.",
            option="import",
        )
    version = value["winnow_decisions"]
    if type(version) is not int or version != FILE_VERSION:
        raise InputError(f"{path} was written by another Winnow; update Winnow.", option="import")
    if value.get("pool") != {"fingerprint": pool.fingerprint, "rows": pool.rows}:
        raise InputError(
            f"{path} has decisions on another pool; the rows there are not these.", option="import"
        )
    listed = value.get("decisions")
    if not isinstance(listed, list) or len(listed) > _MOST_DECISIONS:
        raise InputError(f"{path} is damaged: it has no list of decisions.", option="import")
    said: list[_Said] = []
    seen: set[str] = set()
    named = 0
    for number, one in enumerate(listed, 1):
        try:
            said.append(_checked(one, pool.rows))
            if said[-1].uid in seen:
                raise InputError("its uid is that of another one.")
        except InputError as error:
            raise InputError(
                f"{path} is damaged, and nothing was imported; decision {number}: {error}",
                option="import",
            ) from None
        seen.add(said[-1].uid)
        named += said[-1].count
        if named > _MOST_NAMED:
            raise InputError(
                f"{path} names {_MOST_NAMED:,} rows and more in all; copy the project instead.",
                option="import",
            )
    return said


def _checked(one: Any, rows: int) -> _Said:
    """A decision of a file; InputError says what is wrong with it."""
    if not isinstance(one, dict):
        raise InputError("it has no parts.")
    texts = {key: one.get(key, "") for key in ("uid", "action", "rows", "origin", "note", "label")}
    for key, text in texts.items():
        if not isinstance(text, str) or not _is_unicode(text):
            raise InputError(f"its {key} is no text.")
    action, created = texts["action"], cast(float, one.get("created"))
    if action not in ACTIONS:
        raise InputError(f"there is no action {action[:24]!r}.")
    if not _UID.fullmatch(texts["uid"]):
        raise InputError("its uid is not 16 hex digits.")
    # The comparison refuses what is not finite, too.
    if type(created) not in (int, float) or not 0 <= created <= _LATEST:
        raise InputError("its time is no number of seconds.")
    if (action in TAG_ACTIONS) != ("label" in one):
        raise InputError(f"{action} must have a label, and nothing else may.")
    chosen = different(decode_ranges(texts["rows"], rows))
    if not len(chosen):
        raise InputError("it has no rows.")
    if chosen[-1] >= rows:
        raise InputError(f"there is no row {chosen[-1]}.")
    return _Said(
        texts["uid"],
        float(created),
        action,
        to_blob(chosen, rows),
        len(chosen),
        texts["origin"][:_LONGEST_ORIGIN],
        clean_label(texts["label"]) if "label" in one else None,
        clean_note(texts["note"]),
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refused(sentence: str) -> InputError:
    return InputError(sentence, option="export")
