"""Cells, lines and schemas, read back by other readers than our own code."""

import csv
import io
import json
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.export.tables import common_schema, fitted
from core.export.writers import add_fields, csv_cell, csv_lines, one_line, write_array

FORMULAS = [
    "=1+1",
    '=HYPERLINK("http://x","y")',
    "+1+1",
    "-1+1",
    "-cmd|' /C calc'!A0",
    "- a list item",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "=",
    "-5-",
    "+1e5e",
]
HARMLESS = ["-5", "+3.25", "-.5", "-1e-3", "5", "a=b", "'=1", " text", "", "2-1", "a@b.org", "\n x"]


def read_csv(text):
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_is_escaped_and_otherwise_intact(text):
    ((cell, other),) = read_csv(csv_cell(text) + ",x\n")
    assert cell == "'" + text
    assert other == "x"


@pytest.mark.parametrize("text", HARMLESS)
def test_other_text_and_plain_numbers_keep_their_text(text):
    ((cell, _),) = read_csv(csv_cell(text) + ",x\n")
    assert cell == text


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        ("", '""'),
        (True, "true"),
        (-5, "-5"),
        (-0.25, "-0.25"),
        (1e300, "1e+300"),
        (2**70, str(2**70)),
        (date(2024, 5, 1), "2024-05-01"),
        ([], "[]"),
        ({"a": [1, None]}, '"{""a"": [1, null]}"'),
        (b"\x00\xff", "AP8="),
        ("a\rb", '"a\rb"'),
        ('say "hi"', '"say ""hi"""'),
    ],
)
def test_cell(value, cell):
    assert csv_cell(value) == cell


def test_header_is_escaped_too():
    assert next(csv_lines(["=cmd", "b"], [])) == "'=cmd,b\n"


def test_row_of_one_empty_cell_is_not_an_empty_line():
    lines = "".join(csv_lines(["a"], [{"a": None}, {"a": "x"}]))
    assert read_csv(lines) == [["a"], [""], ["x"]]


cells = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_any_text_reads_back_through_the_csv_module(rows):
    text = "".join(csv_lines(["a", "b"], [{"a": a, "b": b} for a, b in rows]))
    header, *found = read_csv(text)
    assert header == ["a", "b"]
    for cells_found, cells_given in zip(found, rows, strict=True):
        for got, wanted in zip(cells_found, cells_given, strict=True):
            dangerous = wanted.lstrip("\n")[:1] in tuple("=+-@＝＋－＠") or wanted[:1] in (
                "\t",
                "\r",
            )
            assert got == wanted or (dangerous and got == "'" + wanted)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=4), st.sampled_from([None, 1, 4, "\t"]))
def test_pretty_json_on_one_line_means_the_same(row, indent):
    line = one_line(json.dumps(row, indent=indent, ensure_ascii=False))
    assert "\n" not in line
    assert "\r" not in line
    assert json.loads(line) == row


def test_tokens_stay_as_they_were():
    assert one_line('{"a":\r\n  1.0e5,"b" : "x\\ny  z"}\n') == '{"a": 1.0e5,"b" : "x\\ny  z"}'


@pytest.mark.parametrize("text", ["{}", "{ }", '{"a": 1.50}', '{"a": {"b": {}} }\n'])
def test_added_fields_come_last_and_leave_the_rest(text):
    added = add_fields(text, {"w": 0.5, "r": "why"})
    assert json.loads(added) == {**json.loads(text), "w": 0.5, "r": "why"}
    assert added.startswith(text.rstrip().removesuffix("}").rstrip())


def test_array_of_nothing_is_json(tmp_path):
    write_array(tmp_path / "x", [])
    assert json.loads((tmp_path / "x").read_text()) == []


def test_parts_meet_in_one_schema():
    parts = [
        pa.table({"n": [1, 2], "mixed": [1, 2], "s": [{"a": 1}, None], "none": [None, None]}),
        pa.table({"n": [0.5], "mixed": ["x"], "s": [{"b": "y"}], "late": [[True]]}),
        pa.table({"n": pa.nulls(1), "empty": pa.array([{}], pa.struct([]))}),
    ]
    schema = common_schema(part.schema for part in parts)
    rows = pa.concat_tables(fitted(parts, schema)).to_pylist()
    assert [row["n"] for row in rows] == [1.0, 2.0, 0.5, None]
    assert [row["mixed"] for row in rows] == ["1", "2", "x", None]
    assert rows[0]["s"] == {"a": 1, "b": None}
    assert rows[2]["s"] == {"a": None, "b": "y"}
    assert [row["late"] for row in rows] == [None, None, [True], None]
    assert [row["empty"] for row in rows] == [None, None, None, "{}"]
    assert {row["none"] for row in rows} == {None}
