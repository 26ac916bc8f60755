"""Rows as they came: what is read back from every format equals what was given."""

import csv
import datetime
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import InputError
from core.export import write_rows
from core.ingest import init_pool
from core.pool import Pool
from core.project import Project

# Every kind of JSON value, columns that only some rows have, and text that breaks naive writers.
ROWS = [
    {"id": 1, "instruction": "Add 1 and 1", "input": "", "output": "2", "score": 0.5},
    {"id": 2, "instruction": 'Say "hi", please', "input": "a,b\nc", "output": "hi\r\n", "ok": True},
    {
        "id": 3,
        "instruction": "Übersetze: 你好 😀",
        "output": "a\u2028b",
        "tags": ["x", "y"],
        "ok": None,
    },
    {"id": -4, "instruction": "=1+1", "output": "-5", "meta": {"a": {"b": [1, None]}}},
    {"id": 2**53, "instruction": "last", "output": "+1 (555)", "score": -1.5e-7, "tags": []},
]
CHOSEN = np.array([0, 2, 3, 4])
GIVEN = [ROWS[row] for row in CHOSEN]
COLUMNS = ["id", "instruction", "input", "output", "score", "ok", "tags", "meta"]


def make_pool(folder, file):
    init_pool(folder / "project", [file])
    return Pool.open(Project.open(folder / "project"))


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("json")
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return make_pool(folder, file)


TYPED = pa.table(
    {
        "instruction": ["a", "b", "c", "d"],
        "output": ["1", "2", "3", "4"],
        "when": pa.array([datetime.datetime(2024, 1, d) for d in (1, 2, 3, 4)], pa.timestamp("us")),
        "small": pa.array([1, None, 3, 4], pa.int8()),
        "vector": pa.array([[0.5], [1.5], None, []], pa.list_(pa.float32())),
        "extra": pa.array([{"x": 1}, {"x": None}, None, {"x": 4}], pa.struct([("x", pa.int64())])),
    }
)


@pytest.fixture(scope="module")
def typed_pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("typed")
    pq.write_table(TYPED, folder / "rows.parquet")
    return make_pool(folder, folder / "rows.parquet")


def without_nulls(value):
    """What a table keeps of a row: it cannot tell a missing field from a null one."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def test_jsonl_lines_are_the_input_lines(pool, tmp_path):
    report = write_rows(pool, CHOSEN, "jsonl", tmp_path / "x.jsonl")
    lines = (tmp_path / "x.jsonl").read_text(encoding="utf-8").split("\n")
    assert lines == [*(json.dumps(row) for row in GIVEN), ""]
    assert (report.rows, report.dropped, report.files) == (4, 0, (str(tmp_path / "x.jsonl"),))
    assert report.bytes == (tmp_path / "x.jsonl").stat().st_size


def test_pretty_printed_input_keeps_every_token(tmp_path):
    text = '[\n  {"instruction": "a",\n   "output": "b",   "n": 1.50e2, "u": "\\u00e9"},\n {}]'
    (tmp_path / "in.json").write_text(text.replace(",\n {}", ""))
    write_rows(
        make_pool(tmp_path, tmp_path / "in.json"), np.array([0]), "jsonl", tmp_path / "o.jsonl"
    )
    (line,) = (tmp_path / "o.jsonl").read_text().splitlines()
    assert "1.50e2" in line
    assert "\\u00e9" in line
    assert json.loads(line) == {"instruction": "a", "output": "b", "n": 150.0, "u": "é"}


def test_json(pool, tmp_path):
    write_rows(pool, CHOSEN, "json", tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == GIVEN


def test_csv(pool, tmp_path):
    write_rows(pool, CHOSEN, "csv", tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as handle:
        found = list(csv.DictReader(handle))
    assert set(found[0]) == set(COLUMNS)
    assert [row["id"] for row in found] == ["1", "3", "-4", str(2**53)]
    assert [row["output"] for row in found] == ["2", "a\u2028b", "-5", "'+1 (555)"]
    assert [row["instruction"] for row in found][1:3] == ["Übersetze: 你好 😀", "'=1+1"]
    assert [row["tags"] for row in found] == ["", '["x", "y"]', "", "[]"]
    assert json.loads(found[2]["meta"]) == {"a": {"b": [1, None]}}
    assert [row["score"] for row in found] == ["0.5", "", "", "-1.5e-07"]


def test_csv_that_came_as_csv_is_the_same_but_for_formulas(tmp_path):
    table = [
        ["instruction", "output", "n"],
        ['a "b"', "x\ny", "-5"],
        ["c,d", "=1", ""],
        ["e", "f\rg", " 7"],
    ]
    with (tmp_path / "in.csv").open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows(table)
    pool = make_pool(tmp_path, tmp_path / "in.csv")
    write_rows(pool, np.arange(3), "csv", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as handle:
        found = list(csv.reader(handle))
    table[2][1] = "'=1"
    assert found == table


def test_parquet_of_json_rows(pool, tmp_path):
    write_rows(pool, CHOSEN, "parquet", tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    assert set(table.column_names) >= {key for row in GIVEN for key in row}
    assert table.schema.field("id").type == pa.int64()
    assert table.schema.field("score").type == pa.float64()
    assert without_nulls(table.to_pylist()) == without_nulls(GIVEN)


def test_parquet_keeps_types(typed_pool, tmp_path):
    write_rows(typed_pool, np.array([0, 1, 3]), "parquet", tmp_path / "x.parquet")
    found = pq.read_table(tmp_path / "x.parquet")
    assert found.schema.equals(TYPED.schema)
    assert found.equals(TYPED.take([0, 1, 3]))


def test_datasets_folder(pool, typed_pool, tmp_path):
    datasets = pytest.importorskip("datasets")
    report = write_rows(pool, CHOSEN, "hf", tmp_path / "json")
    assert without_nulls(list(datasets.load_from_disk(tmp_path / "json"))) == without_nulls(GIVEN)
    assert report.bytes == sum(f.stat().st_size for f in (tmp_path / "json").iterdir())
    write_rows(typed_pool, np.array([0, 1, 3]), "hf", tmp_path / "typed")
    found = datasets.load_from_disk(tmp_path / "typed")
    assert found.data.table.cast(TYPED.schema).combine_chunks().equals(TYPED.take([0, 1, 3]))
    assert datasets.is_progress_bar_enabled()


def test_types_that_change_from_row_to_row_become_text(tmp_path):
    rows = [{"instruction": "a", "output": "b", "v": v} for v in (1, "x", None, [2], {"k": {}})]
    (tmp_path / "in.json").write_text(json.dumps(rows))
    pool = make_pool(tmp_path, tmp_path / "in.json")
    write_rows(pool, np.arange(5), "parquet", tmp_path / "x.parquet")
    found = pq.read_table(tmp_path / "x.parquet")["v"].to_pylist()
    assert found == ["1", "x", None, "[2]", '{"k": {}}']


EXTRAS = pa.table(
    {
        "winnow_probability": [1.0, 0.25, 0.5, 0.75],
        "winnow_cluster": pa.array([0, 3, -1, 2], pa.int32()),
        "winnow_reason": ["pinned", 'near "x"', "=why", "d"],
    }
)


@pytest.mark.parametrize("format_id", ["jsonl", "json", "csv", "parquet", "hf"])
def test_columns_of_the_selection(pool, tmp_path, format_id):
    report = write_rows(pool, CHOSEN, format_id, tmp_path / "out", extras=EXTRAS)
    out = Path(report.path)
    wanted = [{**row, **extra} for row, extra in zip(GIVEN, EXTRAS.to_pylist(), strict=True)]
    if format_id == "jsonl":
        found = [json.loads(line) for line in out.read_text().split("\n") if line]
    elif format_id == "json":
        found = json.loads(out.read_text())
    elif format_id == "csv":
        frame = pd.read_csv(out)
        assert list(frame.columns[-3:]) == EXTRAS.column_names
        assert frame["winnow_probability"].tolist() == [1.0, 0.25, 0.5, 0.75]
        assert frame["winnow_reason"].tolist() == ["pinned", 'near "x"', "'=why", "d"]
        return
    elif format_id == "parquet":
        table = pq.read_table(out)
        assert table.schema.field("winnow_cluster").type == pa.int32()
        found = table.to_pylist()
    else:
        found = list(pytest.importorskip("datasets").load_from_disk(out))
    assert without_nulls(found) == without_nulls(wanted)


class TwoTables:
    """A pool that gives its rows in two tables, as a large one does."""

    def columns(self):
        return ["n"]

    def original_tables(self, rows):
        yield pa.table({"n": rows[:3]})
        yield pa.table({"n": rows[3:]})


@pytest.mark.parametrize("format_id", ["parquet", "hf"])
def test_columns_of_the_selection_follow_their_rows_through_tables(tmp_path, format_id):
    rows, extras = np.arange(4), pa.table({"w": [10, 11, 12, 13]})
    write_rows(TwoTables(), rows, format_id, tmp_path / "x", extras=extras)
    if format_id == "parquet":
        found = pq.read_table(tmp_path / "x.parquet").to_pylist()
    else:
        found = list(pytest.importorskip("datasets").load_from_disk(tmp_path / "x"))
    assert found == [{"n": n, "w": 10 + n} for n in range(4)]


def test_selection_column_of_the_same_name_is_refused(pool, tmp_path):
    clash = pa.table({"score": [0.0] * 4})
    with pytest.raises(InputError, match="has a column score already"):
        write_rows(pool, CHOSEN, "jsonl", tmp_path / "x.jsonl", extras=clash)
    with pytest.raises(InputError, match="cannot hold the columns of a selection"):
        write_rows(pool, CHOSEN, "openai", tmp_path / "x.jsonl", extras=EXTRAS)


def test_class_labels_survive(tmp_path):
    datasets = pytest.importorskip("datasets")
    labels = datasets.ClassLabel(names=["no", "yes"])
    features = datasets.Features(
        {"instruction": datasets.Value("string"), "output": datasets.Value("string"), "l": labels}
    )
    rows = [{"instruction": "a", "output": "b", "l": n} for n in (0, 1, 1)]
    source = tmp_path / "source"
    datasets.Dataset.from_list(rows, features=features).save_to_disk(source)
    pool = make_pool(tmp_path, source)
    extras = pa.table({"winnow_probability": [0.5, 0.5]})
    write_rows(pool, np.array([0, 2]), "hf", tmp_path / "out", extras=extras)
    found = datasets.load_from_disk(tmp_path / "out")
    assert found.features["l"] == labels
    assert found["l"][:] == [0, 1]
    assert found["winnow_probability"][:] == [0.5, 0.5]
