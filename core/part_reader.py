"""Reading rows back from the Parquet files that `core.parts` writes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.parts import JSON_COLUMN, original_path, reading

# Row groups read at once, so that memory does not grow with the rows asked for.
_GROUPS_AT_ONCE = 16

PathOf = Callable[[Path, int], Path]


class PartReader:
    """The parts of a pool; used by many threads.

    Parameters
    ----------
    folder : where the parts are.
    entries : for each part its `kind` ("json" or "typed") and the sizes of its row `groups`.
    """

    def __init__(self, folder: Path, entries: Sequence[Mapping[str, Any]]) -> None:
        self._folder, self._entries = folder, entries
        sizes = [size for entry in entries for size in entry["groups"]]
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._groups = [
            (part, group)
            for part, entry in enumerate(entries)
            for group in range(len(entry["groups"]))
        ]
        self._footers: dict[Path, pq.FileMetaData] = {}

    def column(self, path_of: PathOf, name: str) -> pa.ChunkedArray:
        """Return one column of all rows."""
        tables = []
        for part in range(len(self._entries)):
            path = path_of(self._folder, part)
            with reading(path):
                tables.append(pq.read_table(path, columns=[name]))
        return pa.concat_tables(tables)[name]

    def take(
        self,
        path_of: PathOf,
        rows: NDArray[np.int64],
        columns: list[str] | None,
    ) -> Iterator[tuple[str, pa.Table]]:
        """Yield the kind of a part and a table of its rows, some row groups at a time.

        Parameters
        ----------
        path_of : which of the two files of a part, `core.parts.rows_path` or `original_path`.
        rows : int64, ascending and different, all in the pool.
        columns : those to read; of originals kept as JSON always the text. None: all.
        """
        group_of = np.searchsorted(self._starts, rows, side="right") - 1
        starts = np.flatnonzero(np.diff(group_of, prepend=-1))
        stops = np.append(starts, len(rows))[1:]
        waiting: list[tuple[int, int, int]] = []
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            group = int(group_of[start])
            full = len(waiting) == _GROUPS_AT_ONCE
            if waiting and (full or self._groups[group][0] != self._groups[waiting[0][0]][0]):
                yield self._read(path_of, rows, columns, waiting)
                waiting = []
            waiting.append((group, start, stop))
        if waiting:
            yield self._read(path_of, rows, columns, waiting)

    def _read(
        self,
        path_of: PathOf,
        rows: NDArray[np.int64],
        columns: list[str] | None,
        groups: list[tuple[int, int, int]],
    ) -> tuple[str, pa.Table]:
        part = self._groups[groups[0][0]][0]
        path = path_of(self._folder, part)
        kind = self._entries[part]["kind"]
        known = self._footers.get(path)
        with reading(path), pq.ParquetFile(path, metadata=known, pre_buffer=False) as file:
            self._footers[path] = file.metadata
            if columns is not None and path_of is original_path:
                there = set(file.schema_arrow.names)
                columns = [JSON_COLUMN] if kind == "json" else [c for c in columns if c in there]
            table = file.read_row_groups(
                [self._groups[group][1] for group, _, _ in groups], columns, use_threads=False
            )
        taken, before = [], 0
        for group, start, stop in groups:
            taken.append(rows[start:stop] - self._starts[group] + before)
            before += int(self._starts[group + 1] - self._starts[group])
        places = np.concatenate(taken)
        return kind, table if len(places) == table.num_rows else table.take(places)
