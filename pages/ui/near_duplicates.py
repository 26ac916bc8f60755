"""Near-duplicates on the map page: groups at a cosine, pairs at the line, all but one dropped."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from core.decisions import Decisions, decide
from core.errors import WinnowError
from core.group_spread import LOOKED_AT, GroupSpread, group_spread
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
from core.pool import Pool
from core.spanning_forest import LOOSEST, Forest
from core.told import shortened
from pages.ui.difference import render_difference
from pages.ui.notice import tell, tell_decision
from pages.ui.selection import newly_picked, select_rows, set_aside
from pages.ui.state import ProjectView
from pages.ui.strip import busy, start_job
from pages.ui.text import as_text

_LISTED = 200  # groups
_PAIRS = 2  # on each side of the line
_STEPS = 200  # of the slider, from 0 to 1
LINES = tuple(f"{step / _STEPS:.3f}" for step in range(round(LOOSEST * _STEPS), _STEPS + 1))
LINE = f"{COSINE:.3f}"
_ABOVE, _BELOW, _ENDS = "Just above the line", "Just below the line", "Least alike in one group"
_SAMPLED = (
    f"Rows that are joined through others may be unlike each other. In groups of up to {LOOKED_AT} "
    f"rows all pairs were looked at; ≤: of a larger one an even sample of {LOOKED_AT} rows was."
)
_WAYS = 235  # pixels: of the longest
_CHAINED = 0.1  # below the line, from which on rows of one group may be no duplicates
_NO_BREAK = "\u00a0"
_LABELS = {
    "first": "Keep the first row of each",
    "longest": "Keep the longest row of each",
    "best": "Keep the best row of each",
}


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
    if st.session_state.get("map-line") not in LINES:
        st.session_state["map-line"] = LINE
    cosine = float(
        st.select_slider(
            "Cosine of near-duplicates",
            LINES,
            key="map-line",
            persist_state="session",
            help="Rows are joined when their cosine is at least this; a group is all that is "
            "joined, if only through others.",
        )
    )
    groups, spread = _groups(
        str(view.project.root), str(view.features_id), cosine, view.log_id, view
    )
    if not len(groups):
        st.caption("No two kept rows are that much alike.")
    else:
        st.markdown(
            f"**{len(groups):,} group{'s' * (len(groups) != 1)}** of {len(groups.rows):,} rows: "
            f"{groups.extra:,} more than one of each"
        )
        st.caption(_told(groups, spread), help=_SAMPLED)
    chained = bool(len(groups)) and float(spread.cosines.min()) < cosine - _CHAINED
    if chained:
        st.caption(
            ":orange[:material/warning: Rows of one group may be no duplicates:] they are joined "
            "through others. Look before you drop, or raise the cosine."
        )
    way = _choose_keep(view.pool) if len(groups) else None
    with st.container(horizontal=True):
        if way:
            _render_drop(view, groups, way, sure=not chained)
        if st.button("Look at pairs", type="primary" if chained else "secondary"):
            _show_pairs(view, view.forest, groups, spread)
    if len(groups):
        _render_list(view, groups, spread)


def _told(groups: DuplicateGroups, spread: GroupSpread) -> str:
    """How large the groups are, and how unlike rows of one are, in a few words."""
    lowest = spread.said().replace(" ", _NO_BREAK)
    return f"Largest: {groups.sizes[0]:,}. Lowest cosine in a group: **{lowest}**"


@st.cache_resource(max_entries=8, show_spinner=False)
def _groups(
    root: str, features: str, cosine: float, decided: str, _view: ProjectView
) -> tuple[DuplicateGroups, GroupSpread]:
    assert _view.forest is not None and _view.features is not None
    groups = group_rows(_view.forest, cosine, _view.decisions.dropped)
    return groups, group_spread(groups, _view.features.vectors)


@dataclass(frozen=True)
class _Way:
    """Which row of each group is kept."""

    keep: Keep
    quality: str | None


def _choose_keep(pool: Pool) -> _Way:
    columns = [name for name in [pool.quality_column()] if name] or pool.number_columns()
    ways = [way for way in KEEPS if way != "best" or columns]
    with st.container(horizontal=True):
        keep = st.selectbox(
            "Keep of each", ways, format_func=_LABELS.__getitem__, label_visibility="collapsed",
            width=_WAYS,
        )  # fmt: skip
        quality = None
        if keep == "best":
            quality = st.selectbox("Best by", columns, label_visibility="collapsed")
    return _Way(keep, quality)


def _render_drop(view: ProjectView, groups: DuplicateGroups, way: _Way, *, sure: bool) -> None:
    """What can be done with all rows but one of each group; `sure` that they are duplicates."""
    assert view.pool is not None
    try:
        worth = worth_of(view.pool, way.keep, way.quality)
    except WinnowError as error:
        st.error(as_text(error))
        return
    rows = extra_rows(groups, worth, view.decisions.pinned)
    held = groups.extra - len(rows)
    if st.button(
        f"Drop {len(rows):,}",
        type="primary" if sure else "secondary",
        disabled=not len(rows),
        help="Drop all but one of each group; pinned rows stay. Ctrl+Z brings them back.",
    ):
        # By the forest that was counted by, whatever a job puts in use meanwhile.
        drop = partial(drop_duplicates, keep=way.keep, quality=way.quality, forest=view.forest)
        _decide(partial(drop, view.project, groups.cosine))
    if st.button("Select them", disabled=not len(rows), help="See on the map what would go."):
        select_rows(view, rows, f"near-duplicates at {groups.cosine:g}")
        st.rerun()
    if held:
        st.caption(f"{held:,} more stay: they are pinned.", width="content")


def _decide(drop: Callable[[], Decisions]) -> None:
    """Drop rows, and say how many."""
    try:
        state = drop()
    except WinnowError as error:
        tell(error, failed=True)
        return
    set_aside(state.log[-1].id)
    tell_decision(state, f"Dropped {state.log[-1].row_count:,} rows.")
    st.rerun()


@st.dialog("Pairs of rows", width="large")
def _show_pairs(
    view: ProjectView, forest: Forest, groups: DuplicateGroups, spread: GroupSpread
) -> None:
    """Pairs just above the line, just below it, and the least alike of a group; one kind each."""
    kinds = [_ABOVE, _BELOW, *([_ENDS] if len(groups) else [])]
    if st.session_state.get("pairs") not in kinds:
        st.session_state["pairs"] = _ABOVE
    shown = st.segmented_control(
        "Pairs", kinds, required=True, key="pairs", label_visibility="collapsed"
    )
    if shown == _ENDS:
        st.caption("Both are in one group, joined through others.")
        _render_ends(view, groups, spread, spread.worst)
        return
    above, below = forest.around(groups.cosine, _PAIRS)
    places = above if shown == _ABOVE else below
    st.caption("They are in one group." if shown == _ABOVE else "Nothing joins them any more.")
    for place in places.tolist():
        first, second = forest.edges[place].tolist()
        _render_pair(view, first, second, float(forest.cosines[place]))
    if not len(places):
        st.caption("None.")


@st.dialog("Least alike rows of the group", width="large")
def _show_ends(view: ProjectView, groups: DuplicateGroups, spread: GroupSpread, place: int) -> None:
    _render_ends(view, groups, spread, place)


def _render_ends(
    view: ProjectView, groups: DuplicateGroups, spread: GroupSpread, place: int
) -> None:
    """The two rows of a group that are least alike."""
    first, second = spread.pairs[place].tolist()
    size = groups.sizes[place]
    of = "" if spread.exact[place] else f", of which {LOOKED_AT} were looked at"
    more = f"in a group of {size:,} rows{of}"
    _render_pair(view, first, second, float(spread.cosines[place]), more)


def _render_pair(view: ProjectView, first: int, second: int, cosine: float, more: str = "") -> None:
    """Two rows with their cosine, set against each other; dropped ones are named."""
    gone = [f"row {row:,} is dropped" for row in (first, second) if view.decisions.dropped[row]]
    facts = [f"Rows {first:,} and {second:,}", f"cosine {cosine:.3f}", *([more] if more else [])]
    st.markdown(f"**{facts[0]}** · " + " · ".join([*facts[1:], *gone]))
    render_difference(view, first, second)


def _render_list(view: ProjectView, groups: DuplicateGroups, spread: GroupSpread) -> None:
    """The largest groups; a click selects one."""
    assert view.pool is not None
    count = min(len(groups), _LISTED)
    firsts = groups.rows[groups.starts[:count]]
    ascending = np.sort(firsts)
    page = view.pool.page(ascending).set_index("row")["prompt"]
    table = pd.DataFrame(
        {
            "rows": groups.sizes[:count],
            "lowest": [spread.said(number) for number in range(count)],
            "begins": [shortened(str(page[row]), 120) for row in firsts.tolist()],
        }
    )
    st.caption("The groups, the largest first; a click selects one.")
    # Streamlit keeps the place that was picked: other groups are another table.
    key = f"groups-{_digest(view, groups)}"
    draw = partial(
        st.dataframe,
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "rows": st.column_config.NumberColumn("rows", width=60, format="localized"),
            "lowest": st.column_config.TextColumn(
                "lowest", width=75, help="The lowest cosine of two rows.", alignment="right"
            ),
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
        _render_one(view, groups, spread, place)
    if len(groups) > count:
        st.caption(f"The {count} largest of {len(groups):,} groups.")


def _digest(view: ProjectView, groups: DuplicateGroups) -> str:
    """Names these groups of this project."""
    name = hashlib.sha256(str(view.project.root).encode())
    name.update(groups.rows.tobytes())
    name.update(groups.starts.tobytes())
    return name.hexdigest()[:16]


def _render_one(
    view: ProjectView, groups: DuplicateGroups, spread: GroupSpread, place: int
) -> None:
    """What can be done with the group that is picked."""
    assert view.pool is not None
    one = DuplicateGroups(groups.cosine, groups[place], np.array([0, len(groups[place])]))
    rows = extra_rows(one, np.zeros(view.pool.rows), view.decisions.pinned)
    with st.container(horizontal=True):
        if st.button("Its least alike rows", help="The two of this group, side by side."):
            _show_ends(view, groups, spread, place)
        if st.button(
            "Keep its first row only",
            disabled=not len(rows),
            help=f"Drop the other {len(rows):,}; pinned rows stay. Ctrl+Z brings them back.",
        ):
            origin = f"near-duplicate group at cosine {groups.cosine:g}, the first kept"
            _decide(partial(decide, view.project, view.pool.rows, "drop", rows, origin))
