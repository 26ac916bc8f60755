"""The pages: their addresses, titles and icons, in the order of the work."""

from importlib import import_module

import streamlit as st
from streamlit.navigation.page import StreamlitPage

_PLACES = {
    "pool": ("Pool", ":material/database:"),
    "map": ("Map", ":material/bubble_chart:"),
    "select": ("Select", ":material/filter_alt:"),
    "export": ("Export", ":material/file_export:"),
}
_HOME = "map"


def place(name: str) -> StreamlitPage:
    """The page of that name, to link or switch to. It is imported here: pages link in circles."""
    title, icon = _PLACES[name]
    render = import_module(f"pages.{name}").render
    return st.Page(render, title=title, url_path=name, icon=icon, default=name == _HOME)


def places() -> list[StreamlitPage]:
    """Every page."""
    return [place(name) for name in _PLACES]
