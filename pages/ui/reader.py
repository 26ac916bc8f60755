"""A row on the map page: its text, its nearest rows, and the way to the next one."""

import numpy as np
import pandas as pd
import streamlit as st

from core.decisions import decide
from core.search import find_rows
from pages.ui import finder
from pages.ui.difference import render_difference
from pages.ui.notice import tell_decision
from pages.ui.rows import render_row
from pages.ui.selection import clicked_rows, selected
from pages.ui.state import ProjectView

PANEL = "Rows"  # of the map page, where rows are read
_HEIGHT = 480
_NEAREST = 8
_DIFFER = 0.8  # cosine from which on two rows are set against each other


def render(view: ProjectView, row: int) -> None:
    """Draw the row that was clicked."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.markdown(f"**Row {row:,}**", width="content")
        before, after = _around(view, row)
        for label, icon, to, key in (
            ("Previous row", ":material/chevron_left:", before, "K"),
            ("Next row", ":material/chevron_right:", after, "J"),
        ):
            st.button(
                "",
                key=label,
                icon=icon,
                type="tertiary",
                help=f"{label} of the selection, or of all that are kept ({key}).",
                shortcut=key,
                disabled=to is None,
                on_click=open_row,
                args=(to,),
            )
        out = ("drop", ":material/delete:")
        if view.decisions.dropped[row]:
            out = ("restore", ":material/restore_from_trash:")
        for action, icon in (out, ("pin", ":material/keep:")):
            st.button(
                "",
                key=f"{action}-row",
                icon=icon,
                type="tertiary",
                help=f"{action.capitalize()} this row; Ctrl+Z takes it back.",
                on_click=_decide,
                args=(view, row, action, after),
            )
        st.button(
            "Like this",
            icon=":material/hub:",
            type="tertiary",
            help="Select the kept rows nearest to this one, and this one.",
            on_click=finder.look_for_alike,
            args=(row,),
        )
        st.button(
            "", key="Close the row", icon=":material/close:", type="tertiary",
            help="Close the row", on_click=open_row, args=(None,),
        )  # fmt: skip
    # A long row scrolls in itself: the map beside it stays in view.
    with st.container(height=_HEIGHT, border=False):
        render_row(view, row)
        near = st.expander("Nearest rows", on_change="rerun", key=f"near-{row}")
        if near.open:
            with near:
                _render_nearest(view, row)


def _around(view: ProjectView, row: int) -> tuple[int | None, int | None]:
    """The rows before and after, of the selection if the row is in it, else of those kept."""
    chosen = selected(view)
    inside = chosen is not None and bool(np.isin(row, chosen.rows))
    rows = chosen.rows if chosen is not None and inside else view.decisions.candidates
    at = int(np.searchsorted(rows, row))
    after = at + (at < len(rows) and rows[at] == row)
    return (
        int(rows[at - 1]) if at > 0 else None,
        int(rows[after]) if after < len(rows) else None,
    )


def open_row(row: int | None) -> None:
    """Read this row from the next run on; None closes the one that is open."""
    if row is None:
        st.session_state.pop("picked", None)
    else:
        st.session_state["picked"] = row
        st.session_state["map-panel"] = PANEL


def _decide(view: ProjectView, row: int, action: str, after: int | None) -> None:
    """Drop, restore or pin the row that is read; a dropped one gives way to the next."""
    assert view.pool is not None
    state = decide(view.project, view.pool.rows, action, np.array([row]), f"reading row {row}")
    did = {"drop": "Dropped", "restore": "Restored", "pin": "Pinned"}[action]
    tell_decision(state, f"{did} row {row:,}.")
    if action == "drop":
        open_row(after)


def _render_nearest(view: ProjectView, row: int) -> None:
    """A table of the nearest rows that are kept; a click sets one against this row."""
    assert view.pool is not None
    found = find_rows(view.seen, like_rows=[row], limit=_NEAREST, pool=view.pool)
    if found.cosines is None or not len(found.rows):
        st.caption("No other row is kept.")
        return
    page = view.pool.page(found.rows)
    table = pd.DataFrame({"cosine": found.cosines, "row": found.rows, "prompt": page["prompt"]})
    st.caption("A click sets one against this row.")
    event = st.dataframe(
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "cosine": st.column_config.NumberColumn("cosine", format="%.3f", width=60),
            "row": st.column_config.NumberColumn("row", width=60),
        },
        height="content",
        alt="The nearest rows with their cosine; a click sets one against this row",
        key=f"nearest-{row}",
    )
    for place in clicked_rows(event):
        other, cosine = int(found.rows[place]), float(found.cosines[place])
        st.button(f"Open row {other:,}", on_click=open_row, args=(other,), key=f"to-{other}")
        if cosine < _DIFFER:
            st.caption(f"A cosine of {cosine:.3f}: too different to be set side by side.")
            continue
        render_difference(view, row, other)
