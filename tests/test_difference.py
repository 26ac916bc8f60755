"""How much of two rows is said to differ, and that their text is never markup."""

import pytest

from core.records import Record, Turn
from core.turn_diff import row_diff
from core.word_diff import Piece
from pages.ui.difference import _marked, _told

HOSTILE = "<b>x</b> [a](http://x) :smile: `c` $y$ **z** ![i](u)\n# head\n- item"


def said(*texts):
    return Record("openai", tuple(Turn("user", text) for text in texts))


LONG = [f"w{n}" for n in range(1600)]
SIDE = "Both are shown whole, side by side."


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ("a b c", "a b c", "Both rows have the same text."),
        ("a b, c", "a  b c", "They differ only in spaces, marks and line breaks."),
        ("a b c d", "a b x d", "25% of the words differ."),
        ("a b c d", "e f g d", f"75% of the words differ. {SIDE}"),
        (
            " ".join(LONG),
            " ".join(LONG[::-1]),
            "Both rows have the same words, in another order.",
        ),
        (
            " ".join(LONG),
            " ".join(LONG[:0:-1]),
            f"less than 1% of the words differ, not counting their order. {SIDE}",
        ),
        (" ".join(LONG), "  ".join(LONG), "They differ only in spaces, marks and line breaks."),
        (f"red {'w ' * 400}", f"grey {'w ' * 400}", "less than 1% of the words differ."),
    ],
)
def test_how_much_differs_is_said(first, second, sentence):
    assert _told(row_diff(said(first), said(second))) == sentence


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ((("user", "a b"),), (("tool", "a b"),), "They differ only in the roles of turns."),
        (
            (("user", "a b"), ("tool", "c")), (("user", "a, b"), ("user", "c")),
            "They differ only in the roles of turns, and in spaces, marks and line breaks.",
        ),
        (
            (("user", "a b"),), (("tool", "b a"),),
            "Both rows have the same words, in another order and in other roles.",
        ),
        (
            (("user", "a b"),), (("user", "a b"), ("tool", "!")),
            "They differ only in a turn without words.",
        ),
    ],
)  # fmt: skip
def test_what_has_the_same_words_may_differ_in_more_than_spaces(first, second, sentence):
    one, two = (Record("openai", tuple(Turn(*turn) for turn in row)) for row in (first, second))
    assert _told(row_diff(one, two)) == sentence


def test_a_turn_with_little_in_common_is_named():
    diff = row_diff(said("a b c d e f g h", "i j"), said("a b c d e f g x", "k l"))
    assert _told(diff).endswith("Turns with little in common are shown whole, side by side.")


@pytest.mark.parametrize("kind", ["same", "first", "second"])
def test_text_is_never_markup(kind):
    drawn = _marked(Piece(kind, HOSTILE))
    for sign in ("<b>", "[a](", ":smile:", "`c`", "$y$", "**z**", "![i]", "\n# ", "\n- "):
        assert sign not in drawn
    assert drawn.count("  \n") == 2
