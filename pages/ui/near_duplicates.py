"""Near-duplicates on the map page: groups at a cosine, pairs at the line, all but one dropped."""

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from core.decisions import decide
from core.errors import WinnowError
from core.jobs import Step
from core.near_duplicates import (
    COSINE,
    KEEPS,
    DuplicateGroups,
    Keep,
    drop_duplicates,
    extra_rows,
    group_rows,
    worth_of,
)
from core.spanning_forest import LOOSEST, Forest
from pages.ui.reader import render_difference
from pages.ui.selection import clear_selection, newly_picked, select_rows
from pages.ui.state import ProjectView
from pages.ui.strip import busy, start_job
from pages.ui.text import as_text

_LISTED = 200  # groups
_PAIRS = 2  # on each side of the line
_LABELS = {"first": "The first row", "longest": "The longest row", "best": "The best row"}


def render(view: ProjectView) -> None:
    """Draw the groups, or the button that looks for them."""
    assert view.pool is not None
    if view.forest is None:
        st.caption(
            "Rows that say nearly the same, by the features in use: found once, then grouped at "
            "any cosine. About half a minute for 100,000 rows."
        )
        at_work = busy(view)
        if st.button(
            "Find near-duplicates", type="primary", disabled=at_work, icon=":material/difference:"
        ) and start_job(view, "Find near-duplicates", [Step("duplicates", {})]):
            st.rerun()
        return
    cosine = st.slider(
        "Cosine of near-duplicates",
        LOOSEST,
        1.0,
        COSINE,
        0.005,
        format="%.3f",
        key="duplicate-line",
        help="Rows are joined when their cosine is at least this; a group is all that is joined, "
        "if only through others.",
    )
    groups = _groups(str(view.project.root), str(view.features_id), cosine, view.log_id, view)
    if not len(groups):
        st.caption("No two kept rows are that much alike.")
    else:
        st.markdown(
            f"**{len(groups):,} groups** of {len(groups.rows):,} rows: {groups.extra:,} more than "
            "one of each"
        )
        _render_drop(view, groups)
    if st.button("Pairs at the line", icon=":material/compare_arrows:", width="stretch"):
        _show_pairs(view, view.forest, cosine)
    if len(groups):
        _render_list(view, groups)


@st.cache_resource(max_entries=8, show_spinner=False)
def _groups(
    root: str, features: str, cosine: float, decided: str, _view: ProjectView
) -> DuplicateGroups:
    assert _view.forest is not None
    return group_rows(_view.forest, cosine, _view.decisions.dropped)


def _render_drop(view: ProjectView, groups: DuplicateGroups) -> None:
    pool = view.pool
    assert pool is not None
    columns = [name for name in [pool.quality_column()] if name] or pool.number_columns()
    ways = [way for way in KEEPS if way != "best" or columns]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        keep = st.selectbox("Keep of each", ways, format_func=_LABELS.__getitem__)
        quality = None
        if keep == "best":
            quality = st.selectbox("Best by", columns)
    try:
        worth = worth_of(pool, keep, quality)
    except WinnowError as error:
        st.error(as_text(error))
        return
    rows = extra_rows(groups, worth, view.decisions.pinned)
    with st.container(horizontal=True):
        if st.button(
            f"Drop {len(rows):,}",
            type="primary",
            disabled=not len(rows),
            help="Drop all but one of each group; pinned rows stay. Ctrl+Z brings them back.",
        ):
            _drop(view, groups.cosine, keep, quality)
        if st.button("Select them", disabled=not len(rows), help="See on the map what would go."):
            select_rows(view, rows, f"near-duplicates at {groups.cosine:g}")
            st.rerun()


def _drop(view: ProjectView, cosine: float, keep: Keep, quality: str | None) -> None:
    try:
        forest = view.forest  # the one that was counted by, whatever a job puts in use meanwhile
        state = drop_duplicates(view.project, cosine, keep=keep, quality=quality, forest=forest)
    except WinnowError as error:
        st.toast(as_text(error), icon=":material/error:")
        return
    clear_selection()
    st.toast(f"Dropped {state.log[-1].row_count:,} rows. Ctrl+Z takes it back.")
    st.rerun()


@st.dialog("Pairs at the line", width="large")
def _show_pairs(view: ProjectView, forest: Forest, cosine: float) -> None:
    """The pairs just above and just below the line, side by side; dropped rows are named."""
    above, below = forest.around(cosine, _PAIRS)
    sides = (("Just above: one group", above), ("Just below: apart", below))
    for column, (title, places) in zip(st.columns(2, gap="medium"), sides, strict=True):
        with column:
            st.markdown(f"**{title}**")
            for place in places.tolist():
                pair = forest.edges[place].tolist()
                gone = [f"row {row:,} is dropped" for row in pair if view.decisions.dropped[row]]
                st.caption(" · ".join([f"cosine {forest.cosines[place]:.3f}", *gone]))
                render_difference(view, *pair)
            if not len(places):
                st.caption("None.")


def _render_list(view: ProjectView, groups: DuplicateGroups) -> None:
    """The largest groups; a click selects one."""
    assert view.pool is not None
    count = min(len(groups), _LISTED)
    firsts = groups.rows[groups.starts[:count]]
    ascending = np.sort(firsts)
    page = view.pool.page(ascending).set_index("row")["prompt"]
    table = pd.DataFrame(
        {
            "rows": np.diff(groups.starts)[:count],
            "begins": [" ".join(str(page[row]).split())[:120] for row in firsts.tolist()],
        }
    )
    st.caption("The groups, the largest first; a click selects one.")
    key = f"groups-{groups.cosine}-{len(groups)}"
    draw = partial(
        st.dataframe,
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "rows": st.column_config.NumberColumn("rows", width=55),
            "begins": st.column_config.TextColumn("first row", width=270),
        },
        height=260,
        alt="Groups of near-duplicates, the largest first; a click selects its rows",
        key=key,
    )
    for place in newly_picked(key, draw) or ():
        select_rows(view, groups[place], f"near-duplicate group {place + 1}")
        st.rerun()
    for place in st.session_state[f"{key}-picked"][:1]:
        _render_drop_of_one(view, groups, place)
    if len(groups) > count:
        st.caption(f"The {count} largest of {len(groups):,} groups.")


def _render_drop_of_one(view: ProjectView, groups: DuplicateGroups, place: int) -> None:
    """Drop all but the first of the group that is picked; pinned rows stay."""
    assert view.pool is not None
    one = DuplicateGroups(groups.cosine, groups[place], np.array([0, len(groups[place])]))
    rows = extra_rows(one, np.zeros(view.pool.rows), view.decisions.pinned)
    if st.button(
        "Keep only the first row of this group",
        disabled=not len(rows),
        help=f"Drop the other {len(rows):,}; Ctrl+Z brings them back.",
    ):
        origin = f"near-duplicate group at cosine {groups.cosine:g}, the first kept"
        decide(view.project, view.pool.rows, "drop", rows, origin)
        clear_selection()
        st.rerun()
