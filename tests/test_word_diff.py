"""Pieces of a word diff give both texts back."""

from hypothesis import given
from hypothesis import strategies as st

from core import word_diff as module
from core.word_diff import Piece, word_diff

TEXTS = st.text(alphabet="ab .,\nä中", max_size=60)


@given(TEXTS, TEXTS)
def test_the_pieces_give_both_texts_back(first, second):
    pieces = word_diff(first, second)
    assert "".join(one.text for one in pieces if one.kind != "second") == first
    assert "".join(one.text for one in pieces if one.kind != "first") == second


def test_words_are_what_differs():
    assert word_diff("the red fox ran", "the grey fox ran") == [
        Piece("same", "the "),
        Piece("first", "red"),
        Piece("second", "grey"),
        Piece("same", " fox ran"),
    ]


def test_the_end_of_a_long_text_is_its_own(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 4)
    pieces = word_diff("a b c d x", "z b c d y")
    assert [one.kind for one in pieces] == ["first", "second", "same", "first", "second"]
