"""Keys that mean one thing in a field of the page and another everywhere else."""

from pathlib import Path

import streamlit as st

_SCRIPT = Path(__file__).parents[2] / "assets" / "keys" / "typing.js"

# Draws nothing.
_TYPING = st.components.v2.component(
    "winnow_typing",
    html="<span hidden></span>",
    js=_SCRIPT.read_text("utf-8"),
    isolate_styles=False,
)


def spare_fields() -> None:
    """Have Ctrl+Z in a field take back what was typed there, and no decision."""
    _TYPING(key="typing", width="content")
