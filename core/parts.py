"""The pool's files: parts of rows in canonical form, beside the same rows as they came."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import InputError
from core.json_text import to_json_text

PART_ROWS = 65_536
PART_BYTES = 64 << 20
# Rows are read back by group: small enough for a page of scattered rows, large enough to scan.
GROUP_ROWS = 512
GROUP_BYTES = 4 << 20
JSON_COLUMN = "json"

ROWS_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("format", pa.string()),
        ("id", pa.string()),
        ("source", pa.string()),
        ("prompt", pa.string()),
        ("answer", pa.string()),
        ("n_chars", pa.int32()),
        ("n_turns", pa.int16()),
        ("text_hash", pa.uint64()),
    ]
)
_LOW_CARDINALITY = ["file", "format", "source"]
_MOST_TURNS = (1 << 15) - 1


@dataclass(frozen=True, slots=True)
class Entry:
    """One good row, ready to be written."""

    file: str
    line: int
    id: str
    source: str
    format: str
    prompt: str
    answer: str
    n_turns: int
    text_hash: int

    @property
    def n_chars(self) -> int:
        """Characters of the text that is embedded."""
        return len(self.prompt) + (len(self.answer) + 1 if self.answer else 0)


@dataclass
class _Part:
    rows: pq.ParquetWriter
    originals: pq.ParquetWriter
    kind: str
    schema: pa.Schema
    bytes: int = 0
    groups: list[int] = field(default_factory=list)


class PartWriter:
    """Writes rows and originals side by side, group by group, in bounded memory.

    Parameters
    ----------
    folder : where `rows-00000.parquet`, `original-00000.parquet` … go.

    Attributes
    ----------
    rows : rows written so far.
    parts : of each finished part `kind` ("json" or "typed") and `groups`, the rows of each of its
        row groups, which are the same in both files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._part: _Part | None = None
        self._entries: list[Entry] = []
        self._originals: list[pa.Table] = []
        self._bytes = 0
        self._tried: tuple[pa.Schema, bool] | None = (
            None  # a schema, and whether Parquet can hold it
        )
        self.rows = 0
        self.parts: list[dict[str, Any]] = []

    def write(self, entries: list[Entry], originals: list[str] | pa.Table) -> None:
        """Add rows with their originals, JSON texts or a typed table, of the same length.

        A table with a type that Parquet cannot hold, such as objects without fields, is kept as
        JSON texts.
        """
        if not entries:
            return
        if isinstance(originals, pa.Table) and not self._storable(originals.schema):
            originals = [to_json_text(row) for row in originals.to_pylist()]
        kind = "json" if isinstance(originals, list) else "typed"
        table = pa.table({JSON_COLUMN: originals}) if isinstance(originals, list) else originals
        if self._part is not None and self._part.kind == kind:
            table = _fit(table, self._part.schema)
        if self._part is None or self._part.kind != kind or self._part.schema != table.schema:
            self.close()
            self._part = self._open(kind, table.schema)
        self._entries += entries
        self._originals.append(table)
        self._bytes += sum(entry.n_chars for entry in entries) + table.nbytes
        if len(self._entries) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush(self._part)
            if sum(self._part.groups) >= PART_ROWS or self._part.bytes >= PART_BYTES:
                self.close()

    def close(self) -> None:
        """Finish the part that is being written, if any."""
        if self._part is None:
            return
        if self._entries:
            self._flush(self._part)
        self._part.rows.close()
        self._part.originals.close()
        self.parts.append({"kind": self._part.kind, "groups": self._part.groups})
        self._part = None

    def _open(self, kind: str, schema: pa.Schema) -> _Part:
        rows = pq.ParquetWriter(
            rows_path(self._folder, len(self.parts)),
            ROWS_SCHEMA,
            compression="lz4",
            use_dictionary=_LOW_CARDINALITY,
        )
        originals = pq.ParquetWriter(
            original_path(self._folder, len(self.parts)),
            schema,
            compression="zstd",
            compression_level=1,
        )
        return _Part(rows, originals, kind, schema)

    def _storable(self, schema: pa.Schema) -> bool:
        if self._tried is None or self._tried[0] != schema:
            try:
                pq.ParquetWriter(pa.BufferOutputStream(), schema).close()
            except (pa.ArrowException, NotImplementedError):
                self._tried = (schema, False)
            else:
                self._tried = (schema, True)
        return self._tried[1]

    def _flush(self, part: _Part) -> None:
        count = len(self._entries)
        table = entries_table(self._entries, self.rows)
        part.rows.write_table(table, row_group_size=count)
        part.originals.write_table(pa.concat_tables(self._originals), row_group_size=count)
        part.groups.append(count)
        part.bytes += self._bytes
        self.rows += count
        self._entries, self._originals, self._bytes = [], [], 0


def entries_table(entries: list[Entry], first: int) -> pa.Table:
    """Return entries as a table of `ROWS_SCHEMA`, numbered from `first`."""
    columns: dict[str, Any] = {
        "row": range(first, first + len(entries)),
        "n_turns": [min(entry.n_turns, _MOST_TURNS) for entry in entries],
    }
    arrays = [
        pa.array(
            columns.get(field.name) or [getattr(entry, field.name) for entry in entries],
            field.type,
        )
        for field in ROWS_SCHEMA
    ]
    return pa.table(arrays, schema=ROWS_SCHEMA)


def rows_path(folder: Path, part: int) -> Path:
    """Path of a part's rows in canonical form."""
    return folder / f"rows-{part:05d}.parquet"


def original_path(folder: Path, part: int) -> Path:
    """Path of a part's rows as they came."""
    return folder / f"original-{part:05d}.parquet"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Refuse a file of a part that is missing or damaged with an InputError."""
    try:
        yield
    except (OSError, pa.ArrowException):
        raise InputError(f"{path} cannot be read; make the project again.") from None


def _fit(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give an all-null column the type that the part has, so that no new part is begun for it."""
    if table.schema.names != schema.names:
        return table
    for at, (own, wanted) in enumerate(zip(table.schema, schema, strict=True)):
        if own.type != wanted.type and pa.types.is_null(own.type):
            nulls = pa.nulls(table.num_rows, wanted.type)
            table = table.set_column(at, wanted, nulls)
    return table
