"""Target sets: examples of what a model should become good at."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.errors import InputError, command
from core.ingest import describe_inputs
from core.inputs import find_inputs
from core.parts import Entry, entries_table
from core.pool import PAGE_COLUMNS, Pool
from core.progress import Progress, silent
from core.project import Project, atomic_file, write_json
from core.reading import ReadOptions, Rejection, Tally, read_rows
from core.records import NO_COLUMNS, join_text
from core.values import encode_ranges

if TYPE_CHECKING:
    import pandas as pd

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class TargetReport:
    """What was read; `rejections` are the first 100."""

    name: str
    rows: int
    rejected: int
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True)
class TargetInfo:
    """A target set in the list; `origin` says in words where its rows are from."""

    name: str
    rows: int
    origin: str
    fingerprint: str = field(default="", compare=False)


@dataclass(frozen=True)
class Target:
    """A target set.

    Attributes
    ----------
    texts : what is embedded of each row: prompt and answer, or a prompt alone.
    meta : `inputs` (path, sha256, bytes) or `pool_rows` (ranges), `format`, `columns`, `rows`,
        and the `fingerprint` of the texts.
    table : rows with the columns of `core.pool.PAGE_COLUMNS`.
    """

    name: str
    texts: list[str]
    meta: dict[str, Any]
    table: pa.Table

    def page(self) -> "pd.DataFrame":
        """Return the rows to show: row, source, prompt, answer, n_chars, n_turns and id."""
        return self.table.to_pandas()


Prepare = Callable[[Target], object]


def add_target(
    project: Project,
    name: str,
    files: Sequence[str | Path],
    *,
    format: str = "auto",  # noqa: A002 - the option's name, the same everywhere
    columns: Mapping[str, str] = NO_COLUMNS,
    prepare: Prepare | None = None,
    progress: Progress = silent,
) -> TargetReport:
    """Read a target set from files, as `core.ingest.init_pool` reads a pool.

    A row may be a prompt without an answer.

    Parameters
    ----------
    name : letters, digits, - and _.
    prepare : is given the target set before it is stored, to do what must not fail afterwards.

    Raises
    ------
    InputError
        The name, the options or the files cannot be used, no row is good, or there is another
        target set of this name. Nothing is stored then.
    """
    check_name(name)
    options = ReadOptions(format, dict(columns), need_answer=False)
    inputs = find_inputs(files)
    tally = Tally()
    entries: list[Entry] = []
    for some, _ in read_rows(inputs, options, tally, progress):
        entries += some
    tally.check_any(inputs)
    hashes = np.array([entry.text_hash for entry in entries], np.uint64)
    meta = {
        "inputs": describe_inputs(inputs, hashes),
        "pool_rows": None,
        "format": format,
        "columns": dict(columns),
    }
    _store(project, name, entries_table(entries, 0).select(PAGE_COLUMNS), meta, prepare)
    return TargetReport(name, tally.rows, tally.rejected, tuple(tally.rejections))


def add_target_from_rows(
    project: Project,
    name: str,
    rows: Sequence[int] | NDArray[np.int64],
    *,
    prepare: Prepare | None = None,
    progress: Progress = silent,
) -> TargetReport:
    """Make a target set of rows of the pool; `prepare` as for `add_target`.

    Raises
    ------
    InputError
        The name cannot be used, no row is given or one is not in the pool, or there is another
        target set of this name. Nothing is stored then.
    """
    check_name(name)
    chosen = np.unique(np.asarray(rows, dtype=np.int64))
    if not len(chosen):
        raise InputError("No row was chosen for the target set; choose one or more.")
    pool = Pool.open(project)
    progress(0, len(chosen), "reading rows")
    table = pa.Table.from_pandas(pool.page(chosen), preserve_index=False)
    meta = {
        "inputs": [],
        "pool_rows": encode_ranges(chosen),
        "pool": pool.fingerprint,
        "format": pool.meta["format"],
        "columns": pool.meta["columns"],
    }
    _store(project, name, table, meta, prepare)
    return TargetReport(name, len(chosen), 0, ())


def list_targets(project: Project) -> list[TargetInfo]:
    """Return the target sets by name."""
    found = []
    for path in sorted(project.targets_dir.glob("*.json")):
        if _NAME.fullmatch(path.stem):
            meta = _read_meta(path)
            found.append(TargetInfo(path.stem, meta["rows"], _origin(meta), meta["fingerprint"]))
    return found


def load_target(project: Project, name: str) -> Target:
    """Return a target set.

    Raises
    ------
    InputError
        There is none of this name, or its files cannot be read.
    """
    path = _known(project, name)
    meta = _read_meta(path)
    try:
        table = pq.read_table(path.with_suffix(".parquet"))
    except (OSError, pa.ArrowException):
        raise InputError(
            f"The target set {name} cannot be read; delete {path} and add it again."
        ) from None
    return Target(name, _texts(table), meta, table)


def delete_target(project: Project, name: str) -> None:
    """Remove a target set with its vectors. Runs stay, and their recipes can be replayed.

    Raises
    ------
    InputError
        There is none of this name.
    """
    path = _known(project, name)
    with project.database() as db:
        db.execute("BEGIN IMMEDIATE")
        path.unlink()  # first: without it the rest is no target set
        for file in project.targets_dir.glob(f"{name}.*"):
            file.unlink()


def check_name(name: str) -> None:
    """Refuse what cannot name a target set, with an InputError."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"A target set cannot be called {name[:64]!r}; use up to 64 letters, digits, - and _."
        )


def _known(project: Project, name: str) -> Path:
    """The description of a target set that there is."""
    check_name(name)
    path = project.targets_dir / f"{name}.json"
    if not path.is_file():
        names = ", ".join(info.name for info in list_targets(project)) or "none"
        raise InputError(
            f"There is no target set {name!r} (there are: {names}); add it with "
            f"{command('target', project.root, name, 'FILE')}.",
            option="target",
        )
    return path


def _store(
    project: Project, name: str, table: pa.Table, meta: dict[str, Any], prepare: Prepare | None
) -> None:
    path = project.targets_dir / f"{name}.json"
    texts = _texts(table)
    digest = hashlib.sha256()
    for text in texts:
        digest.update(f"{len(text)} {text}".encode())
    meta = {**meta, "rows": table.num_rows, "fingerprint": digest.hexdigest()[:16]}
    _check_free(path, meta)
    if prepare is not None:
        prepare(Target(name, texts, meta, table))
    # Not the project's lock: a target set can be added while a long stage runs.
    with project.database() as db:
        db.execute("BEGIN IMMEDIATE")
        _check_free(path, meta)
        with atomic_file(path.with_suffix(".parquet")) as temporary:
            pq.write_table(table, temporary, compression="zstd")
        write_json(path, meta)


def _check_free(path: Path, meta: dict[str, Any]) -> None:
    """Refuse a name that another set has; the same set may come again."""
    if path.is_file() and _read_meta(path)["fingerprint"] != meta["fingerprint"]:
        raise InputError(f"A target set {path.stem} exists already; choose another name.")


def _texts(table: pa.Table) -> list[str]:
    return list(map(join_text, table["prompt"].to_pylist(), table["answer"].to_pylist()))


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        meta: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{path} cannot be read; delete it and add the set again.") from None
    return meta


def _origin(meta: Mapping[str, Any]) -> str:
    if meta["pool_rows"] is not None:
        return "rows of the pool"
    return ", ".join(Path(one["path"]).name for one in meta["inputs"])
