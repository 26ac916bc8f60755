"""Rows as people read them: code is code, text is text, fields are a line each."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_page_map import panel
from test_pages import open_app

from core.json_text import indented
from core.pool import Pool
from core.project import Project
from pages.ui.rows import _Opened, parts_of


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("no code `here`", [("no code `here`", None)]),
        ("a\n```python\nx = 1\n\ny\n```\nb", [("a", None), ("x = 1\n\ny", "python"), ("b", None)]),
        ("~~~\nraw\n~~~", [("raw", "")]),
        ("````\n```\ninner\n```\n````", [("```\ninner\n```", "")]),
        ("```python\nnever closed", [("```python\nnever closed", None)]),
        ("", [("", None)]),
        ("```c++\nint a;\n```", [("int a;", "c++")]),
    ],
)
def test_code_between_fences(text, parts):
    assert parts_of(text) == parts


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30
)


@given(VALUES, st.booleans(), st.sampled_from([None, 0, 3]))
def test_json_that_is_laid_out_says_the_same(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    shown = indented(text)
    assert json.loads(shown) == value and indented(shown) == shown


@given(st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner, max_size=4)))
def test_each_field_has_a_line(value):
    shown = indented(json.dumps(value, ensure_ascii=False))
    assert shown == json.dumps(value, ensure_ascii=False, indent=2)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            '{"b":"größe\\u00e9 {[,:]}","a":1.50,"a":1e5,"big":123456789012345678901234567890}',
            '{\n  "b": "größe\\u00e9 {[,:]}",\n  "a": 1.50,\n  "a": 1e5,\n'
            '  "big": 123456789012345678901234567890\n}',
        ),
        (
            '{"v": [1,2.0,\n null], "none": [ ], "empty": { }, "tags": ["x", [3]]}',
            '{\n  "v": [1, 2.0, null],\n  "none": [],\n  "empty": {},\n'
            '  "tags": [\n    "x",\n    [3]\n  ]\n}',
        ),
        ('{"a": 1', '{"a": 1'),
        ("Not { JSON, at: all", "Not { JSON, at: all"),
        ("", ""),
    ],
)
def test_original_fields_are_laid_out(text, shown):
    assert indented(text) == shown


def test_deep_json_does_not_grow_by_its_depth():
    assert len(indented("[" * 900 + '""' + "]" * 900)) < 100_000


@pytest.mark.filterwarnings("ignore")
def test_a_row_that_cannot_be_read_is_said_in_its_dialog_alone(mapped_root, monkeypatch):
    app = open_app(mapped_root.parent, monkeypatch, "select")
    controls = len(app.button)
    for file in Project.open(mapped_root).pool_dir.glob("original-*"):
        file.write_bytes(b"broken")
    app.session_state["row-dialog"] = _Opened(3, "")
    app.session_state["original-3"] = True
    app.run()
    assert not app.exception and len(app.button) >= controls
    (error,) = app.error
    assert "original" in error.value and "cannot be read" in error.value


def test_original_fields_of_a_row_have_a_line_each(mapped_root, monkeypatch):
    app = open_app(mapped_root.parent, monkeypatch, "map")
    app.session_state["picked"] = 20
    app.session_state["original-20"] = True
    panel(app, "Rows")
    (text,) = Pool.open(Project.open(mapped_root)).original_text(np.array([20]))
    assert app.code[-1].value == json.dumps(json.loads(text), indent=2) != text
    monkeypatch.setattr("pages.ui.rows._LAID_OUT", 100)
    app.run()
    assert app.code[-1].value == text
