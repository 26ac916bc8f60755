"""The rows that a person has selected in this session: by lasso, cluster, search or click."""

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.lasso import Op, combine
from pages.ui.state import ProjectView

_KEY = "selection"


@dataclass(frozen=True)
class RowSelection:
    """Selected rows, ascending int64, and how they came about."""

    project: str
    rows: NDArray[np.int64]
    origin: str


def selected(view: ProjectView) -> RowSelection | None:
    """Return the selection in this project, without rows that have been dropped since."""
    found = st.session_state.get(_KEY)
    if not isinstance(found, RowSelection) or found.project != str(view.project.root):
        return None
    rows = found.rows[~view.decisions.dropped[found.rows]]
    return RowSelection(found.project, rows, found.origin) if len(rows) else None


def select_rows(
    view: ProjectView, rows: NDArray[np.int64], origin: str, op: Op = "replace"
) -> None:
    """Replace the selection by `rows`, add them, or take them away."""
    st.session_state.pop("picked", None)  # an open row gives way to the selection
    now = selected(view)
    before = now.rows if now else np.empty(0, np.int64)
    if op != "replace" and now and now.origin != origin:
        origin = f"{now.origin} and {origin}"
    st.session_state[_KEY] = RowSelection(
        str(view.project.root), combine(before, rows, op), origin[:120]
    )


def clear_selection() -> None:
    """Select nothing."""
    st.session_state.pop(_KEY, None)
