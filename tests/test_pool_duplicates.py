"""Exact duplicates are those of a dictionary of texts."""

import unicodedata

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pools import build

from core.duplicates import first_rows, text_hash


@settings(max_examples=60)
@given(st.lists(st.integers(0, 5), max_size=30))
def test_first_rows_are_those_of_a_dictionary(values):
    seen: dict[int, int] = {}
    expected = []
    for row, value in enumerate(values):
        expected.append(seen.get(value, -1))
        seen.setdefault(value, row)
    assert first_rows(np.array(values, np.uint64)).tolist() == expected


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text("aé é\t\n.[", min_size=1, max_size=4), min_size=1, max_size=30))
def test_duplicates_are_those_of_a_dictionary(tmp_path, texts):
    pool, report = build(tmp_path, [{"text": f"x {text}"} for text in texts])
    seen: dict[str, int] = {}
    expected = []
    for row, text in enumerate(texts):
        key = " ".join(unicodedata.normalize("NFC", f"x {text}").split())
        expected.append(seen.get(key, -1))
        seen.setdefault(key, row)
    assert pool.duplicates().tolist() == expected
    assert report.exact_duplicates == sum(first >= 0 for first in expected)


def test_rows_that_differ_only_in_markers_are_no_duplicates():
    assert text_hash("[[ a ]] of << b >>") != text_hash("<< a >> of [[ b ]]")
    assert text_hash("a\u0301  b\r\nc") == text_hash("\u00e1 b c")
