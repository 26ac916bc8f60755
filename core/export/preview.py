"""The first rows of an export as text, for a page."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.export.formats import ExportFormat, export_format
from core.export.tables import common_schema
from core.export.write import Left, converted, shape_for
from core.export.writers import csv_lines
from core.project import Project

if TYPE_CHECKING:
    from core.pool import Pool

# Rows looked at to choose a trainer's shape: some at the beginning and in the middle of each of the
# largest sources. Reading takes as long as there are places that lie apart, and a page has to show
# them well under a second.
_SOURCES, _TOGETHER = 15, 30
_LONGEST = 400  # characters of one text that are shown
_ITEMS = 6  # items of one list that are shown


@dataclass(frozen=True)
class Preview:
    """How an export will begin.

    Attributes
    ----------
    text : the files beside the data, then the first rows.
    unfit : what the first row is that the format cannot hold, how many there are, and of how
        many looked at; "" when all fit.
    """

    text: str
    unfit: str = ""


def preview(
    project: Project,
    rows: NDArray[np.int64],
    format: str,  # noqa: A002 - the option's name, the same everywhere
    count: int = 3,
    name: str = "rows",
) -> Preview:
    """Show the first rows as they would be written, long values cut short.

    The shape of `trl`, `llama-factory` and `axolotl` depends on all rows; here it is chosen from up
    to 480 of them. Those that the format cannot hold are left out.

    Parameters
    ----------
    rows : ndarray of int64, ascending.
    count : number of rows to show.
    name : name of the data set, for a folder.

    Raises
    ------
    InputError
        Unknown format.
    """
    from core.pool import Pool

    entry = export_format(format)
    pool = Pool.open(project)
    if not len(rows):
        return Preview("")
    if entry.as_they_came:
        return Preview(_as_they_came(pool, rows[:count], entry))
    sample = rows[_places(pool.sources().codes[rows])]
    records = list(pool.records(sample))
    shape = shape_for(entry, pool, sample, records, name)
    left = Left()
    shown = list(converted(sample, records, shape, left))[:count]
    parts = [f"{file}\n{text}" for file, text in shape.beside.items()]
    if parts:
        parts.append(shape.file_name)
    unfit = ""
    if left.count:
        seen = f"{left.count:,} of {len(sample):,} rows looked at"
        unfit = f"{left.first}, which {shape.label} cannot hold ({seen})."
    return Preview("\n".join([*parts, *(_pretty(row) for row in shown)]), unfit)


def _places(sources: NDArray[np.integer]) -> NDArray[np.int64]:
    """Places of the rows that are looked at, by the source of each row."""
    largest = np.argsort(-np.bincount(sources), kind="stable")[:_SOURCES]
    inside = [np.flatnonzero(sources == one) for one in largest]
    middles = [found[len(found) // 2] - _TOGETHER // 2 for found in inside if len(found)]
    starts = np.array([0, *middles])
    spread = (starts[:, None] + np.arange(_TOGETHER)).ravel()
    return np.unique(np.clip(spread, 0, len(sources) - 1))


def _as_they_came(pool: "Pool", rows: NDArray[np.int64], entry: ExportFormat) -> str:
    if entry.id in ("parquet", "hf"):
        schema = common_schema(table.schema for table in pool.original_tables(rows))
        types = [f"{field.name}: {field.type}" for field in schema]
        return "\n".join([*types, "", *(_pretty(row) for row in pool.original(rows))])
    if entry.id == "csv":
        return "".join(csv_lines(pool.columns(), (_short(row) for row in pool.original(rows))))
    return "\n".join(_pretty(json.loads(text)) for text in pool.original_text(rows))


def _pretty(value: Any) -> str:
    return json.dumps(_short(value), ensure_ascii=False, indent=2, default=str)


def _short(value: Any) -> Any:
    """Cut long texts and long lists."""
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}… ({len(value) - _LONGEST:,} more characters)"
    if isinstance(value, Mapping):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        more = [f"… ({len(value) - _ITEMS:,} more)"] if len(value) > _ITEMS else []
        return [*(_short(item) for item in value[:_ITEMS]), *more]
    return value
