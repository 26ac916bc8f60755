"""Row ranges and plain values."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.values import decode_ranges, encode_ranges, plain


@given(st.sets(st.integers(0, 300)))
def test_ranges_come_back_as_they_went(rows):
    rows = np.array(sorted(rows), np.int64)
    text = encode_ranges(rows)
    assert np.array_equal(decode_ranges(text), rows)
    assert len(text.split(",")) == 1 + int((np.diff(rows) != 1).sum())


def test_ranges_are_written_as_people_write_them():
    assert encode_ranges(np.array([0, 1, 2, 9, 11, 12])) == "0-2,9,11-12"


@pytest.mark.parametrize("text", ["a", "1-", "-3", "1,,x", "1.5", "3--4", "1-2-3", "1 2", "١"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(InputError, match="not a list of numbers"):
        decode_ranges(text)


@pytest.mark.parametrize("text", ["5-3", "0-99999999999999"])
def test_ranges_that_cannot_be_rows_are_refused(text):
    with pytest.raises(InputError):
        decode_ranges(text)


def test_numbers_above_a_bound_or_more_of_them_are_refused():
    assert decode_ranges(",3,,1-2,", 3).tolist() == [3, 1, 2]
    for text in ("4", "0-3", "1,1,1,1"):
        with pytest.raises(InputError, match="not a list of numbers"):
            decode_ranges(text, 3)


def test_plain_values_are_what_json_knows():
    value = {"a": np.int64(3), "b": (np.float32(0.5), None), 1: Path("x"), "c": np.array([True])}
    assert plain(value) == {"a": 3, "b": [0.5, None], "1": "x", "c": [True]}
