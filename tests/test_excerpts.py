"""Lines of rows with the words in sight that were looked for."""

import re

from hypothesis import given
from hypothesis import strategies as st

from core.view_link import Step
from core.word_search import terms
from pages.ui.excerpts import excerpt, wanted_words

TEXT = st.text(st.sampled_from("ab *_[]`<$:\\n…"), max_size=300)


def plain(markdown):
    """What a person reads: an escaped letter, or one that is not of a mark."""
    parts = re.finditer(r"\\(.)|:orange-background\[|\]|(.)", markdown)
    return "".join(part[1] or part[2] or "" for part in parts)


def test_the_line_with_the_word_is_shown_and_the_word_marked():
    wanted = wanted_words([Step("replace", "words", "galax"), Step("add", "clusters", "1")])
    line = excerpt(["no such word", "x " * 100 + "a *Galaxy* far " + "y " * 200], wanted)
    assert ":orange-background[Galax]" in line and "\\*" in line
    assert line.startswith("…") and line.endswith("…") and len(plain(line)) < 120


def test_a_line_begins_and_ends_with_a_whole_word():
    words = "gravitational attraction between enormously distant astronomical bodies "
    line = words * 3 + "a galaxy " + words * 3
    shown = plain(excerpt([line], terms("galaxy")))
    assert shown.startswith("…") and shown.endswith("…") and "galaxy" in shown
    first, *_, last = shown.strip("…").split()
    assert first in words.split() and last in words.split()
    assert len(shown.split("galaxy")[0]) <= 41 and len(shown) <= 112
    # Without a word that was looked for; and where nothing parts the words.
    assert plain(excerpt([words * 3], [])).strip("…").split()[-1] in words.split()
    assert plain(excerpt(["字" * 300 + "銀河" + "字" * 300], terms("銀河"))) == (
        "…" + "字" * 40 + "銀河" + "字" * 68 + "…"
    )


def test_without_a_word_the_beginning_is_shown():
    assert plain(excerpt(["one\n two", "three"], [])) == "one two"
    assert plain(excerpt(["", "three"], terms("absent"))) == ""


@given(st.lists(TEXT, min_size=1, max_size=3), st.text(st.sampled_from('ab *_[]"'), max_size=8))
def test_what_is_shown_is_a_part_of_a_text(texts, asked):
    line = plain(excerpt(texts, terms(asked)))
    lines = [" ".join(text.split()) for text in texts]
    shown = line.removeprefix("…").removesuffix("…")
    assert any(shown.strip() in one for one in lines)
