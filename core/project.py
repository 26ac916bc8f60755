"""A project: one folder, its artefacts by fingerprint, its lock and its database."""

import hashlib
import itertools
import json
import os
import secrets
import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import filelock

from core.errors import BusyError, InputError, command
from core.paths import user_path

# What takes a database from one version to the next; a new one goes through all of them.
_UPGRADES: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE IF NOT EXISTS pointers (kind TEXT PRIMARY KEY, fingerprint TEXT NOT NULL)",
        """CREATE TABLE IF NOT EXISTS runs (
            id TEXT PRIMARY KEY, created REAL NOT NULL, report TEXT NOT NULL)""",
        """CREATE TABLE IF NOT EXISTS decisions (
            id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL NOT NULL, action TEXT NOT NULL,
            rows BLOB, row_count INTEGER NOT NULL, origin TEXT NOT NULL)""",
    ),
    (
        "ALTER TABLE decisions ADD COLUMN uid TEXT",
        "ALTER TABLE decisions ADD COLUMN label TEXT",
        "ALTER TABLE decisions ADD COLUMN note TEXT",
        "ALTER TABLE decisions ADD COLUMN about INTEGER",
    ),
    (),  # the decision "restore", which an older Winnow would not know
)
SCHEMA_VERSION = len(_UPGRADES)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def fingerprint(*parts: Any) -> str:
    """Name an artefact by its inputs: 16 hex digits of the SHA-256 of `parts` as canonical JSON."""
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def describe_file(path: Path) -> dict[str, Any]:
    """Return path, sha256 and bytes of a file, as recipes record an input."""
    absolute = path.expanduser().absolute()
    return {
        "path": str(absolute),
        "sha256": file_sha256(absolute),
        "bytes": absolute.stat().st_size,
    }


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is fsynced and renamed to `path`.

    On an error or an interrupt the temporary file is removed and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Unique among threads too: two windows may write the same file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; its files are fsynced and it takes `path`'s place.

    On an error or an interrupt it is removed and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        old = temporary.with_suffix(".old")
        if path.exists():
            path.replace(old)
        temporary.replace(path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _damaged(database: Path, what: str) -> InputError:
    return InputError(
        f"{database} is damaged ({what}): it holds the decisions and what is in use of the "
        "project. Put a copy of it back, or make the project again; the rows are not touched."
    )


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _is_empty(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT count(*) = 0 FROM sqlite_master").fetchone()[0])


def _sync(file: Path) -> None:
    with file.open("rb") as handle:
        os.fsync(handle.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


@dataclass(frozen=True)
class Project:
    """A project's folder. Use `Project.create` or `Project.open`.

    With an `overlay`, the choice of the features in use is kept there and not in the project: so
    better features, their clusters and their map can be made while the present ones are shown.
    """

    root: Path
    overlay: dict[str, str] | None = field(default=None, compare=False)

    @classmethod
    def create(cls, root: str | Path) -> "Project":
        """Make the folder and its database; an existing project is opened.

        Raises
        ------
        InputError
            `root` is a file, a folder that holds something else, or a project that `open` refuses.
        """
        path = user_path(root).absolute()
        if path.exists() and not path.is_dir():
            raise InputError(f"{path} is a file; give a folder for the project.")
        fresh = not (path / "project.db").exists()
        if fresh and path.is_dir() and any(p.name != "inputs" for p in path.iterdir()):
            raise InputError(
                f"{path} is not empty and not a Winnow project; give a new or empty folder."
            )
        path.mkdir(parents=True, exist_ok=True)
        project = cls(path)
        with project.database() as db:
            if fresh:
                db.execute("PRAGMA journal_mode=WAL")
        project._upgrade()
        return project

    @classmethod
    def open(cls, root: str | Path) -> "Project":
        """Open an existing project; the database of one that an older Winnow made is upgraded.

        Raises
        ------
        InputError
            There is no project at `root`, its database is damaged, a newer Winnow made it, or it
            is to be upgraded and cannot be written to.
        """
        path = user_path(root).absolute()
        if not (path / "project.db").is_file():
            raise InputError(f"No project at {path}; run {command('init', root, 'FILE')}.")
        project = cls(path)
        project._upgrade()
        return project

    def _upgrade(self) -> None:
        """Bring the database to this Winnow's version."""
        with self.database() as db:
            version = _version(db)
            if not version and self.pool_dir.exists() and _is_empty(db):
                raise _damaged(self.root / "project.db", "it is empty")
            if version < SCHEMA_VERSION:
                try:
                    db.execute("BEGIN IMMEDIATE")
                    version = _version(db)  # another process may have been faster
                    for statement in itertools.chain.from_iterable(_UPGRADES[version:]):
                        db.execute(statement)
                    if version < SCHEMA_VERSION:
                        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
                except sqlite3.OperationalError as error:
                    raise InputError(
                        f"{self.root} is of an older Winnow and cannot be upgraded ({error}); "
                        "make it writable, or copy it."
                    ) from None
        if version > SCHEMA_VERSION:
            raise InputError(f"{self.root} was made by a newer Winnow; update to open it.")

    def snapshot(self) -> "Project":
        """Return this project with the features and clusters of this moment.

        A job may put others in use at any time; whoever reads both must read what belongs
        together.
        """
        features = self.pointer("features")
        if features is None:
            return self
        kind = f"clusters:{features}"
        clusters = self.pointer(kind)
        return Project(self.root, {"features": features} | ({kind: clusters} if clusters else {}))

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.root.name

    @property
    def pool_dir(self) -> Path:
        """Where the rows are."""
        return self.root / "pool"

    @property
    def targets_dir(self) -> Path:
        """Where the target sets are."""
        return self.root / "targets"

    @property
    def inputs_dir(self) -> Path:
        """Where uploaded and pasted files are kept, so that a recipe can be replayed."""
        return self.root / "inputs"

    @property
    def jobs_dir(self) -> Path:
        """Where background jobs keep their state and log."""
        return self.root / "jobs"

    def artefact(self, kind: str, name: str) -> Path:
        """Path of an artefact: `features/<fingerprint>`, `clusters/<fingerprint>`, `runs/<id>` …"""
        return self.root / kind / name

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection inside one transaction: committed at the end, else rolled back.

        Raises
        ------
        InputError
            The database is damaged.
        """
        path = self.root / "project.db"
        try:
            connection = sqlite3.connect(path, timeout=30)
            with closing(connection), connection:
                connection.execute("PRAGMA synchronous=NORMAL")
                yield connection
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) not in _DAMAGED:
                raise
            raise _damaged(path, str(error)) from None

    def pointer(self, kind: str) -> str | None:
        """Fingerprint of the artefact in use: `pool`, `features`, `clusters:<features>` …"""
        if self.overlay and kind in self.overlay:
            return self.overlay[kind]
        with self.database() as db:
            found = db.execute("SELECT fingerprint FROM pointers WHERE kind = ?", (kind,))
            row = found.fetchone()
        return row[0] if row else None

    def pointers(self, kinds: str) -> dict[str, str]:
        """Fingerprints of all artefacts whose kind begins so: those of `clusters:`, say."""
        with self.database() as db:
            found = db.execute("SELECT kind, fingerprint FROM pointers")
            return {kind: value for kind, value in found if kind.startswith(kinds)}

    def point(self, kind: str, value: str) -> None:
        """Make `value` the artefact in use."""
        if self.overlay is not None and kind == "features":
            self.overlay[kind] = value
            return
        with self.database() as db:
            db.execute("INSERT OR REPLACE INTO pointers VALUES (?, ?)", (kind, value))

    def repoint(self, kind: str, before: str, value: str) -> bool:
        """Make `value` the artefact in use if `before` still is; return whether it was.

        So that what another window did in the meantime is never lost.
        """
        with self.database() as db:
            changed = db.execute(
                "UPDATE pointers SET fingerprint = ? WHERE kind = ? AND fingerprint = ?",
                (value, kind, before),
            )
        return changed.rowcount == 1

    @contextmanager
    def writing(self, task: str) -> Iterator[None]:
        """Hold the project's write lock while `task` (a short phrase) runs; re-entrant.

        The operating system frees the lock when the holder dies, so it is never stale.

        Raises
        ------
        BusyError
            Another process holds it; the message names that process.
        """
        holder = self.root / ".lock-holder.json"
        lock = filelock.FileLock(self.root / ".lock", is_singleton=True)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise BusyError(f"{self.root} is in use by {_describe(holder)}.") from None
        outermost = lock.lock_counter == 1
        try:
            if outermost:
                me = {"task": task, "pid": os.getpid(), "host": socket.gethostname()}
                write_json(holder, me | {"since": time.time()})
            yield
        finally:
            if outermost:
                holder.unlink(missing_ok=True)
            lock.release()


def _describe(holder: Path) -> str:
    try:
        held = json.loads(holder.read_text(encoding="utf-8"))
        since = time.strftime("%H:%M", time.localtime(held["since"]))
        return f"“{held['task']}” (process {held['pid']} on {held['host']}, since {since})"
    except (OSError, ValueError, KeyError):
        return "another process"
