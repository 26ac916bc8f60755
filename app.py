"""Winnow's app: `streamlit run app.py`. The pages are in the order of the work."""

import logging

import streamlit as st

from core.errors import WinnowError
from pages.ui import strip
from pages.ui.text import as_text

st.set_page_config(
    page_title="Winnow",
    page_icon="assets/logo/icon.svg",
    layout="wide",
    menu_items={"About": "Winnow: the subset of a pool that is worth training on."},
)
st.logo("assets/logo/wordmark.svg", size="large")
# The addresses are not the files' names: a new server, asked for one before this script ever ran,
# would take the file for a page of its own.
page = st.navigation(
    [
        st.Page("pages/pool_page.py", title="Pool", url_path="pool", icon=":material/database:"),
        st.Page("pages/map_page.py", title="Map", icon=":material/bubble_chart:", default=True),
        st.Page(
            "pages/select_page.py", title="Select", url_path="select", icon=":material/filter_alt:"
        ),
        st.Page(
            "pages/export_page.py", title="Export", url_path="export", icon=":material/file_export:"
        ),
    ],
    position="top",
)
try:
    strip.render()
    page.run()
except WinnowError as error:
    st.error(as_text(error), icon=":material/error:")
except Exception as error:
    logging.getLogger("winnow").exception("The page failed")
    st.error(
        f"This page failed ({type(error).__name__}); your data is safe. The terminal that runs "
        "Winnow shows the details; reload the page to go on.",
        icon=":material/error:",
    )
