"""Questions to a pool's files, answered by DuckDB, which can read nothing else.

SQL is put together here from names that are quoted, from conditions that `core.conditions` has
checked, and from tests written in `core.pool`; values of the user are parameters.
"""

import re
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.conditions import ROW_COLUMN, check_condition
from core.errors import InputError
from core.parts import JSON_COLUMN, ROWS_SCHEMA, original_path, reading, rows_path

_KIND = re.compile(r"^\w+( \w+)? Error: ")  # what DuckDB puts before what it says
_HIDDEN = ("text_hash",)
_JSON_TYPES = {
    "text": "VARCHAR",
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "number": "DOUBLE",
}


class PoolQuery:
    """A read-only look at a pool's files; many threads may ask at once.

    Parameters
    ----------
    folder : the pool's files.
    meta : its description.
    """

    def __init__(self, folder: Path, meta: dict[str, Any]) -> None:
        self._folder = folder
        self._meta = meta
        self._own = [name for name in ROWS_SCHEMA.names if name not in _HIDDEN]
        self._connection = duckdb.connect(":memory:")
        for setting in (
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            # It looks for the path both as it is written in a query and as it is.
            f"allowed_directories = [{_text(_literal(folder))}, {_text(str(folder))}]",
            "enable_external_access = false",
            "lock_configuration = true",
        ):
            self._connection.execute(f"SET {setting}")

    def rows(self, condition: str, tests: list[str], values: list[Any]) -> NDArray[np.int64]:
        """Return the rows that meet a condition and some tests, ascending.

        Parameters
        ----------
        condition : what a user wrote; it is checked. "" for none.
        tests : SQL on the canonical columns, with a `?` for each of `values`.

        Raises
        ------
        InputError
            The condition is not allowed, not true or false, or fails on a row; a part is damaged.
        """
        cursor = self._connection.cursor()
        originals: dict[str, str] = {}
        if condition.strip():
            columns = self._meta["original_columns"]
            reader = self._connection.cursor()
            checked = check_condition(reader, condition, self._own, columns)
            tests = [*tests, f"({checked.sql})"]
            originals = checked.originals
        source = self._source(cursor, originals)
        try:
            if condition.strip():
                sql = f"SELECT {tests[-1]} FROM {source} LIMIT 0"  # noqa: S608
                probe = cursor.execute(sql).description
                if not probe or str(probe[0][1]) != "BOOLEAN":
                    raise InputError(
                        "The condition must be true or false for a row; compare something, such "
                        "as n_chars > 200."
                    )
            where = f"WHERE {' AND '.join(tests)}" if tests else ""
            sql = f"SELECT row FROM {source} {where} ORDER BY row"  # noqa: S608
            rows = cursor.execute(sql, values).fetchnumpy()["row"]
        except duckdb.Error as error:
            line = _KIND.sub("", str(error).strip().partition("\n")[0]).rstrip(".!")
            raise InputError(f"The condition cannot be used: {line}.") from None
        return np.asarray(rows, dtype=np.int64)

    def _source(self, cursor: duckdb.DuckDBPyConnection, originals: dict[str, str]) -> str:
        """Return the table expression: canonical columns, and the originals that are needed."""
        parts = range(len(self._meta["parts"]))
        files = _list([rows_path(self._folder, part) for part in parts])
        rows = f"read_parquet({files})"
        if not originals:
            return f"{rows} AS pool"
        own = ", ".join(_name(name) for name in self._own)
        found = self._originals(cursor, originals)
        joined = f"{rows} AS r JOIN ({found}) AS o ON r.row = o.{ROW_COLUMN}"
        return f"(SELECT {own}, o.* EXCLUDE ({ROW_COLUMN}) FROM {joined}) AS pool"  # noqa: S608

    def _originals(self, cursor: duckdb.DuckDBPyConnection, called: dict[str, str]) -> str:
        """Return a query for original columns with their row; parts of one schema are read at once.

        A column that a part has not got is null there.
        """
        groups: dict[tuple[str, str], list[tuple[Path, int]]] = {}
        start = 0
        for part, entry in enumerate(self._meta["parts"]):
            path = original_path(self._folder, part)
            with reading(path):
                key = entry["kind"], str(pq.read_schema(path))
            groups.setdefault(key, []).append((path, start))
            start += sum(entry["groups"])
        queries = []
        for number, ((kind, _), members) in enumerate(groups.items()):
            there = pq.read_schema(members[0][0]).names
            if kind != "json" and _clash(there):
                table = f"clash_{number}"
                cursor.register(table, _table(members, called))
                queries.append(f"SELECT * FROM {table}")  # noqa: S608
                continue
            columns = [
                f"{self._json(name) if kind == 'json' else 'f.' + _name(name)} AS {_name(alias)}"
                for name, alias in called.items()
                if kind == "json" or name in there
            ]
            starts = ", ".join(f"({_text(str(path))}, {first})" for path, first in members)
            wanted = ", ".join([f"s.first + f.file_row_number AS {ROW_COLUMN}", *columns])
            files = _list([path for path, _ in members])
            parts = f"read_parquet({files}, filename = 'file_', file_row_number = true)"
            firsts = f"(VALUES {starts}) AS s(path, first)"
            queries.append(
                f"SELECT {wanted} FROM {parts} AS f JOIN {firsts} ON f.file_ = s.path"  # noqa: S608
            )
        return " UNION ALL BY NAME ".join(queries)

    def _json(self, name: str) -> str:
        """Return the expression for a field of a JSON row, typed if all its values are alike."""
        kinds = {*self._meta["original_columns"][name]} - {"null"}
        pointer = _text("/" + name.replace("~", "~0").replace("/", "~1"))
        if kinds == {"integer", "number"}:
            kinds = {"number"}
        kind = _JSON_TYPES.get(next(iter(kinds))) if len(kinds) == 1 else None
        field = f"json_extract({JSON_COLUMN}, {pointer})"
        if kind is not None:
            field = f"TRY_CAST(json_extract_string({JSON_COLUMN}, {pointer}) AS {kind})"
        # A row that Python can read and DuckDB cannot has no values here.
        return f"CASE WHEN json_valid({JSON_COLUMN}) THEN {field} END"


def _clash(names: list[str]) -> bool:
    """Whether DuckDB cannot read a file with these columns and its own two beside them."""
    every = [*names, "file_", "file_row_number"]
    return len({name.lower() for name in every}) < len(every)


def _table(members: list[tuple[Path, int]], called: dict[str, str]) -> pa.Table:
    """Read original columns of some parts, with their row, under the names that they are given."""
    tables = []
    for path, first in members:
        with reading(path), pq.ParquetFile(path) as file:
            names = [name for name in called if name in file.schema_arrow.names]
            found = file.read(names)
            rows = np.arange(first, first + file.metadata.num_rows)
        columns = {called[name]: found[name] for name in names}
        tables.append(pa.table({ROW_COLUMN: rows, **columns}))
    return pa.concat_tables(tables)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def _list(paths: list[Path]) -> str:
    """Return a list of files; what DuckDB takes for a pattern stands for itself."""
    return f"[{', '.join(_text(_literal(path)) for path in paths)}]"


def _literal(path: Path) -> str:
    return re.sub(r"([\[*?])", r"[\1]", str(path))
