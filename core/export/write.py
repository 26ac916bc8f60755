"""Exporting: rows of the pool into a file or folder, with the recipe that chose them."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.errors import InputError
from core.export.convert import UnholdableError
from core.export.destination import destination
from core.export.formats import ExportFormat, export_format
from core.export.tables import write_datasets_folder, write_parquet
from core.export.trainers import NEEDS_SURVEY, NO_SURVEY, Row, Shape, choose_shape, survey
from core.export.writers import add_fields, write_array, write_csv, write_lines
from core.json_text import to_json_text
from core.progress import Progress, silent
from core.records import Record

if TYPE_CHECKING:
    from core.pool import Pool

Rows = NDArray[np.int64]
_BATCH = 4096  # rows of the selection's columns that are Python objects at a time
_EVERY = 1000  # rows between two reports of progress


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote.

    Attributes
    ----------
    path : the file or folder.
    rows : rows written.
    bytes : size of all files, the recipe not counted.
    dropped : rows left out because the format cannot hold them.
    files : every file written, the recipe last.
    """

    path: str
    rows: int
    bytes: int
    dropped: int
    files: tuple[str, ...]
    seconds: float


@dataclass
class Left:
    """The rows that a format cannot hold, as they are met."""

    count: int = 0
    first: str = ""

    def add(self, row: int, reason: str) -> None:
        """Count one more."""
        self.first = self.first or f"Row {row} {reason}"
        self.count += 1


def write_rows(
    pool: "Pool",
    rows: Rows,
    format: str,  # noqa: A002
    out: str | Path,
    *,
    extras: pa.Table | None = None,
    lossy: bool = False,
    overwrite: bool = False,
    recipe: str | None = None,
    about: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> ExportReport:
    """Write rows of the pool; all of it or nothing.

    Parameters
    ----------
    rows : ndarray of int64, ascending.
    extras : columns to add to rows that are written as they came, one row for each of `rows`.
    recipe, about : text of the recipe to put beside the rows, and what to note in it.

    Raises
    ------
    InputError
        Unknown format; the place is taken, or cannot be written to; a row that the format cannot
        hold, named, with `lossy` off; an original column has the name of an added one.
    """
    started = time.perf_counter()
    entry = export_format(format)
    name = (about or {}).get("run", "rows")
    place = destination(out, entry, name=name, overwrite=overwrite)
    if not len(rows):
        raise InputError("There are no rows to export; select some first.")
    if extras is not None:
        _check_extras(pool, entry, extras)
    note = {**(about or {}), "file": place.path.name, "format": entry.id}
    left = Left()
    shape = None
    if not entry.as_they_came:
        records = _counted(pool.records(rows), len(rows), "looking at rows", progress)
        shape = shape_for(entry, pool, rows, records, place.name)
    with place.writing(recipe, note) as temporary:
        if shape is None:
            _write_as_they_came(pool, rows, entry, temporary, extras, progress)
        else:
            records = _counted(pool.records(rows), len(rows), "writing rows", progress)
            texts = map(to_json_text, converted(rows, records, shape, left))
            _write_converted(texts, shape, place.path, temporary)
            if left.count and not lossy:
                raise InputError(_cannot_hold(left, shape, len(rows)))
            if left.count == len(rows):
                raise InputError(f"{left.first}, and {shape.label} can hold no other row either.")
        written = len(rows) - left.count
        note |= {"rows": written, "dropped": left.count, "with_selection": extras is not None}
    files = sorted(place.path.iterdir()) if entry.is_folder else [place.path]
    files = [file for file in files if file != place.recipe_path]
    return ExportReport(
        path=str(place.path),
        rows=written,
        bytes=sum(file.stat().st_size for file in files),
        dropped=left.count,
        files=tuple(str(file) for file in [*files, *([place.recipe_path] if recipe else [])]),
        seconds=round(time.perf_counter() - started, 3),
    )


def shape_for(
    entry: ExportFormat, pool: "Pool", rows: Rows, records: Iterable[Record], name: str
) -> Shape:
    """Choose how a converted format is written for these rows; see `trainers.choose_shape`."""
    if entry.id not in NEEDS_SURVEY:
        return choose_shape(entry.id, NO_SURVEY, name)
    seen = survey(records)
    if entry.id == "trl" and seen.formats == {"prompt-completion"}:
        seen = replace(seen, lists=_came_as_lists(pool, rows))
    return choose_shape(entry.id, seen, name)


def converted(rows: Rows, records: Iterable[Record], shape: Shape, left: Left) -> Iterator[Row]:
    """Yield the rows that `shape` can hold; the others are counted in `left`."""
    for row, record in zip(rows.tolist(), records, strict=True):
        try:
            yield shape.convert(record)
        except UnholdableError as error:
            left.add(row, str(error))


def original_texts(pool: "Pool", rows: Rows, extras: pa.Table | None) -> Iterator[str]:
    """Yield the JSON text of each row as it came, with the selection's fields at its end."""
    texts = pool.original_text(rows)
    if extras is None:
        yield from texts
        return
    for text, fields in zip(texts, _as_rows(extras), strict=True):
        yield add_fields(text, fields)


def original_rows(pool: "Pool", rows: Rows, extras: pa.Table | None) -> Iterator[Row]:
    """Yield each row as it came as Python values, with the selection's fields at its end."""
    found = pool.original(rows)
    if extras is None:
        yield from found
        return
    for row, fields in zip(found, _as_rows(extras), strict=True):
        yield {**row, **fields}


def _write_as_they_came(
    pool: "Pool",
    rows: Rows,
    entry: ExportFormat,
    path: Path,
    extras: pa.Table | None,
    progress: Progress,
) -> None:
    def counted(items: Iterable[Any]) -> Iterator[Any]:
        return _counted(items, len(rows), "writing rows", progress)

    def tables() -> Iterator[pa.Table]:
        start = 0
        for table in counted(pool.original_tables(rows)):
            part = (extras or pa.table({})).slice(start, len(table))
            start += len(table)
            columns = dict(zip(table.column_names, table.columns, strict=True))
            added = dict(zip(part.column_names, part.columns, strict=True))
            yield pa.table({**columns, **added}, metadata=table.schema.metadata)

    match entry.id:
        case "jsonl":
            write_lines(path, counted(original_texts(pool, rows, extras)))
        case "json":
            write_array(path, counted(original_texts(pool, rows, extras)))
        case "csv":
            added = extras.column_names if extras is not None else []
            columns = [*pool.columns(), *added]
            write_csv(path, columns, counted(original_rows(pool, rows, extras)))
        case "parquet":
            write_parquet(path, tables)
        case _:
            write_datasets_folder(path, tables)


def _write_converted(texts: Iterable[str], shape: Shape, out: Path, path: Path) -> None:
    """Write the rows and, in a folder, what stands beside them."""
    array = shape.array
    if not shape.file_name:
        # The name that a person chose says which of the two ways to write JSON they want.
        array = {".json": True, ".jsonl": False, ".ndjson": False}.get(out.suffix.lower(), array)
    (write_array if array else write_lines)(path / shape.file_name, texts)
    for name, text in shape.beside.items():
        (path / name).write_text(text, encoding="utf-8")


def _came_as_lists(pool: "Pool", rows: Rows) -> bool:
    """Whether any prompt or completion is a list of messages (or JSON text of one)."""
    columns = pool.meta.get("columns", {})
    names = [columns.get("instruction", "prompt"), columns.get("output", "completion"), "chosen"]
    return any(_is_list(row.get(name)) for row in pool.original(rows) for name in names)


def _is_list(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, str) and value.lstrip()[:2] == "[{")


def _check_extras(pool: "Pool", entry: ExportFormat, extras: pa.Table) -> None:
    if not entry.as_they_came:
        raise InputError(
            f"{entry.id} cannot hold the columns of a selection; "
            "export jsonl, json, csv, parquet or hf with them."
        )
    clash = sorted(set(extras.column_names) & set(pool.columns()))
    if clash:
        raise InputError(
            f"The pool has a column {clash[0]} already; export without the selection's columns."
        )


def _cannot_hold(left: Left, shape: Shape, total: int) -> str:
    others = f" ({left.count:,} such rows of {total:,})" if left.count > 1 else ""
    return (
        f"{left.first}, which {shape.label} cannot hold{others}; "
        "choose another format, or leave such rows out with --lossy."
    )


def _as_rows(table: pa.Table) -> Iterator[Row]:
    for batch in table.to_batches(max_chunksize=_BATCH):
        yield from batch.to_pylist()


def _counted(items: Iterable[Any], total: int, what: str, progress: Progress) -> Iterator[Any]:
    """Pass rows, or tables of rows, on and report progress from time to time."""
    done = told = 0
    for item in items:
        yield item
        done += len(item) if isinstance(item, pa.Table) else 1
        if done - told >= _EVERY or done == total:
            progress(done, total, what)
            told = done
