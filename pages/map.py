"""Map: see the pool, read rows, drop what is bad."""

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from core.decisions import decide
from core.errors import WinnowError
from core.mapevent import MapEvent
from core.runs import list_runs
from pages.ui.empty import stop_with
from pages.ui.mapview import COLORS, apply_event, cluster_colors, render_map
from pages.ui.rows import render_row, render_table
from pages.ui.selection import RowSelection, clear_selection, select_rows, selected
from pages.ui.state import ProjectView, current_view
from pages.ui.text import as_text

_SAMPLES = 3
_CARD_HEIGHT = 330
_TOP_CLUSTERS = 3
_PAGE_ROWS = 12
LAST_RUN = "Last run"


def _render_canvas(view: ProjectView, chosen: RowSelection | None) -> None:
    assert view.pool is not None and view.clusters is not None
    runs = list_runs(view.project)
    color = st.segmented_control(
        "Colour by",
        [*COLORS, *([LAST_RUN] if runs else [])],
        default=COLORS[0],
        required=True,
        label_visibility="collapsed",
    )
    run = runs[0] if runs and color == LAST_RUN and not chosen else None
    render_map(
        view,
        color=COLORS[0] if color == LAST_RUN else color,
        key="map",
        lit=chosen.rows if chosen else run.rows if run else None,
        run=run is not None,
        caption=f"{view.pool.rows:,} rows · {len(view.clusters.titles)} clusters",
        on_event=partial(_on_event, view),
    )


def _on_event(view: ProjectView, event: MapEvent) -> None:
    st.session_state["picked"] = event.row
    if event.row is None:
        apply_event(view, event)


def _render_card(view: ProjectView, chosen: RowSelection | None) -> None:
    """The row that was clicked, or the selection, or how to make one."""
    assert view.pool is not None
    picked = st.session_state.get("picked")
    if isinstance(picked, int) and picked < view.pool.rows:
        _render_picked(view, picked)
    elif chosen:
        _render_selection(view, chosen)
    else:
        st.markdown("**Nothing selected**")
        st.caption(
            "Draw a lasso or a box around rows, click a title on the map, search, or tick "
            "clusters below. Click a point to read its row."
        )


def _render_selection(view: ProjectView, chosen: RowSelection) -> None:
    pool, clusters = view.pool, view.clusters
    assert pool is not None and clusters is not None
    count = len(chosen.rows)
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.markdown(f"**{count:,} rows selected**", width="content")
        st.button(
            "",
            key="clear-selection",
            icon=":material/close:",
            type="tertiary",
            help="Select nothing",
            on_click=clear_selection,
        )
    pin = ("Pin", "pin", "Every selection must take these rows.")
    if view.decisions.pinned[chosen.rows].all():
        pin = ("Unpin", "unpin", "Selections need not take these rows any more.")
    with st.container(horizontal=True, gap="small"):
        for label, action, help_text in (
            (f"Drop {count:,}", "drop", "Take these rows out; Ctrl+Z brings them back."),
            ("Keep only", "keep", "Drop all other rows; Ctrl+Z brings them back."),
            pin,
        ):
            st.button(
                label,
                key=f"decide-{action}",
                type="primary" if action == "drop" else "secondary",
                help=help_text,
                on_click=_decide,
                args=(view, action, chosen),
            )
    sizes = np.bincount(clusters.labels[chosen.rows], minlength=len(clusters.titles))
    top = [i for i in np.argsort(-sizes)[:_TOP_CLUSTERS] if sizes[i]]
    st.caption(", ".join(f"{as_text(clusters.titles[i])} {sizes[i] / count:.0%}" for i in top))
    picks = np.random.default_rng(count).choice(chosen.rows, min(_SAMPLES, count), replace=False)
    for prompt in pool.page(np.sort(picks))["prompt"]:
        st.text(_first_line(prompt))


def _decide(view: ProjectView, action: str, chosen: RowSelection) -> None:
    assert view.pool is not None
    try:
        decide(view.project, view.pool.rows, action, chosen.rows, chosen.origin)
    except WinnowError as error:
        st.toast(as_text(error), icon=":material/error:")
        return
    clear_selection()
    verb = {"drop": "Dropped", "keep": "Kept only", "pin": "Pinned", "unpin": "Unpinned"}[action]
    st.toast(f"{verb} {len(chosen.rows):,} rows. Ctrl+Z takes it back.")


def _render_rows(view: ProjectView, chosen: RowSelection) -> None:
    """The selected rows, a page at a time; a click opens one."""
    assert view.pool is not None
    st.markdown("**Selected rows**")
    pages = -(-len(chosen.rows) // _PAGE_ROWS)
    number = min(st.session_state.get("selected-page", 1), pages)
    part = chosen.rows[(number - 1) * _PAGE_ROWS : number * _PAGE_ROWS]
    table = view.pool.page(part)[["row", "source", "prompt", "answer"]]
    key = f"selected-{part[0]}-{part[-1]}-{len(chosen.rows)}"
    render_table(view, table, key=key, alt="Selected rows; a click on one opens it")
    if pages > 1:
        st.pagination(pages, key="selected-page")


def _render_search(view: ProjectView) -> None:
    assert view.pool is not None
    words = st.text_input(
        "Search", placeholder="Search words in the rows", label_visibility="collapsed",
        type="search", key="map-search",
    )  # fmt: skip
    if words == st.session_state.get("map-searched", ""):
        return
    st.session_state["map-searched"] = words
    if not words:
        clear_selection()
        st.rerun()
    found = view.pool.search(words, limit=view.pool.rows).rows
    found = np.sort(found[~view.decisions.dropped[found]])
    if not len(found):
        clear_selection()
        st.caption(f"No row that is kept holds “{as_text(words)}”.")
        return
    select_rows(view, found, f"search for {words!r}")
    st.rerun()


def _render_clusters(view: ProjectView) -> None:
    clusters = view.clusters
    assert clusters is not None
    kept = np.bincount(clusters.labels[~view.decisions.dropped], minlength=len(clusters.titles))
    order = np.argsort(-np.asarray(clusters.sizes), kind="stable")
    st.markdown("**Clusters**", help="Tick one or more to select their rows.")
    columns: dict[str, list[object]] = {
        "color": ["●"] * len(order),
        "title": [clusters.titles[i] for i in order],
        "rows": [int(clusters.sizes[i]) for i in order],
    }
    dropped = view.decisions.dropped.any()
    if dropped:
        columns["kept"] = [100 * kept[i] / max(1, clusters.sizes[i]) for i in order]
    colors = iter(cluster_colors(view)[order])
    event = st.dataframe(
        pd.DataFrame(columns).style.map(lambda _: f"color: {next(colors)}", subset=["color"]),
        column_config={
            "color": st.column_config.TextColumn("", width=26, help="Its colour on the map."),
            "title": st.column_config.TextColumn("title", width=140 if dropped else 184),
            "rows": st.column_config.ProgressColumn(
                "rows", format="%d", max_value=int(max(clusters.sizes)), width=75
            ),
            "kept": st.column_config.NumberColumn("kept %", format="%.0f", width=50),
        },
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        height=360,
        alt="Clusters with their sizes and the share of rows kept",
        key=f"cluster-list-{clusters.fingerprint}",
    )
    ticked = tuple(int(order[i]) for i in event.selection.rows)
    known = f"ticked-{clusters.fingerprint}"
    if ticked == st.session_state.get(known, ()):
        return
    st.session_state[known] = ticked
    if ticked:
        rows = np.flatnonzero(np.isin(clusters.labels, ticked) & ~view.decisions.dropped)
        select_rows(view, rows, "clusters " + ", ".join(clusters.titles[i] for i in ticked))
    else:
        clear_selection()
    st.rerun()


def _render_picked(view: ProjectView, row: int) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        st.markdown(f"**Row {row:,}**", width="content")
        if st.button("", icon=":material/close:", type="tertiary", help="Close the row"):
            st.session_state.pop("picked", None)
            st.rerun()
    render_row(view, row)


def _first_line(text: str, limit: int = 70) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def render() -> None:
    """Draw the page: the map, what is selected on it, and the clusters."""
    view = current_view()
    if view is None or view.pool is None or not view.mapped:
        stop_with(
            "No map yet",
            "Load a pool and build its map on the Pool page; a job under way goes on by itself.",
            "pool",
            "Go to the pool",
        )
    canvas, panel = st.columns([0.72, 0.28], gap="medium")
    chosen = selected(view)
    with canvas:  # first, so that the browser fetches what draws it first
        _render_canvas(view, chosen)
    with panel:
        # Always of one height: what stands below must not move under the pointer.
        with st.container(border=True, height=_CARD_HEIGHT):
            _render_card(view, chosen)
        _render_search(view)
        _render_clusters(view)
    if chosen:
        _render_rows(view, chosen)


if __name__ == "__main__":  # a new server runs the file itself for the first address it gets
    from app import main

    main()
