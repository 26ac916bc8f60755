"""One row, as people read it. Text from data is shown as text: it is never Markdown or HTML."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import WinnowError
from core.json_text import indented
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_LONG = 1_200  # characters after which a turn scrolls in a box of its own
_LAID_OUT = 200_000  # characters up to which original fields are laid out: the browser has to, too
# A line that begins or ends code in Markdown: three or more backticks or tildes, and a language.
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,}) *([\w+#.-]{0,20})")
_OPENED, _PAGE = "row-dialog", "row-dialog-page"  # in session state
ROLES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


def render_row(view: ProjectView, row: int) -> None:
    """Draw a row: where it comes from, its turns, its original fields."""
    pool = view.pool
    assert pool is not None
    page = pool.page([row]).iloc[0]
    facts = [f"row {row:,}", str(page["source"])]
    if view.clusters is not None:
        facts.append(view.clusters.titles[view.clusters.labels[row]])
    facts.append(f"{page['n_chars']:,} characters")
    first = int(pool.duplicates()[row])
    if first >= 0:
        facts.append(f"same text as row {first:,}")
    if view.decisions.dropped[row]:
        facts.append("dropped")
    if view.decisions.pinned[row]:
        facts.append("pinned")
    with st.container(horizontal=True, gap="xsmall"):
        for fact in facts:
            st.badge(as_text(fact), color="gray")
    (record,) = pool.records([row])
    for turn in record.turns:
        _render_text(ROLES.get(turn.role, turn.role), turn.content)
    if record.body:
        _render_text("Text", record.body)
    original = st.expander("Original fields", on_change="rerun", key=f"original-{row}")
    if original.open:
        with original:
            (text,) = pool.original_text([row])
            laid_out = indented(text) if len(text) <= _LAID_OUT else text
            text = laid_out if len(laid_out) <= _LAID_OUT else text
            st.code(text, language="json", wrap_lines=True, height=240)


def _render_text(label: str, text: str) -> None:
    st.caption(label)
    with st.container(height=220 if len(text) > _LONG else "content", border=True):
        for part, language in parts_of(text):
            if language is None:
                st.text(part)
            else:
                st.code(part, language=language or None, wrap_lines=True)


def parts_of(text: str) -> list[tuple[str, str | None]]:
    """Part a text into prose and code between fences, each code with its language ("" for none)."""
    parts: list[tuple[str, str | None]] = []
    lines: list[str] = []
    opened: re.Match[str] | None = None
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if fence and opened is None:
            parts.append(("\n".join(lines).strip("\n"), None))
            lines, opened = [line], fence
        elif fence and opened and line.strip() == opened[1]:
            parts.append(("\n".join(lines[1:]), opened[2].lower()))
            lines, opened = [], None
        else:
            lines.append(line)
    # What is never closed is no code.
    parts.append(("\n".join(lines).strip("\n"), None))
    return [part for part in parts if part[0].strip()] or [(text, None)]


def render_table(
    view: ProjectView,
    table: pd.DataFrame,
    key: str,
    alt: str,
    *,
    widths: Mapping[str, int] | None = None,
    **options: Any,
) -> None:
    """Draw a table with a `row` column; a click on any of its cells opens that row.

    Parameters
    ----------
    widths : of columns of text, in pixels, where the table has too little room for all.
    """
    wide = widths or {}

    def clicked() -> None:
        cells = st.session_state[key].selection.cells
        if cells:
            picked = table.iloc[cells[0][0]]
            open_dialog(int(picked["row"]), str(picked.get("why", "")))

    st.dataframe(
        table,
        hide_index=True,
        on_select=clicked,
        selection_mode="single-cell",
        alt=alt,
        key=key,
        column_config={
            "row": st.column_config.NumberColumn("row", width=70),
            "cosine": st.column_config.NumberColumn(
                "cosine", format="%.3f", width=70, help="To what the rows should be like."
            ),
            "score": st.column_config.NumberColumn("score", format="%.3f", width=65),
            "round": st.column_config.NumberColumn("round", width=55),
            "source": st.column_config.TextColumn("source", width=110),
            **{
                name: st.column_config.TextColumn(name, width=wide.get(name, "large"))
                for name in ("prompt", "answer", "why")
            },
            "rank": st.column_config.NumberColumn(
                "rank", width=55, help="By probability: what the rule wanted most comes first."
            ),
            "probability": st.column_config.NumberColumn(
                "probability",
                format="%.2f",
                width=85,
                help="How often the row is chosen over all seeds; 1 is always.",
            ),
            "cluster": st.column_config.TextColumn("cluster", width="medium"),
            "n_chars": st.column_config.NumberColumn("characters", width=90),
        },
        **options,
    )


@dataclass
class _Opened:
    row: int
    why: str
    drawn: bool = False


def open_dialog(row: int, why: str = "") -> None:
    """Show a row, and why it was chosen, from the page's next run on; for a callback."""
    st.session_state[_OPENED] = _Opened(row, why)


def dialog_waits() -> bool:
    """Whether a row was opened that no run of the whole page has shown yet."""
    opened = st.session_state.get(_OPENED)
    return opened is not None and not opened.drawn


def render_dialog(view: ProjectView, page: str) -> None:
    """Draw the row that is open on this page, in each run until it is closed.

    A run that does not draw it closes it, and pages run by themselves: when a curve is there, when
    a round ends.
    """
    if st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE] = page
        _close()
    opened = st.session_state.get(_OPENED)
    if opened is None:
        return
    if view.pool is None or opened.row >= view.pool.rows:  # read anew meanwhile
        _close()
        return
    opened.drawn = True

    @st.dialog("Row", width="large", on_dismiss=_close)
    def show() -> None:
        if opened.why:
            st.markdown(f"**Why it was chosen:** {as_text(opened.why)}")
        try:
            render_row(view, opened.row)
        except WinnowError as error:  # Streamlit would hide it from who draws the page
            st.error(as_text(error), icon=":material/error:")

    show()


def _close() -> None:
    st.session_state.pop(_OPENED, None)
