"""The pages: their addresses, titles and icons, in the order of the work."""

from importlib import import_module

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages.ui.state import project_names

_PLACES = {
    "pool": ("Pool", ":material/database:"),
    "map": ("Map", ":material/bubble_chart:"),
    "select": ("Select", ":material/filter_alt:"),
    "compare": ("Compare", ":material/compare:"),
    "export": ("Export", ":material/file_export:"),
}


def place(name: str) -> StreamlitPage:
    """The page of that name, to link or switch to."""
    title, icon = _PLACES[name]

    def render() -> None:
        import_module(f"pages.{name}").render()  # when it is opened: a start imports one page

    return st.Page(render, title=title, url_path=name, icon=icon)


def places() -> list[StreamlitPage]:
    """Every page. The bare address leads on: a default page could not have one of its own."""
    front = st.Page(_lead_on, title="Winnow", url_path="home", default=True, visibility="hidden")
    return [front, *map(place, _PLACES)]


def _lead_on() -> None:
    st.switch_page(place("map" if project_names() else "pool"))
