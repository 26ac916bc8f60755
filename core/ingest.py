"""Reading files into a new project's pool."""

import hashlib
import shutil
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.duplicates import first_rows
from core.errors import InputError
from core.inputs import Input, find_inputs
from core.parts import PartWriter
from core.paths import user_path
from core.progress import Progress, silent
from core.project import Project, atomic_folder, file_sha256, fingerprint, write_json
from core.reading import ReadOptions, Rejection, Tally, read_rows
from core.records import NO_COLUMNS

# Part of the fingerprint: raise it when the same file would give other rows.
READER_VERSION = 1


@dataclass(frozen=True)
class PoolReport:
    """What was read.

    Attributes
    ----------
    rejections : the first 100.
    exact_duplicates : rows whose text an earlier row has too.
    format : the most common one of the rows.
    formats, sources : rows of each, most first.
    """

    rows: int
    rejected: int
    rejections: tuple[Rejection, ...]
    exact_duplicates: int
    format: str
    formats: dict[str, int]
    sources: dict[str, int]
    seconds: float
    fingerprint: str


def init_pool(
    root: str | Path,
    files: Sequence[str | Path],
    *,
    format: str = "auto",  # noqa: A002 - the option's name, the same everywhere
    columns: Mapping[str, str] = NO_COLUMNS,
    limit: int | None = None,
    progress: Progress = silent,
) -> PoolReport:
    """Make a project at `root` and read its pool.

    Parameters
    ----------
    files : files, folders saved by `datasets`, folders of files, or `hf://owner/name[@split]`.
    format : one of `core.records.FORMATS`, or "auto": each row by its columns.
    columns : role (one of `core.records.COLUMN_ROLES`) to the column that plays it.
    limit : the most rows to take.

    Raises
    ------
    InputError
        The options or the files cannot be used, no row is good, or the project has a pool. A
        folder that was made for the project is removed then, and also after an interrupt.

    Notes
    -----
    Memory does not depend on the number of rows, but for 16 bytes a row.
    """
    started = time.perf_counter()
    options = ReadOptions(format, dict(columns), limit)
    inputs = find_inputs(files)
    path = user_path(root).absolute()
    existed, fresh = path.exists(), not (path / "project.db").exists()
    project = Project.create(path)
    with project.writing("init"):
        if project.pointer("pool") is not None:
            raise InputError(f"{project.root} already holds a pool; give a new folder for another.")
        try:
            return _read_pool(project, inputs, options, started, progress)
        except BaseException:
            if fresh:
                _discard(path, existed)
            raise


def _read_pool(
    project: Project,
    inputs: list[Input],
    options: ReadOptions,
    started: float,
    progress: Progress,
) -> PoolReport:
    # Of a process that was killed; a pool that nothing points to is replaced below.
    for left_over in project.root.glob(".pool.*.part"):
        shutil.rmtree(left_over, ignore_errors=True)
    inputs = [_with_revision(one) for one in inputs]
    tally = Tally()
    with atomic_folder(project.pool_dir) as folder:
        writer = PartWriter(folder)
        collected = array("Q")
        for entries, originals in read_rows(inputs, options, tally, progress):
            writer.write(entries, originals)
            collected.extend([entry.text_hash for entry in entries])
        writer.close()
        tally.check_any(inputs)
        hashes = np.frombuffer(collected, np.uint64)
        duplicates = first_rows(hashes)
        np.save(folder / "duplicates.npy", duplicates)
        described = describe_inputs(inputs, hashes)
        name = fingerprint(
            "pool",
            READER_VERSION,
            [[Path(one["path"]).name, one["sha256"]] for one in described],
            options.format,
            dict(options.columns),
            options.limit,
        )
        report = PoolReport(
            rows=tally.rows,
            rejected=tally.rejected,
            rejections=tuple(tally.rejections),
            exact_duplicates=int((duplicates >= 0).sum()),
            format=tally.formats.most_common(1)[0][0],
            formats=dict(tally.formats.most_common()),
            sources=dict(tally.sources.most_common()),
            seconds=round(time.perf_counter() - started, 3),
            fingerprint=name,
        )
        meta = {
            "fingerprint": name,
            "rows": tally.rows,
            "inputs": described,
            "format": options.format,
            "columns": dict(options.columns),
            "limit": options.limit,
            "report": asdict(report),
            "parts": writer.parts,
            "original_columns": {name: sorted(kinds) for name, kinds in tally.columns.items()},
        }
        write_json(folder / "meta.json", meta)
    project.point("pool", name)
    return report


def describe_inputs(inputs: Sequence[Input], hashes: np.ndarray) -> list[dict[str, Any]]:
    """Say what was read, for the recipe: path, SHA-256 and bytes.

    For several files, the SHA-256 is that of their digests; for a hub data set, that of the
    hashes of the pool's texts.
    """
    described = []
    for one in inputs:
        digests = [file_sha256(file) for file in one.data_files] or [
            hashlib.sha256(hashes.tobytes()).hexdigest()
        ]
        digest = (
            digests[0]
            if len(digests) == 1
            else hashlib.sha256("".join(digests).encode()).hexdigest()
        )
        size = sum(file.stat().st_size for file in one.data_files)
        path = one.name if one.path is None else str(one.path.absolute())
        if one.revision and "#" not in path:  # so that a replay reads the same commit
            path = f"{path}#{one.revision}"
        described.append({"path": path, "sha256": digest, "bytes": size})
    return described


def _with_revision(one: Input) -> Input:
    if one.kind != "hub":
        return one
    from core.tables import hub_revision

    return replace(one, revision=hub_revision(one.name))


def _discard(root: Path, existed: bool) -> None:
    """Remove a project that was not completed, but not the inputs that the user put there."""
    if not existed:
        shutil.rmtree(root, ignore_errors=True)
        return
    for path in root.iterdir():
        if path.name == "inputs":
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
