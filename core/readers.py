"""Files to rows, a few at a time; here the text files: JSON, one object a line, CSV and TSV.

Each reader of texts yields items in the order of the file: a row with its place and its JSON
text, or a place and the reason why no row stands there. A place is the 1-based line where the row
starts, or the 1-based record number in a JSON array.
"""

import csv
import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.chunks import CHUNK_CHARACTERS, CHUNK_ROWS, ROW_LIMIT, Chunk, Issue
from core.errors import InputError
from core.inputs import Input, delimiter, sniff
from core.json_values import JsonValues, bad_json
from core.streams import BLOCK, DamageError, Stream
from core.turns import kind as kind_name

_SPACE = " \t\r\n"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    values: dict[str, Any]
    text: str


def read_input(one: Input, mapped: Sequence[str]) -> Iterator[Chunk]:
    """Read one input, in chunks of about a thousand rows, whatever its kind.

    Parameters
    ----------
    mapped : columns that the user mapped.

    Raises
    ------
    InputError
        It is no kind of file that can be read, or its first bytes, header or schema are broken.
        Damage further in is an issue of the last chunk.
    """
    from core import tables

    if one.kind == "hub":
        yield from tables.read_hub(one.name, mapped, one.revision)
    elif one.kind == "dataset":
        yield from tables.read_files(one.data_files, mapped)
    else:
        path = one.data_files[0]
        with Stream(path) as stream:
            kind = sniff(path, stream.peek(), mapped)
            if kind in ("parquet", "arrow-file", "arrow-stream"):
                with tables.plain_file(path, stream) as plain:
                    yield from tables.read_table(plain, path, kind, mapped)
            else:
                yield from read_text(stream, kind, path, mapped)


def read_text(stream: Stream, kind: str, path: Path, mapped: Sequence[str]) -> Iterator[Chunk]:
    """Read a text file.

    Parameters
    ----------
    kind : "lines", "array", "keyed", "values" or "csv", as `core.inputs.sniff` tells.
    path : the file's name tells tabs from commas.
    mapped : columns that the user mapped.

    Raises
    ------
    InputError
        A CSV file's header cannot be used.
    """
    columns = None
    if kind == "csv":
        table = _Csv(stream, path)
        columns, items = table.columns, table.items()
    elif kind == "lines":
        items = _lines(stream)
    else:
        items = _values(stream, kind, mapped)
    chunk, characters = Chunk(texts=[], columns=columns), 0
    for item in items:
        if isinstance(item, Issue):
            chunk.issues.append(item)
        else:
            chunk.lines.append(item.line)
            chunk.rows.append(item.values)
            chunk.texts.append(item.text)  # type: ignore[union-attr]
            characters += len(item.text)
        full = len(chunk.lines) + len(chunk.issues) >= CHUNK_ROWS
        if full or characters >= CHUNK_CHARACTERS:
            chunk.position = stream.position
            yield chunk
            chunk, characters = Chunk(texts=[], columns=columns), 0
    chunk.position = stream.position
    yield chunk


def _raw_lines(stream: Stream) -> Iterator[tuple[int, bytes | Issue]]:
    """Yield each physical line's number and bytes, break included; a too long one is an issue."""
    number, parts, size = 1, [], 0
    ended = False
    while not ended:
        block = stream.read(BLOCK)
        ended = not block
        *whole, rest = block.split(b"\n")
        for piece in [line + b"\n" for line in whole] + [rest]:
            size += len(piece)
            if size <= ROW_LIMIT:
                parts.append(piece)
            if piece.endswith(b"\n") or (ended and size):
                long = Issue(number, f"the line is longer than {ROW_LIMIT >> 20} MiB")
                yield number, b"".join(parts) if size <= ROW_LIMIT else long
                number, parts, size = number + 1, [], 0


def _lines(stream: Stream) -> Iterator[_Row | Issue]:
    number = 0
    try:
        for number, line in _raw_lines(stream):
            if isinstance(line, Issue):
                yield line
                continue
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip(_SPACE)
            except UnicodeDecodeError:
                yield Issue(number, "the line is not UTF-8 text")
                continue
            if text:
                yield _row_of_text(number, text)
    except DamageError as damage:
        yield Issue(number + 1, f"{damage}; the rest is not read")


def _row_of_text(number: int, text: str) -> _Row | Issue:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Issue(number, bad_json(error))
    return _row(number, value, text)


def _row(number: int, value: Any, text: str) -> _Row | Issue:
    if not isinstance(value, dict):
        return Issue(number, f"not an object but {kind_name(value)}")
    try:
        if not text.isascii():
            text.encode()
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return Issue(number, "the row holds text that is not UTF-8")
    return _Row(number, value, text)


def _values(stream: Stream, kind: str, mapped: Sequence[str]) -> Iterator[_Row | Issue]:
    for number, value, text in JsonValues(stream, mapped, ROW_LIMIT).items(kind):
        yield Issue(number, value) if text is None else _row(number, value, text)


class _Csv:
    """A table of strings: the header gives the keys."""

    def __init__(self, stream: Stream, path: Path) -> None:
        self._feed = _Feed(_raw_lines(stream))
        head = stream.peek().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()
        self._delimiter = delimiter(path, head.partition("\n")[0])
        csv.field_size_limit(ROW_LIMIT)
        try:
            header = next((cells for cells in self._reader() if cells), [])
        except (csv.Error, DamageError) as error:
            raise InputError(f"The header of {path.name} cannot be read: {error}.") from None
        for column in header:
            if header.count(column) > 1:
                raise InputError(f"{path.name} has two columns {column!r}; rename one of them.")
        try:
            "".join(header).encode()
        except UnicodeEncodeError:
            raise InputError(
                f"The header of {path.name} is not UTF-8; save the file as UTF-8."
            ) from None
        self.columns = tuple(header)

    def items(self) -> Iterator[_Row | Issue]:
        """Yield the rows; the place is the physical line where a row starts."""
        reader, rewinds = self._reader(), 0
        while True:
            self._feed.taken.clear()
            try:
                cells = next(reader, None)
            except csv.Error as error:
                start, *after = self._feed.taken
                yield Issue(start[0], f"bad CSV: {error}")
                if after and str(error).startswith(_OPEN_QUOTE) and rewinds < _REWINDS:
                    rewinds += 1
                    self._feed.back.extend(after)
                    reader = self._reader()
                continue
            except DamageError as damage:
                yield Issue(self._feed.last + 1, f"{damage}; the rest is not read")
                return
            yield from self._feed.issues
            self._feed.issues.clear()
            if cells is None:
                return
            if cells:
                yield self._row(self._feed.taken[0][0], cells)

    def _row(self, line: int, cells: list[str]) -> _Row | Issue:
        if len(cells) != len(self.columns):
            return Issue(line, f"{len(cells)} columns where the header has {len(self.columns)}")
        values = dict(zip(self.columns, cells, strict=True))
        return _row(line, values, json.dumps(values, ensure_ascii=False))

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(self._feed, delimiter=self._delimiter, strict=True)


# A quote that is never closed takes in the rest of the file. The reading then starts again after
# the line where it opened; this often, so that a file of such lines does not take for ever.
_REWINDS = 20
_OPEN_QUOTE = ("unexpected end of data", "field larger than field limit")


class _Feed:
    """Lines for `csv.reader`, which remember their numbers and can be given back."""

    def __init__(self, lines: Iterator[tuple[int, bytes | Issue]]) -> None:
        self._lines = lines
        self.taken: list[tuple[int, str]] = []  # since the caller last cleared it
        self.back: deque[tuple[int, str]] = deque()
        self.issues: list[Issue] = []
        self.last = 0

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        if self.back:
            self.taken.append(self.back.popleft())
            return self.taken[-1][1]
        for number, line in self._lines:
            self.last = number
            if isinstance(line, Issue):
                self.issues.append(line)
                continue
            # A byte that is not UTF-8 becomes a lone surrogate, and its row is refused for it.
            text = line.decode("utf-8", "surrogateescape")
            self.taken.append((number, text.removeprefix("\ufeff") if number == 1 else text))
            return self.taken[-1][1]
        raise StopIteration
