"""Streaming writers of typed tables: Parquet, and a folder that `datasets` loads."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.json_text import to_json_text

Tables = Callable[[], Iterable[pa.Table]]
_FEATURES = b"huggingface"  # key under which `datasets` keeps its feature types in a schema


def write_parquet(path: Path, tables: Tables) -> None:
    """Write tables as one Parquet file; `tables` is called twice, see `fitted`."""
    schema = common_schema(table.schema for table in tables())
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in fitted(tables(), schema):
            writer.write_table(table)


def write_datasets_folder(folder: Path, tables: Tables) -> None:
    """Write tables as `Dataset.save_to_disk` does; `tables` is called twice, see `fitted`."""
    import datasets

    schema = common_schema(table.schema for table in tables())
    raw = folder / "raw" / "rows.arrow"  # `datasets` will not save into the folder it reads from
    raw.parent.mkdir()
    with pa.OSFile(str(raw), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for table in fitted(tables(), schema):
            writer.write_table(table)
    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        datasets.Dataset.from_file(str(raw)).save_to_disk(folder)
    finally:
        if shown:
            datasets.enable_progress_bars()
        shutil.rmtree(raw.parent)


def common_schema(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Find the schema that all parts of an export fit into, columns in order of appearance.

    Whole numbers and fractions meet as float64, objects with different fields as one with all of
    them; types that have nothing in common, and objects with no fields (which Parquet cannot hold),
    become text: see `fitted`.
    """
    types: dict[str, dict[pa.DataType, None]] = {}
    metadata: dict[bytes, bytes] | None = None
    for schema in schemas:
        metadata = schema.metadata if metadata is None else metadata
        for field in schema:
            types.setdefault(field.name, {})[field.type] = None
    fields = [pa.field(name, _common_type(list(found))) for name, found in types.items()]
    return pa.schema(fields, metadata=_features_of(metadata, fields))


def fitted(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield each table with exactly `schema`: missing columns null, other types converted.

    In a column that is text only because its values have no type in common, text stays as it is
    and every other value becomes JSON text.
    """
    for table in tables:
        columns = [
            _convert(table[field.name], field.type)
            if field.name in table.column_names
            else pa.nulls(len(table), field.type)
            for field in schema
        ]
        yield pa.Table.from_arrays(columns, schema=schema)


def _common_type(types: list[pa.DataType]) -> pa.DataType:
    if any(_has_empty_struct(kind) for kind in types):
        return pa.string()
    if len(types) == 1:
        return types[0]
    schemas = [pa.schema([pa.field("", kind)]) for kind in types]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return pa.string()


def _has_empty_struct(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind) and not kind.num_fields:
        return True
    children = kind.num_fields if pa.types.is_nested(kind) else 0
    return any(_has_empty_struct(kind.field(i).type) for i in range(children))


def _convert(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if column.type == kind:
        return column
    if pa.types.is_string(kind) and not pa.types.is_large_string(column.type):
        values = (None if v is None else _as_text(v) for v in column.to_pylist())
        return pa.chunked_array([pa.array(values, kind)])
    return column.cast(kind)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else to_json_text(value)


def _features_of(metadata: dict[bytes, bytes] | None, fields: list[pa.Field]) -> dict | None:
    """Keep the feature types (class labels …) that `datasets` left in a schema.

    Columns behind those it knows, such as a selection's, are plain values; if the known ones are
    not all there as they were, `datasets` goes by the types of the columns alone.
    """
    known = json.loads((metadata or {}).get(_FEATURES, b"{}")).get("info", {}).get("features")
    if not known or [field.name for field in fields[: len(known)]] != list(known):
        return None
    for field in fields[len(known) :]:
        dtype = "float64" if pa.types.is_float64(field.type) else str(field.type)
        known[field.name] = {"dtype": dtype, "_type": "Value"}
    return {_FEATURES: json.dumps({"info": {"features": known}}).encode()}
