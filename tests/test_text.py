"""Text from data inside Markdown."""

import re

from hypothesis import given
from hypothesis import strategies as st

from pages.ui.text import as_text


@given(st.text())
def test_what_is_escaped_reads_as_it_was(text):
    assert re.sub(r"\\(.)", r"\1", as_text(text)) == " ".join(text.split())


def test_no_markup_survives():
    shown = as_text("![x](https://evil/p.png) <b> :red[a] $x$ `c` **d** www.a.org")
    assert re.fullmatch(r"(?:\\[^\w\s]|[\w ])*", shown)
