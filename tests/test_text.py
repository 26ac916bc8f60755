"""Text from data inside Markdown."""

import re

from hypothesis import given
from hypothesis import strategies as st

from pages.ui.text import as_text


@given(st.text())
def test_what_is_escaped_reads_as_it_was(text):
    shown = re.sub(r"\\(.)", r"\1", as_text(text))
    assert shown in (" ".join(text.split()), f"\u2068{' '.join(text.split())}\u2069")


def test_text_from_right_to_left_does_not_turn_what_follows():
    assert as_text("שלום") + " 100%" == "\u2068שלום\u2069 100%"


def test_no_markup_survives():
    shown = as_text("![x](https://evil/p.png) <b> :red[a] $x$ `c` **d** www.a.org")
    assert re.fullmatch(r"(?:\\[^\w\s]|[\w ])*", shown)
