"""Typed files to rows, a few at a time: Parquet, Arrow, saved data sets and the hub."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.chunks import CHUNK_CHARACTERS, CHUNK_ROWS, Chunk, Issue
from core.errors import InputError
from core.inputs import HUB_PREFIX
from core.records import FIELDS, ID_COLUMNS, SOURCE_COLUMNS
from core.streams import DamageError, Stream

# A broken length is met as a want of memory.
_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError, MemoryError)


@contextmanager
def plain_file(path: Path, stream: Stream) -> Iterator[Path]:
    """Yield a file that can be read at any place: `path`, or a decompressed copy of it.

    Raises
    ------
    InputError
        The compressed data is damaged.
    """
    if stream.compression is None:
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="winnow-") as copy:
        try:
            shutil.copyfileobj(stream, copy)
        except DamageError as damage:
            raise InputError(f"{path} cannot be read: {damage}; download it again.") from None
        except OSError as error:
            raise InputError(
                f"{path} cannot be decompressed to {copy.name}: {error.strerror}."
            ) from None
        copy.flush()
        yield Path(copy.name)


def read_table(plain: Path, path: Path, kind: str, mapped: Sequence[str]) -> Iterator[Chunk]:
    """Read a Parquet or Arrow file; the place of a row is its 1-based record number.

    Parameters
    ----------
    plain : the uncompressed file.
    path : the file for messages.
    kind : "parquet", "arrow-file" or "arrow-stream".

    Raises
    ------
    InputError
        It cannot be opened, or two columns have the same name.
    """
    with plain.open("rb") as handle:
        try:
            schema, batches, total = _OPENERS[kind](handle)
            columns = tuple(schema.names)
        except _ERRORS as error:
            raise InputError(
                f"{path} cannot be read as {kind.partition('-')[0].title()}: {_plain(error)}."
            ) from None
        size = plain.stat().st_size
        yield from _chunks(columns, batches, path.name, mapped, total, size)


def read_files(paths: Sequence[Path], mapped: Sequence[str]) -> Iterator[Chunk]:
    """Read the Arrow files of one data set as one table.

    Raises
    ------
    InputError
        A file cannot be opened.
    """
    first, position = 0, 0
    for path in paths:
        with Stream(path) as stream:
            kind = "arrow-file" if stream.peek().startswith(b"ARROW1") else "arrow-stream"
        last = 0
        for chunk in read_table(path, path, kind, mapped):
            last = chunk.lines[-1] if chunk.lines else last
            chunk.lines = [line + first for line in chunk.lines]
            chunk.issues = [Issue(one.line + first, one.reason) for one in chunk.issues]
            chunk.position += position
            yield chunk
        first += last
        position += path.stat().st_size


def hub_parts(name: str) -> tuple[str, str]:
    """Split `hf://owner/name[@split][#commit]` into the data set and the split (default: train)."""
    repository, _, split = name.removeprefix(HUB_PREFIX).partition("#")[0].partition("@")
    return repository, split or "train"


def hub_revision(name: str) -> str:
    """Return the commit that `name` asks for, else the newest; "" for a data set on this disk.

    Raises
    ------
    InputError
        The hub does not know it, or cannot be reached.
    """
    repository, _ = hub_parts(name)
    if "#" in name or Path(repository).exists():
        return name.partition("#")[2]
    from huggingface_hub import HfApi

    try:
        return HfApi().dataset_info(repository).sha or ""
    except Exception as error:  # the hub's client raises what its HTTP library raises
        raise InputError(
            f"{name} cannot be read from the hub: {_plain(error)}; check the name and the network."
        ) from None


def read_hub(name: str, mapped: Sequence[str], revision: str = "") -> Iterator[Chunk]:
    """Stream a hub data set; the place of a row is its 1-based record number.

    Raises
    ------
    InputError
        The data set or the split is not there, or cannot be streamed.
    """
    from datasets import load_dataset

    repository, split = hub_parts(name)
    try:
        data = load_dataset(repository, split=split, streaming=True, revision=revision or None)
        batches = iter(data.with_format("arrow").iter(batch_size=CHUNK_ROWS))
        first = next(batches, None)
    except Exception as error:  # as above, and the loaders of each file format raise their own
        raise InputError(
            f"{name} cannot be read: {_plain(error)}; check the name, the split and the network."
        ) from None
    if first is None:
        return
    schema = data.features.arrow_schema if data.features is not None else first.schema

    def tables() -> Iterator[pa.Table]:
        yield first
        yield from batches

    yield from _chunks(tuple(schema.names), tables(), name, mapped, 0, 0, (Exception,))


def _open_parquet(handle: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch], int]:
    # Without pre-buffering a row group is read page by page, however large it is.
    file = pq.ParquetFile(handle, pre_buffer=False, buffer_size=1 << 20)
    rows = file.metadata.num_rows
    groups = range(file.metadata.num_row_groups)
    size = sum(file.metadata.row_group(i).total_byte_size for i in groups)
    batch_rows = _rows_at_once(size, rows)
    return file.schema_arrow, file.iter_batches(batch_rows, use_threads=False), rows


def _open_arrow_file(handle: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch], int]:
    file = pa.ipc.open_file(handle)
    return file.schema, (file.get_batch(i) for i in range(file.num_record_batches)), 0


def _open_arrow_stream(handle: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch], int]:
    reader = pa.ipc.open_stream(handle)
    return reader.schema, iter(reader), 0


_OPENERS = {
    "parquet": _open_parquet,
    "arrow-file": _open_arrow_file,
    "arrow-stream": _open_arrow_stream,
}


def _chunks(
    columns: tuple[str, ...],
    batches: Iterator[pa.RecordBatch | pa.Table],
    name: str,
    mapped: Sequence[str],
    total: int,
    size: int,
    errors: tuple[type[Exception], ...] = _ERRORS,
) -> Iterator[Chunk]:
    for column in columns:
        if columns.count(column) > 1:
            raise InputError(f"{name} has two columns {column!r}; rename one of them.")
    wanted = {*FIELDS, *ID_COLUMNS, *SOURCE_COLUMNS, *mapped}
    names = [column for column in columns if column in wanted]
    done = 0
    yield Chunk(columns=columns)  # the columns are known even if no row can be read
    while True:
        try:
            batch = next(batches, None)
        except errors as error:
            rest = f"records from {done + 1:,} on" if not total else f"{total - done:,} records"
            yield Chunk(
                issues=[Issue(done + 1, f"{rest} cannot be read: {_plain(error)}")],
                columns=columns,
                position=size,
            )
            return
        if batch is None:
            return
        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        step = _rows_at_once(table.nbytes, table.num_rows)
        for start in range(0, table.num_rows, step):
            chunk = _chunk(table.slice(start, step), names, done)
            done += min(step, table.num_rows - start)
            chunk.columns = columns
            chunk.position = size * done // total if total else 0
            yield chunk


def _rows_at_once(size: int, rows: int) -> int:
    """Rows of a table of `size` bytes that make a chunk."""
    return max(1, min(CHUNK_ROWS, CHUNK_CHARACTERS * rows // max(size, 1)))


def _chunk(table: pa.Table, names: list[str], done: int) -> Chunk:
    """Turn a slice of a table into a chunk, without the rows that hold no valid values."""
    lines = list(range(done + 1, done + 1 + table.num_rows))
    try:
        table.validate(full=True)
        return Chunk(lines, table.select(names).to_pylist(), table=table)
    except (*_ERRORS, ValueError):
        pass
    chunk, good = Chunk(), []
    for at, line in enumerate(lines):
        one = table.slice(at, 1)
        try:
            one.validate(full=True)
            chunk.rows += one.select(names).to_pylist()
        except (*_ERRORS, ValueError) as error:
            chunk.issues.append(Issue(line, _invalid(error)))
        else:
            chunk.lines.append(line)
            good.append(at)
    chunk.table = table.take(pa.array(good, pa.int64())) if good else table.slice(0, 0)
    return chunk


def _invalid(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError) or "UTF8" in str(error).upper():
        return "the row holds text that is not UTF-8"
    return f"the row holds a broken value ({_plain(error)})"


def _plain(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
