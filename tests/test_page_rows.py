"""Rows as people read them: code between fences is code, all else is text."""

import pytest

from pages.ui.rows import parts_of


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
