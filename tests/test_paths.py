"""Paths as people type them, and rows as programs give them."""

import numpy as np
import pytest

from core.errors import InputError
from core.paths import user_path
from core.values import as_rows


@pytest.mark.parametrize("text", ["", "~no-such-user/x", "x" * 300, "a\0b", "bad\udcff.jsonl"])
def test_what_is_no_path_is_one_sentence(text):
    with pytest.raises(InputError):
        user_path(text)


def test_a_path_need_not_be_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/new/file.jsonl") == tmp_path / "new/file.jsonl"


def test_rows_are_numbers_or_a_mask():
    mask = np.array([False, True, False, True])
    assert as_rows(mask, 4).tolist() == [1, 3]
    assert as_rows([3, 1, 3], 4).tolist() == [1, 3]
    assert as_rows([], 4).tolist() == []
    for wrong in ([True, False], [1.7], ["a"], [4], [-1], [2**70]):
        with pytest.raises(InputError):
            as_rows(wrong, 4)
