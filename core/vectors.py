"""Vectors from files: read, checked and brought to unit norm, for the pool and for targets."""

import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.errors import InputError
from core.feature_store import complete_meta, save_vectors
from core.features import FeaturesReport
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, describe_file, fingerprint

_BLOCK_ROWS = 16_384


def import_features(
    project: Project,
    source: str | Path,
    *,
    column: str | None = None,
    progress: Progress = silent,
) -> FeaturesReport:
    """Take the pool's vectors from a file; they are stored as float32, scaled to norm 1.

    Files are read in blocks, never unpickled.

    Parameters
    ----------
    source : a .npy file, a .npz file or a Parquet file with a column of lists; one vector for
        each row of the pool, in its order.
    column : array of a .npz, or column of a Parquet file, that holds them; not needed where there
        is only one that can, or one called `features`.

    Raises
    ------
    InputError
        The file cannot be read, does not fit the pool, or a vector is NaN, infinite, zero or of
        another width; the message names the row.
    """
    started = time.perf_counter()
    path = Path(source)
    with project.writing("embed"):
        pool = Pool.open(project)
        file = _open(path, column)
        if file.rows != pool.rows:
            raise InputError(f"{path} has {file.rows} vectors, but the pool has {pool.rows} rows.")
        progress(0, file.rows, "hashing the vectors")
        described = describe_file(path)
        name = fingerprint("imported features", pool.fingerprint, described["sha256"], column)
        report = FeaturesReport(
            f"imported from {path.name}", file.rows, file.dim, 0, 0.0, 0.0, 0, "none", name
        )
        meta = asdict(report) | {
            "revision": described["sha256"],
            "source": described,
            "column": column,
        }
        folder = project.artefact("features", name)
        if complete_meta(folder) is None:
            blocks = _units(file, progress)
            save_vectors(folder, blocks, (file.rows, file.dim), np.float32, meta)
        project.point("features", name)
    seconds = time.perf_counter() - started
    return FeaturesReport(
        **asdict(report)
        | {"seconds": round(seconds, 3), "rows_per_second": round(report.rows / seconds, 1)}
    )


def read_vectors(source: str | Path, *, rows: int, dim: int) -> NDArray[np.float32]:
    """Read a small file of vectors, shape (rows, dim), and bring them to unit norm.

    Raises
    ------
    InputError
        As for `import_features`, or the width is not `dim`.
    """
    file = _open(Path(source), None)
    if file.rows != rows:
        raise InputError(f"{source} has {file.rows} vectors for {rows} target rows.")
    if file.dim != dim:
        raise InputError(f"{source} has vectors of width {file.dim}; the pool's have {dim}.")
    return np.concatenate(list(_units(file, silent)))


def check_vectors(
    vectors: NDArray[Any], *, source: str | Path, first_row: int = 0
) -> NDArray[np.float32]:
    """Return vectors (rows, dim) as float32 of unit norm.

    Parameters
    ----------
    source, first_row : where they are from, and the number of the first, for the message.

    Raises
    ------
    InputError
        One of them is NaN, infinite (also: too large for float32) or zero; the message has its row.
    """
    with np.errstate(over="ignore"):
        found = np.asarray(vectors, np.float32)
    bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
    if len(bad):
        raise InputError(
            f"Row {first_row + bad[0]} of {source} is NaN or infinite; encode it again."
        )
    norms = np.linalg.norm(found.astype(np.float64), axis=1)
    zero = np.flatnonzero(norms == 0)
    if len(zero):
        raise InputError(
            f"Row {first_row + zero[0]} of {source} is the zero vector; encode it again."
        )
    return (found / norms[:, None]).astype(np.float32)


@dataclass(frozen=True)
class _VectorFile:
    """A file that was found to hold `rows` vectors of width `dim`.

    `part` is the array of a .npz or the column of a Parquet file, empty for a .npy.
    """

    path: Path
    kind: str
    part: str
    rows: int
    dim: int

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Yield the vectors in blocks, as they are."""
        read = {"npy": _npy_blocks, "npz": _npz_blocks, "parquet": _parquet_blocks}[self.kind]
        return read(self)


def _units(file: _VectorFile, progress: Progress) -> Iterator[NDArray[np.float32]]:
    """Yield checked blocks of unit vectors."""
    at = 0
    with _readable(file.path):
        for block in file.blocks():
            yield check_vectors(block, source=file.path, first_row=at)
            at += len(block)
            progress(at, file.rows, "importing vectors")


def _open(path: Path, column: str | None) -> _VectorFile:
    """Look a file over: what it is, which part of it holds the vectors, how many and how wide."""
    if not path.is_file():
        raise InputError(f"There is no file {path}; give a .npy, .npz or Parquet file of vectors.")
    with _readable(path):
        if path.suffix.lower() in (".parquet", ".pq"):
            file = _open_parquet(path, column)
        elif zipfile.is_zipfile(path):
            file = _open_npz(path, column)
        else:
            if column is not None:
                raise InputError(f"{path} is a single array; leave --column out.")
            with path.open("rb") as handle:
                shape, _, dtype = _header(handle)
            file = _described(path, "npy", "", shape, dtype)
            np.load(path, mmap_mode="r", allow_pickle=False)  # is all of it there?
    return file


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file makes the readers say into one sentence."""
    try:
        yield
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, pa.ArrowException):
        raise InputError(
            f"Cannot read vectors from {path}: it is damaged, or not .npy, .npz or Parquet."
        ) from None


def _described(
    path: Path, kind: str, part: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> _VectorFile:
    if dtype.hasobject:
        raise InputError(f"{path} holds Python objects, not numbers; save float32.")
    if dtype.kind not in "fiu":
        raise InputError(f"{path} holds {dtype}, not numbers; save float32 vectors.")
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"{path} must be an array of shape (rows, dim), got shape {shape}.")
    return _VectorFile(path, kind, part, shape[0], shape[1])


def _npy_blocks(file: _VectorFile) -> Iterator[NDArray[Any]]:
    array = np.load(file.path, mmap_mode="r", allow_pickle=False)
    for start in range(0, file.rows, _BLOCK_ROWS):
        yield array[start : start + _BLOCK_ROWS]


def _open_npz(path: Path, column: str | None) -> _VectorFile:
    with np.load(path, allow_pickle=False) as archive:
        part = _named(path, "arrays", archive.files, column)
    with zipfile.ZipFile(path) as archive, archive.open(f"{part}.npy") as member:
        shape, _, dtype = _header(member)
    return _described(path, "npz", part, shape, dtype)


def _npz_blocks(file: _VectorFile) -> Iterator[NDArray[Any]]:
    with zipfile.ZipFile(file.path) as archive, archive.open(f"{file.part}.npy") as member:
        _, fortran, dtype = _header(member)
        if fortran:
            # Column by column: no block of rows is in one piece, so it is read as a whole.
            whole = np.frombuffer(member.read(), dtype).reshape(file.dim, file.rows).T
            yield from (whole[i : i + _BLOCK_ROWS] for i in range(0, file.rows, _BLOCK_ROWS))
            return
        for start in range(0, file.rows, _BLOCK_ROWS):
            rows = min(_BLOCK_ROWS, file.rows - start)
            block = member.read(rows * file.dim * dtype.itemsize)
            yield np.frombuffer(block, dtype).reshape(rows, file.dim)


def _header(member: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and type of an array in NumPy's format."""
    version = np.lib.format.read_magic(member)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"version {version} of the array format")
    return read(member)


def _named(path: Path, what: str, names: list[str], wanted: str | None) -> str:
    """The part that holds the vectors: as asked for, else `features`, else the only one."""
    if wanted is None and len(names) == 1:
        return names[0]
    chosen = wanted or "features"
    if chosen not in names:
        known = ", ".join(names) or "none"
        raise InputError(f"{path} has these {what}: {known}; name one with --column.")
    return chosen


def _open_parquet(path: Path, column: str | None) -> _VectorFile:
    with pq.ParquetFile(path) as file:
        lists = [field.name for field in file.schema_arrow if _is_list(field.type)]
        part = _named(path, "columns of lists", lists, column)
        numbers = file.schema_arrow.field(part).type.value_type
        first = next(file.iter_batches(1, columns=[part]), None)
        width = len(first.column(0)[0].as_py() or ()) if first is not None else 0
        shape = (file.metadata.num_rows, width)
    if not (pa.types.is_floating(numbers) or pa.types.is_integer(numbers)):
        raise InputError(f"Column {part} of {path} holds {numbers}, not numbers; save floats.")
    return _described(path, "parquet", part, shape, np.dtype(numbers.to_pandas_dtype()))


def _is_list(kind: pa.DataType) -> bool:
    tests = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(test(kind) for test in tests)


def _parquet_blocks(file: _VectorFile) -> Iterator[NDArray[Any]]:
    at = 0
    with pq.ParquetFile(file.path) as parquet:
        for batch in parquet.iter_batches(_BLOCK_ROWS, columns=[file.part]):
            values = batch.column(0)
            widths = np.asarray(pc.list_value_length(values).fill_null(-1))
            wrong = np.flatnonzero(widths != file.dim)
            if len(wrong):
                has = max(int(widths[wrong[0]]), 0)
                raise InputError(
                    f"Row {at + wrong[0]} of {file.path} has {has} numbers, row 0 has {file.dim}; "
                    "all must have the same width."
                )
            yield values.flatten().to_numpy(zero_copy_only=False).reshape(-1, file.dim)
            at += len(batch)
