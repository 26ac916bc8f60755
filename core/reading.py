"""Inputs to rows that can be used: each is parsed and named, or refused with its reason."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from core.chunks import Chunk
from core.duplicates import text_hash
from core.errors import InputError
from core.inputs import Input
from core.parts import Entry
from core.progress import Progress
from core.readers import read_input
from core.records import (
    COLUMN_ROLES,
    FORMATS,
    ID_COLUMNS,
    SOURCE_COLUMNS,
    Record,
    RecordError,
    join_text,
    parse,
)

SHOWN_REJECTIONS = 100
# Longer, a `source` column is rather a text than a name.
_LONGEST_NAME = 100
# Columns that are remembered by name and type; an object keyed by data would have no end of them.
_MOST_COLUMNS = 2_000


@dataclass(frozen=True)
class Rejection:
    """A row that was not taken: its file, its 1-based line or record number, and why."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class ReadOptions:
    """How rows are read, the same for pool and targets.

    Raises
    ------
    InputError
        An unknown format or role, or a limit below 1.
    """

    format: str = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    need_answer: bool = True

    def __post_init__(self) -> None:
        if self.format != "auto" and self.format not in FORMATS:
            raise InputError(
                f"Unknown format {self.format!r}; use auto or one of {', '.join(FORMATS)}.",
                option="format",
            )
        for role in self.columns:
            if role not in COLUMN_ROLES:
                raise InputError(
                    f"Unknown column role {role!r}; use one of {', '.join(COLUMN_ROLES)}.",
                    option="column",
                )
        if self.limit is not None and self.limit < 1:
            raise InputError(f"The limit must be at least 1 row, not {self.limit}.")


@dataclass
class Tally:
    """What is counted while rows are read."""

    rows: int = 0
    rejected: int = 0
    rejections: list[Rejection] = field(default_factory=list)
    formats: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    columns: dict[str, set[str]] = field(default_factory=dict)

    def reject(self, file: str, line: int, reason: str) -> None:
        """Count a row that was not taken."""
        self.rejected += 1
        if len(self.rejections) < SHOWN_REJECTIONS:
            self.rejections.append(Rejection(file, line, reason))

    def check_any(self, inputs: Sequence[Input]) -> None:
        """Raise InputError if there is no row, with the first reason."""
        if self.rows:
            return
        where = ", ".join(one.name for one in inputs)
        if not self.rejections:
            raise InputError(f"{where} holds no rows; give a file with rows.")
        first = self.rejections[0]
        which = f"line {first.line}" if len(inputs) == 1 else f"{first.file}, line {first.line}"
        raise InputError(f"No row of {where} can be used; {which}: {first.reason}.")


def read_rows(
    inputs: Sequence[Input], options: ReadOptions, tally: Tally, progress: Progress
) -> Iterator[tuple[list[Entry], Any]]:
    """Read inputs one after the other and yield their good rows, some at a time.

    Yields
    ------
    entries : list of Entry
    originals : list of str or pyarrow.Table
        The same rows as they came: JSON texts, or a typed table.

    Raises
    ------
    InputError
        An input cannot be read at all, or has not got a mapped column.
    """
    sizes = [sum(file.stat().st_size for file in one.data_files) for one in inputs]
    mapped = [*options.columns.values()]
    for at, one in enumerate(inputs):
        seen = _Columns(one, options.columns)
        for chunk in read_input(one, mapped):
            seen.add(chunk)
            entries, kept = _entries(one, chunk, options, tally)
            progress(sum(sizes[:at]) + chunk.position, sum(sizes), f"reading {one.name}")
            if kept:
                yield entries, _originals(chunk, kept)
            if tally.rows == options.limit:
                break
        seen.check()
        for name, kinds in seen.kinds.items():
            tally.columns.setdefault(name, set()).update(kinds)
        if tally.rows == options.limit:
            return


def _entries(
    one: Input, chunk: Chunk, options: ReadOptions, tally: Tally
) -> tuple[list[Entry], list[int]]:
    """Parse a chunk's rows; return the good ones and where they stand in the chunk."""
    entries: list[Entry] = []
    kept: list[int] = []
    refused = [(issue.line, issue.reason) for issue in chunk.issues]
    for at, (line, row) in enumerate(zip(chunk.lines, chunk.rows, strict=True)):
        try:
            record = parse(
                row,
                options.format,
                options.columns,
                need_answer=options.need_answer,
                seen=chunk.columns,
            )
        except RecordError as error:
            refused.append((line, error.reason))
            continue
        entries.append(_entry(one, line, row, record, options.columns))
        kept.append(at)
        tally.rows += 1
        tally.formats[record.format] += 1
        tally.sources[entries[-1].source] += 1
        if tally.rows == options.limit:
            refused = [(other, reason) for other, reason in refused if other <= line]
            break
    for line, reason in sorted(refused):
        tally.reject(one.name, line, reason)
    return entries, kept


def _entry(
    one: Input, line: int, row: Mapping[str, Any], record: Record, columns: Mapping[str, str]
) -> Entry:
    prompt, answer = record.prompt, record.answer
    return Entry(
        file=one.name,
        line=line,
        id=_label(row, "id", ID_COLUMNS, columns) or f"{one.stem}:{line}",
        source=_label(row, "source", SOURCE_COLUMNS, columns) or one.stem,
        format=record.format,
        prompt=prompt,
        answer=answer,
        n_turns=record.n_turns,
        text_hash=text_hash(join_text(prompt, answer)),
    )


def _label(
    row: Mapping[str, Any], role: str, candidates: Sequence[str], columns: Mapping[str, str]
) -> str:
    """Return what the row's `id` or `source` column says; "" if it says nothing usable."""
    if role in columns:
        value = row.get(columns[role])
    else:
        value = None
        for name in candidates:
            if row.get(name) is not None and name not in columns.values():
                value = row[name]
                break
        if isinstance(value, str) and (len(value) > _LONGEST_NAME or "\n" in value):
            return ""
    if isinstance(value, bool | int | float):
        return str(value)
    return value if isinstance(value, str) and "\0" not in value else ""


class _Columns:
    """The columns of one input, with the kinds of values that they hold."""

    def __init__(self, one: Input, mapped: Mapping[str, str]) -> None:
        self._one = one
        self._mapped = mapped
        self._signatures: set[tuple[Any, ...]] = set()
        self._schema: pa.Schema | None = None
        self.kinds: dict[str, set[str]] = {}

    def add(self, chunk: Chunk) -> None:
        """Take note of a chunk; raise InputError early if the file says that one is missing."""
        if chunk.columns is not None:
            if not self.kinds:
                self.kinds = {name: set() for name in chunk.columns}
                self.check()
                if chunk.texts is not None:
                    self.kinds = {name: {"text"} for name in chunk.columns}
            if chunk.table is not None and chunk.table.schema != self._schema:
                self._schema = chunk.table.schema
                for field_ in self._schema:
                    self.kinds[field_.name].add(_kind_of(field_.type))
            return
        for row in chunk.rows:
            # Most rows of a file look alike: only a new combination is looked at closely.
            signature = (*row, *map(type, row.values()))
            if signature not in self._signatures:
                if len(self._signatures) < _MOST_COLUMNS:
                    self._signatures.add(signature)
                self._note(row)

    def _note(self, row: Mapping[str, Any]) -> None:
        for name, value in row.items():
            if name in self.kinds or len(self.kinds) < _MOST_COLUMNS:
                self.kinds.setdefault(name, set()).add(_KINDS.get(type(value), "null"))

    def check(self) -> None:
        """Raise InputError if a mapped column is nowhere in the input."""
        for role, name in self._mapped.items():
            if name not in self.kinds:
                there = ", ".join(self.kinds) or "none"
                raise InputError(
                    f"{self._one.name} has no column {name!r} for {role}; its columns are {there}.",
                    option="column",
                )


_KINDS = {
    str: "text",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "list",
    dict: "object",
}


def _kind_of(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    for name, test in _TYPE_TESTS.items():
        if test(kind):
            return name
    return "other"


_TYPE_TESTS = {
    "null": pa.types.is_null,
    "text": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
    "boolean": pa.types.is_boolean,
    "integer": pa.types.is_integer,
    "number": pa.types.is_floating,
    "list": lambda kind: pa.types.is_list(kind) or pa.types.is_large_list(kind),
    "object": pa.types.is_struct,
}


def _originals(chunk: Chunk, kept: list[int]) -> Any:
    if chunk.table is None:
        assert chunk.texts is not None
        return chunk.texts if len(kept) == len(chunk.texts) else [chunk.texts[i] for i in kept]
    return chunk.table if len(kept) == chunk.table.num_rows else chunk.table.take(kept)
