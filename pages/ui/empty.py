"""Empty states: what is missing, and the one thing to do next."""

from typing import NoReturn

import streamlit as st

from pages.ui.places import place


class EmptyPageError(Exception):
    """A page ended with an empty state; what is drawn around it is drawn nevertheless."""


def stop_with(title: str, text: str, page: str, label: str) -> NoReturn:
    """Say what is missing, link to the page that makes it, and end this page.

    Raises
    ------
    EmptyPageError
        Always; `app.main` knows it.
    """
    with st.container(horizontal_alignment="center", border=True):
        st.space("large")
        st.subheader(title, text_alignment="center", anchor=False)
        st.caption(text, text_alignment="center")
        st.page_link(place(page), label=label, icon=":material/arrow_forward:")
        st.space("large")
    raise EmptyPageError
