"""Pieces of a word diff give both texts back."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from core import word_diff as module
from core.word_diff import Piece, brief, word_diff


def brief_diff(first, second):
    return brief(word_diff(first, second))


TEXTS = st.text(alphabet="ab .,\nä中", max_size=60)


@given(TEXTS, TEXTS)
def test_the_pieces_give_both_texts_back(first, second):
    pieces = word_diff(first, second)
    assert "".join(one.text for one in pieces if one.kind != "second") == first
    assert "".join(one.text for one in pieces if one.kind != "first") == second


@given(TEXTS, TEXTS)
def test_a_brief_one_gives_both_texts_back_and_no_two_alike_in_a_row(first, second):
    pieces = brief_diff(first, second)
    assert "".join(one.text for one in pieces if one.kind != "second") == first
    assert "".join(one.text for one in pieces if one.kind != "first") == second
    kinds = [one.kind for one in pieces]
    assert all(one != other for one, other in pairwise(kinds))
    assert all(one.text for one in pieces)


def test_what_is_far_from_any_difference_is_folded():
    words = " ".join(f"w{n}" for n in range(40))
    pieces = brief_diff(f"{words} red {words} end", f"{words} grey {words} end")
    assert [(one.kind, one.words) for one in pieces] == [
        ("folded", 34), ("same", 6), ("first", 1), ("second", 1), ("same", 6), ("folded", 35),
    ]  # fmt: skip
    assert brief_diff("a b c", "a b c") == [Piece("same", "a b c")]
    assert [one.kind for one in brief_diff(words, words)] == ["folded"]
    short = " ".join(f"w{n}" for n in range(15))  # nine of them are not worth it
    assert [one.kind for one in brief_diff(f"{short} x", f"{short} y")] == [
        "same", "first", "second",
    ]  # fmt: skip


def test_a_word_between_differences_is_a_part_of_them():
    assert brief_diff("to be, or not", "so be; or not") == [
        Piece("first", "to be,"),
        Piece("second", "so be;"),
        Piece("same", " or not"),
    ]


def test_words_are_what_differs():
    assert word_diff("the red fox ran", "the grey fox ran") == [
        Piece("same", "the "),
        Piece("first", "red"),
        Piece("second", "grey"),
        Piece("same", " fox ran"),
    ]


def test_the_end_of_a_long_text_is_its_own(monkeypatch):
    monkeypatch.setattr(module, "MOST", 4)
    pieces = word_diff("a b c d x", "z b c d y")
    assert [one.kind for one in pieces] == ["first", "second", "same", "first", "second"]
