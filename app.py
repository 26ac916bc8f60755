"""Winnow's app: `streamlit run app.py`."""

import logging
from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from core.errors import WinnowError
from pages.ui import notice, strip, travel
from pages.ui.empty import EmptyPageError
from pages.ui.places import lead_on, places
from pages.ui.rows import render_dialog
from pages.ui.state import current_view
from pages.ui.text import as_text

_STYLE = Path(__file__).parent / "assets" / "page" / "page.css"


def main() -> None:
    """Draw the strip and the page that the address names."""
    st.set_page_config(
        page_title="Winnow",
        page_icon="assets/logo/icon.svg",
        layout="wide",
        menu_items={"About": "Winnow: the subset of a pool that is worth training on."},
    )
    st.logo("assets/logo/wordmark.svg", size="large")
    st.html(_STYLE)
    page = st.navigation(places(), position="top")
    whole = _draw(page)
    # Also where a page ended early: else nobody could leave what they came back to.
    travel.arrived()
    travel.keep_entries(restored=page.url_path == "map")
    notice.render(current_view() if whole else None)


def _draw(page: StreamlitPage) -> bool:
    """Draw the strip and the page; return False if one of them failed, and say so."""
    try:
        travel.note()
        lead_on(page)
        strip.render()
        view = current_view()
        if view is not None:
            render_dialog(view, page.url_path)
        page.run()
    except EmptyPageError:
        pass
    except WinnowError as error:
        st.error(as_text(error), icon=":material/error:")
        return False
    except Exception as error:
        logging.getLogger("winnow").exception("The page failed")
        st.error(
            f"This page failed ({type(error).__name__}); your data is safe. The terminal that "
            "runs Winnow shows the details; reload the page to go on.",
            icon=":material/error:",
        )
        return False
    return True


if __name__ == "__main__":
    main()
