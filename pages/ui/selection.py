"""The rows that a person has selected in this session: by lasso, cluster, search or click."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.lasso import Op, combine
from core.view_link import Kind, Step
from pages.ui.state import ProjectView

_KEY = "selection"
_NAMED = 300  # rows that an address can name one by one


@dataclass(frozen=True)
class RowSelection:
    """Selected rows, ascending int64, and how they came about."""

    project: str
    rows: NDArray[np.int64]
    origin: str
    steps: tuple[Step, ...] = ()  # that select the same rows again; none where that is unknown


def selected(view: ProjectView) -> RowSelection | None:
    """Return the selection in this project, without rows that have been dropped since."""
    found = st.session_state.get(_KEY)
    if not isinstance(found, RowSelection) or found.project != str(view.project.root):
        return None
    rows = found.rows[~view.decisions.dropped[found.rows]]
    return replace(found, rows=rows) if len(rows) else None


def select_rows(
    view: ProjectView,
    rows: NDArray[np.int64],
    origin: str,
    op: Op = "replace",
    *,
    by: tuple[Kind, str] | None = None,
) -> None:
    """Replace the selection by `rows`, add them, take them away, or keep only what is in them.

    `by` says how they were found, for an address that shows the same; it can name a few rows.
    """
    st.session_state.pop("picked", None)  # an open row gives way to the selection
    if by is None and 0 < len(rows) <= _NAMED:
        by = ("rows", ",".join(map(str, rows.tolist())))
    now = selected(view)
    before = now.rows if now else np.empty(0, np.int64)
    earlier: tuple[Step, ...] = ()
    linked = by is not None
    if op != "replace" and now:
        if now.origin != origin:
            origin = f"{now.origin} and {origin}"
        earlier = now.steps
        linked &= bool(earlier)
    steps = (*earlier, Step(op, *by)) if linked and by else ()
    put_selection(
        RowSelection(str(view.project.root), combine(before, rows, op), origin[:120], steps)
    )


def newly_picked(key: str, draw: Callable[[], Any]) -> tuple[int, ...] | None:
    """Rows of a table that were just picked, () if just none is any more; None without a change.

    A table that was not there in the run before picks nothing: Streamlit forgot what was picked,
    and nobody took it back.

    Parameters
    ----------
    key : of the table.
    draw : draws the table, and returns its event.
    """
    known = f"{key}-picked"
    is_new = key not in st.session_state
    picked = tuple(draw().selection.rows)
    if is_new or picked == st.session_state.get(known, ()):
        st.session_state[known] = picked
        return None
    st.session_state[known] = picked
    return picked


def put_selection(selection: RowSelection) -> None:
    """Make this the selection."""
    st.session_state[_KEY] = selection


def clear_selection(origin: str = "") -> None:
    """Select nothing; with `origin`, only if the selection came about by what begins so."""
    found = st.session_state.get(_KEY)
    if isinstance(found, RowSelection) and found.origin.startswith(origin):
        del st.session_state[_KEY]
