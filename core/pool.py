"""The rows of a project: read by page, searched, filtered, and given back as they came."""

import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.errors import InputError, command
from core.json_text import infer_array, to_json_text
from core.part_reader import PartReader
from core.parts import JSON_COLUMN, ROWS_SCHEMA, original_path, rows_path
from core.project import Project
from core.records import Record, join_text, parse
from core.word_search import sql_tests

if TYPE_CHECKING:
    import pandas as pd

    from core.query import PoolQuery

_COUNTS = ("n_chars", "n_turns")
PAGE_COLUMNS = ("row", "source", "prompt", "answer", "n_chars", "n_turns", "id")
_MOST_CATEGORIES = 1000  # a column of more values does not group rows
_LOOKED_AT = 100  # rows that show what a column holds

Rows = Sequence[int] | NDArray[np.int64]


@dataclass(frozen=True)
class SearchResult:
    """Rows found, of `total` that there are; int64, ascending."""

    total: int
    rows: NDArray[np.int64]


@dataclass(frozen=True)
class Categories:
    """A name for each row.

    Attributes
    ----------
    codes : ndarray of int32, shape (rows,)
        Index into `names`.
    names : in order of appearance.
    """

    codes: NDArray[np.int32]
    names: list[str]


class Pool:
    """The rows of a project. Use `Pool.open`; one pool may be used by many threads.

    Attributes
    ----------
    rows : their number; they are called 0 … rows - 1.
    fingerprint : of the input files and of how they were read.
    meta : `inputs`, `format`, `columns` and `limit` as they were given, and the `report`.
    """

    def __init__(self, folder: Path, meta: dict[str, Any]) -> None:
        self.folder = folder
        self.meta = meta
        self.rows: int = meta["rows"]
        self.fingerprint: str = meta["fingerprint"]
        self._parts = PartReader(folder, meta["parts"])
        self._lock = threading.Lock()
        self._asked: PoolQuery | None = None

    @classmethod
    def open(cls, project: Project) -> "Pool":
        """Open a project's pool.

        Raises
        ------
        InputError
            The project has no pool yet, or its description cannot be read.
        """
        path = project.pool_dir / "meta.json"
        try:
            return cls(project.pool_dir, json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise InputError(
                f"{project.root} has no pool yet; run {command('init', project.root, 'FILE')}."
            ) from None
        except (OSError, ValueError, TypeError, KeyError):
            raise InputError(f"{path} cannot be read; make the project again.") from None

    def texts(self, start: int, stop: int) -> list[str]:
        """Return what is embedded of the rows `start` … `stop` - 1, in order."""
        found: list[str] = []
        rows = np.arange(start, min(stop, self.rows), dtype=np.int64)
        for _, table in self._parts.take(rows_path, rows, ["prompt", "answer"]):
            prompts, answers = table["prompt"].to_pylist(), table["answer"].to_pylist()
            found += map(join_text, prompts, answers)
        return found

    def page(self, rows: Rows) -> "pd.DataFrame":
        """Return rows to show, in the order given.

        Returns
        -------
        DataFrame
            Columns row, source, prompt, answer, n_chars, n_turns and id.

        Raises
        ------
        InputError
            A row is not in the pool.
        """
        wanted = self._checked(rows)
        unique, back = np.unique(wanted, return_inverse=True)
        tables = [table for _, table in self._parts.take(rows_path, unique, list(PAGE_COLUMNS))]
        schema = pa.schema([ROWS_SCHEMA.field(name) for name in PAGE_COLUMNS])
        whole = pa.concat_tables(tables) if tables else schema.empty_table()
        return whole.take(back).select(PAGE_COLUMNS).to_pandas()

    def search(
        self,
        text: str = "",
        *,
        where: str = "",
        sources: Sequence[str] = (),
        limit: int = 100,
        offset: int = 0,
    ) -> SearchResult:
        """Find rows that hold all words of `text`, in prompt or answer, whatever their case.

        Parameters
        ----------
        text : words, found where a word begins with them; those between double quotes are one
            phrase, found whole; see `core.word_search`.
        where : a condition as in `Pool.where`.
        sources : only rows of these; all if empty.
        limit, offset : which of the rows found to return, in order of row.

        Raises
        ------
        InputError
            `where` cannot be used.
        """
        tests, terms = sql_tests(text, ("prompt", "answer"))
        values: list[Any] = [*terms]
        if sources:
            tests.append("source IN (SELECT unnest(?))")
            values.append(list(sources))
        found = self._query(where, tests, values)
        return SearchResult(len(found), found[offset : offset + limit])

    def where(self, condition: str) -> NDArray[np.int64]:
        """Return the rows for which a condition holds, ascending.

        Parameters
        ----------
        condition : one SQL expression over row, source, prompt, answer, n_chars, n_turns, format,
            id, file, line and the original columns. Where two columns have the same name, it is
            the one of this list; where they differ in case alone, case counts.

        Raises
        ------
        InputError
            It is anything else than one expression that is true or false, or fails on a row.
        """
        if not condition.strip():
            raise InputError("The condition is empty; write one such as n_chars > 200.")
        return self._query(condition, [], [])

    def sources(self) -> Categories:
        """Return the source of each row."""
        return self._sources

    def categories(self, name: str) -> Categories:
        """Return the source or an original column as categories; values are named by their text.

        Raises
        ------
        InputError
            There is no such column, or it has more than 1,000 different values.
        """
        if name == "source":
            return self._sources
        codes = np.empty(self.rows, np.int32)
        known: dict[str, int] = {}
        for row, value in enumerate(self.column(name).tolist()):
            text = value if isinstance(value, str) else to_json_text(value)
            codes[row] = known.setdefault(text, len(known))
            if len(known) > _MOST_CATEGORIES:
                raise InputError(
                    f"Column {name!r} has more than {_MOST_CATEGORIES:,} different values; "
                    "choose one that groups the rows.",
                    option="by",
                )
        return Categories(codes, list(known))

    def lengths(self) -> NDArray[np.int32]:
        """Return the characters of each row's text; shape (rows,)."""
        lengths: NDArray[np.int32] = self._canonical("n_chars").to_numpy()
        return lengths

    def turns(self) -> NDArray[np.int32]:
        """Return the turns of each row; shape (rows,)."""
        turns: NDArray[np.int32] = self._canonical("n_turns").to_numpy()
        return turns

    def duplicates(self) -> NDArray[np.int64]:
        """Return for each row the first row with the same text, -1 where none is earlier."""
        path = self.folder / "duplicates.npy"
        try:
            found: NDArray[np.int64] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            raise InputError(f"{path} cannot be read; make the project again.") from None
        return found

    def columns(self) -> list[str]:
        """Return the names of the original columns, in order of appearance."""
        return list(self.meta["original_columns"])

    def column(self, name: str) -> NDArray[Any]:
        """Return an original column, shape (rows,): numbers if all of it is, else objects.

        Raises
        ------
        InputError
            There is no such column.
        """
        if name not in self.columns():
            raise InputError(
                f"The pool has no column {name!r}; its columns are {', '.join(self.columns())}.",
                option="by",
            )
        values = [row.get(name) for row in self._originals(np.arange(self.rows), [name])]
        kinds = set(map(type, values))
        if kinds and (kinds <= {int, float} or kinds == {bool}):
            numbers = np.array(values)
            if numbers.dtype != object:
                return numbers
        objects = np.empty(len(values), dtype=object)
        objects[:] = values
        return objects

    def number_columns(self) -> list[str]:
        """Return the original columns that seem to hold numbers, by their first rows."""
        first = list(self._originals(np.arange(min(_LOOKED_AT, self.rows)), self.columns()))
        return [
            name
            for name in self.columns()
            if all(np.isfinite(_number(row.get(name))) for row in first)
        ]

    def quality_column(self) -> str | None:
        """Return the column that was mapped to the role `quality`, if one was."""
        found: str | None = self.meta["columns"].get("quality")
        return found

    def numbers(self, name: str, *, gaps: bool = False) -> NDArray[np.float64]:
        """Return n_chars, n_turns or an original column as float64 of shape (rows,); text is read.

        Parameters
        ----------
        gaps : whether rows may have no finite number; they are not finite then.

        Raises
        ------
        InputError
            There is no such column, or a row of it is no finite number.
        """
        if name not in self.columns():
            if name in _COUNTS:
                return self._canonical(name).to_numpy().astype(np.float64)
            usable = ", ".join([*self.number_columns(), *_COUNTS])
            raise InputError(
                f"The pool has no column {name!r}; these hold numbers: {usable}.", option="quality"
            )
        values = self.column(name)
        numbers = np.fromiter(map(_number, values), np.float64, len(values))
        bad = np.flatnonzero(~np.isfinite(numbers))
        if len(bad) and not gaps:
            first = values[bad[0]]
            shown = "empty" if first is None else repr(str(first)[:40])
            more = f" (of {len(bad):,} rows without a number the first)" if len(bad) > 1 else ""
            raise InputError(
                f"Column {name!r} of row {bad[0]} is {shown}{more}; it must be a finite number "
                "in every row.",
                option="quality",
            )
        return numbers

    def original(self, rows: Rows) -> Iterator[dict[str, Any]]:
        """Yield rows as they came, as Python objects; `rows` ascending.

        Raises
        ------
        InputError
            A row is not in the pool, or they are not ascending.
        """
        return self._originals(self._ascending(rows), None)

    def original_text(self, rows: Rows) -> Iterator[str]:
        """Yield rows as JSON text, `rows` ascending: as the file has it if it was JSON.

        Of other files, values that JSON does not know are written as in
        `core.json_text.to_json_text`.

        Raises
        ------
        InputError
            A row is not in the pool, or they are not ascending.
        """
        for kind, table in self._parts.take(original_path, self._ascending(rows), None):
            if kind == "json":
                yield from table[JSON_COLUMN].to_pylist()
            else:
                yield from map(to_json_text, table.to_pylist())

    def original_tables(self, rows: Rows) -> Iterator[pa.Table]:
        """Yield rows as tables with their types, `rows` ascending, some thousands at a time.

        The types of JSON values are inferred for each table; where the values of a column have
        no type in common, they are JSON text (and text stays as it is).

        Raises
        ------
        InputError
            A row is not in the pool, or they are not ascending.
        """
        order = {name: at for at, name in enumerate(self.columns())}
        for kind, table in self._parts.take(original_path, self._ascending(rows), None):
            if kind == "typed":
                yield table
                continue
            found = [json.loads(text) for text in table[JSON_COLUMN].to_pylist()]
            names = sorted(
                dict.fromkeys(name for row in found for name in row),
                key=lambda name: order.get(name, len(order)),
            )
            yield pa.table({name: infer_array([row.get(name) for row in found]) for name in names})

    def records(self, rows: Rows) -> Iterator[Record]:
        """Yield rows in canonical form; `rows` ascending.

        Raises
        ------
        InputError
            A row is not in the pool, or they are not ascending.
        """
        for row in self.original(rows):
            yield parse(row, self.meta["format"], self.meta["columns"])

    @cached_property
    def _sources(self) -> Categories:
        encoded = self._canonical("source").dictionary_encode().combine_chunks()
        codes = encoded.indices.to_numpy().astype(np.int32)
        return Categories(codes, encoded.dictionary.to_pylist())

    def _canonical(self, column: str) -> pa.ChunkedArray:
        return self._parts.column(rows_path, column)

    def _originals(self, rows: NDArray[np.int64], names: list[str] | None) -> Iterator[dict]:
        for kind, table in self._parts.take(original_path, rows, names):
            if kind == "json":
                yield from map(json.loads, table[JSON_COLUMN].to_pylist())
            elif table.column_names:
                yield from table.to_pylist()
            else:  # a part without these columns
                yield from ({} for _ in range(table.num_rows))

    def _checked(self, rows: Rows) -> NDArray[np.int64]:
        wanted = np.asarray(rows, dtype=np.int64).reshape(-1)
        if len(wanted) and (wanted.min() < 0 or wanted.max() >= self.rows):
            wrong = int(wanted[(wanted < 0) | (wanted >= self.rows)][0])
            raise InputError(f"Row {wrong} is not in the pool; its rows are 0 to {self.rows - 1}.")
        return wanted

    def _ascending(self, rows: Rows) -> NDArray[np.int64]:
        wanted = self._checked(rows)
        if (np.diff(wanted) <= 0).any():
            raise InputError("The rows must be ascending and different; sort them.")
        return wanted

    def _query(self, condition: str, tests: list[str], values: list[Any]) -> NDArray[np.int64]:
        from core.query import PoolQuery

        with self._lock:  # one connection for all threads, opened by the first that asks
            if self._asked is None:
                self._asked = PoolQuery(self.folder, self.meta)
        return self._asked.rows(condition, tests, values)


def _number(value: Any) -> float:
    """The value as a number, text too; NaN if it is none."""
    if value is None or isinstance(value, bool | np.bool_):
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
