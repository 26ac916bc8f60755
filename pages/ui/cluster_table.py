"""The table of clusters with a tick on each, as the browser draws it; it knows of no selection."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pages.ui.component import declare

_COMPONENT = declare("clusters", "nodes.js")
_KEY, _SEQ = "cluster-table", "cluster-table-seq"


@dataclass(frozen=True)
class Column:
    """Numbers by cluster, and how they are shown.

    Attributes
    ----------
    label, help : str
    values : ndarray of shape (clusters,)
    format : str or callable
        A format of `format()`, or what makes the text.
    bars : bool
        Whether a bar stands before the number, the largest value being the full length.
    """

    label: str
    values: NDArray[Any]
    format: str | Callable[[float], str]
    help: str = ""
    bars: bool = False


def render_table(
    order: NDArray[np.int64],
    titles: Sequence[str],
    colors: NDArray[np.str_],
    columns: Sequence[Column],
    by: int,
    ticked: Sequence[int],
    made_by: str,
    on_tick: Callable[[dict[str, Any]], None],
) -> None:
    """Draw the clusters of `order`.

    Parameters
    ----------
    order : int64 ndarray of shape (listed,)
        Clusters in the order in which they are listed.
    titles, colors : of all clusters; colours as `#rrggbb`
    columns : where values of one are alike, the largest value of the first column comes first
    by : the column whose largest value is first in `order`
    ticked : clusters that are ticked, listed or not
    made_by : id of the clusters
    on_tick : gets what a browser says, for `ticks_of`, before the page runs again: the clusters may
        be others by then
    """

    def changed() -> None:
        state = st.session_state.get(_KEY)
        move = state.get("ticked") if isinstance(state, dict) else None
        if not isinstance(move, dict):
            return
        st.session_state[_SEQ] = move.get("seq")
        on_tick(move)

    data = {
        "label": "Clusters with their sizes; those that are ticked are selected",
        "list": made_by,
        "by": by,
        "columns": [
            {
                "label": column.label,
                "help": column.help,
                "bars": 1 / max(1.0, float(column.values.max())) if column.bars else 0,
            }
            for column in columns
        ],
        "rows": [
            {
                "number": number,
                "color": str(colors[number]),
                "title": titles[number],
                "values": [_number(column.values[number]) for column in columns],
                "texts": [_text(column, number) for column in columns],
            }
            for number in order.tolist()
        ],
        "ticked": list(ticked),
        "seq": st.session_state.get(_SEQ) or 0,
    }
    _COMPONENT(data=data, key=_KEY, on_ticked_change=changed)


def ticks_of(move: dict[str, Any], made_by: str, clusters: int) -> list[int] | None:
    """What a browser says is ticked; None where that is of other clusters, or nonsense."""
    ticked = move.get("ticked")
    if move.get("list") != made_by or not isinstance(ticked, list):
        return None
    known = all(type(one) is int and 0 <= one < clusters for one in ticked)
    return sorted(set(ticked)) if known else None


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _text(column: Column, number: int) -> str:
    value = column.values[number]
    if np.isnan(value):
        return ""
    return format(value, column.format) if isinstance(column.format, str) else column.format(value)
