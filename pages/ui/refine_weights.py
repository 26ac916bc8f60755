"""Weights by cluster and round: as a heat strip, and as a list by weight; both open a cluster."""

from zlib import crc32

import numpy as np
import pandas as pd
import streamlit as st

from core.refinement.figures import heat_strip
from core.refinement.history import History
from core.refinement.own_scores import draws_by_own_scores
from core.refinement.registry import SCORERS
from pages.ui.refine_state import open_cluster, opened, theme

_BY = ("Weight", "Since the start")
_TURN = "refine-list-turn"  # a new list shows another cluster ticked
_HEIGHT = 540  # as of a cluster with its best and worst rows beside it


def render_strip(history: History) -> None:
    """Draw the weights of all clusters by round."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            "**Weights of the clusters**",
            width="content",
            help="A column is a cluster, the heaviest now on the left; a line is what a round "
            "found. Point at a cell for its title and weight, click it for its rows. Colours go by "
            "the square root of the weight, so that light clusters differ, too; since the start, "
            "by how often it was doubled or halved.",
        )
        by = _BY[0]
        if history.rounds:
            by = st.segmented_control(
                "Colour",
                _BY,
                required=True,
                default=by,
                key="refine-colour",
                label_visibility="collapsed",
            )
    picked = opened(history)
    name = history.plan.name
    key = f"refine-strip-{name}-{history.rounds}-{by}-{picked}"

    def clicked() -> None:
        points = st.session_state[key].selection.points
        if points:
            number = points[0]["customdata"]
            open_cluster(int(number[0] if isinstance(number, list | tuple) else number))
            st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1

    st.plotly_chart(
        heat_strip(history, theme=theme(), since_start=by == _BY[1], opened=picked),
        config={"displayModeBar": False},
        on_select=clicked,
        selection_mode="points",
        key=key,
        alt=f"Weights of {len(history.weights):,} clusters by round",
    )
    if draws_by_own_scores(history.plan):
        scorer = SCORERS[history.plan.scorer].label.lower()
        st.caption(
            f"Weights follow the {scorer} of all rows that are left in a cluster; the scores below "
            "are those of the rows drawn, which are among its best."
        )


def render_list(history: History) -> None:
    """Draw the clusters by weight: change, course, score and rows; dropped ones at the end."""
    order = history.by_weight
    table = pd.DataFrame(
        {
            "title": [_title(history, number) for number in order],
            "weight": 100 * history.weights_now[order],
        }
    )
    if history.rounds:
        table["change"] = np.round(100 * history.change[order], 2) + 0.0  # no −0.00
        table["course"] = (100 * history.weights[order]).tolist()
        table["score"] = history.overall.mean[order]
        table["rows"] = history.held[order]
    picked = opened(history)
    first = np.flatnonzero(order == picked).tolist() if picked is not None else []
    # Another order is another list: ticks are kept by place.
    turn = (st.session_state.get(_TURN, 0), crc32(order.tobytes()))
    key = f"refine-list-{history.plan.name}-{history.rounds}-{turn}"

    def clicked() -> None:
        rows = st.session_state[key].selection.rows
        open_cluster(int(order[rows[0]]) if rows else None)

    number = st.column_config.NumberColumn
    st.dataframe(
        table,
        column_config={
            "title": st.column_config.TextColumn("cluster", width=245),
            "weight": number("weight %", format="%.2f", width=75),
            "change": number(
                "change",
                format="%+.2f",
                width=70,
                help="By the last round, and by hand since, in percentage points.",
            ),
            "course": st.column_config.LineChartColumn(
                "by round",
                width=110,
                y_min=0,
                help="The weight that each round found, and now; each line has a scale of its own.",
            ),
            "score": number(
                "score", format="%.3f", width=65, help="Mean of its rows in all rounds."
            ),
            "rows": number("rows", format="localized", width=55, help="In the subset so far."),
        },
        hide_index=True,
        on_select=clicked,
        selection_mode="single-row",
        selection_default={"selection": {"rows": first}},
        height=_HEIGHT,
        key=key,
        alt="Clusters by weight; the one that is ticked is open beside the list",
    )


def _title(history: History, number: int) -> str:
    gone = " (dropped)" if history.dropped[number] else ""
    return f"{history.clusters.titles[number]}{gone}"
