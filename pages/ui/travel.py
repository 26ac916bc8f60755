"""Back and forward in the browser: a page then shows what the address names, not what it showed."""

from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

_SCRIPT = Path(__file__).parents[2] / "assets" / "history" / "entries.js"
_KEY = "travelled"

# Draws nothing.
_ENTRIES = st.components.v2.component(
    "winnow_entries",
    html="<span hidden></span>",
    js=_SCRIPT.read_text("utf-8"),
    isolate_styles=False,
)


def note() -> None:
    """Take note of how this run came about; to be called before anything asks `travelled`."""
    context = get_script_run_ctx()
    if getattr(context, "is_history_navigation", False):
        st.session_state[_KEY] = True


def travelled() -> bool:
    """Whether a person went back or forward to the address, and it was not followed yet."""
    return bool(st.session_state.get(_KEY))


def arrived() -> None:
    """What the address names is shown; to be called at the end of a page."""
    st.session_state.pop(_KEY, None)


def keep_entries(restored: bool) -> None:
    """Have the browser keep what can be gone back to.

    Parameters
    ----------
    restored : whether the page shows again what an earlier address of it names.
    """
    _ENTRIES(data={"restored": restored}, key="entries", width="content")
