"""The pages: their addresses, titles and icons, in the order of the work."""

from importlib import import_module

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from pages.ui.state import project_names

_PLACES = {
    "pool": ("Pool", ":material/database:"),
    "map": ("Map", ":material/bubble_chart:"),
    "select": ("Select", ":material/filter_alt:"),
    "refine": ("Refine", ":material/cycle:"),
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
    """Every page. The first, at the bare address, only leads on: see `lead_on`."""
    front = st.Page(_nothing, title="Winnow", url_path="home", default=True, visibility="hidden")
    return [front, *map(place, _PLACES)]


def lead_on(page: StreamlitPage) -> None:
    """Go on from the bare address: a default page could not have an address of its own."""
    if not page.url_path:
        names = project_names()
        asked = st.query_params.to_dict()
        if names:  # at once, so that the browser has one address less to go back through
            shown = st.session_state.get("project")
            asked.setdefault("project", shown if shown in names else names[0])
        st.switch_page(place("map" if names else "pool"), query_params=asked)


def _nothing() -> None:
    """Never run: `lead_on` comes first."""
