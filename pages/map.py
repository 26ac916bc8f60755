"""Map: see the pool, read rows, drop what is bad."""

from functools import partial

import numpy as np
import streamlit as st

from core.decisions import decide
from core.errors import InputError, WinnowError
from core.facets import label_of
from core.mapevent import MapEvent
from core.pool import Pool
from core.runs import Run, list_runs
from pages.ui import cluster_list, filters, finder, history, links, near_duplicates, reader
from pages.ui.empty import stop_with
from pages.ui.excerpts import excerpt, wanted_words
from pages.ui.mapview import (
    COLORS,
    COLUMN,
    DIFFERENCE,
    TAG,
    apply_event,
    cluster_focus,
    render_map,
)
from pages.ui.notice import tell, tell_decision
from pages.ui.rows import render_table
from pages.ui.selection import RowSelection, beside, selected, set_aside, turn_round
from pages.ui.state import ProjectView, current_view
from pages.ui.text import as_text, percent

_SAMPLES = 5
_BAR_HEIGHT = 118
_TOP_CLUSTERS = 3
_PAGE_ROWS = 12
LAST_RUN = "Last run"
TWO_RUNS = "Two runs"
_COLUMN = "Column"
_BUTTONS = {"cluster", "source", "length", "tag"}  # columns with a colour button of their own
_MOST_DIGITS = 9  # of rows that are selected and of those beside them, with commas
_SHOWN_FIRST = {"color": COLORS[0], "panel": "Clusters"}
_TAGGING = "tagging"  # the popover in which rows are tagged


def _render_canvas(view: ProjectView, chosen: RowSelection | None) -> None:
    assert view.pool is not None and view.clusters is not None
    runs = list_runs(view.project)
    color = _choose_color(view, runs)
    run = runs[0] if runs and color == LAST_RUN and not chosen else None
    focus = st.session_state.get("map-focus")
    if focus and focus[0] >= len(view.clusters.titles):  # clusters were merged since
        focus = None
    draw = partial(
        render_map,
        view,
        key="map",
        lit=chosen.rows if chosen else run.rows if run else None,
        run=run is not None,
        drops=chosen is not None and not chosen.dropped,
        caption=f"{view.pool.rows:,} rows · {len(view.clusters.titles)} clusters",
        on_event=partial(_on_event, view),
        focus=cluster_focus(view, *focus) if focus else None,
        opened=_opened(view),
    )
    try:
        draw(color=COLORS[0] if color == LAST_RUN else color)
    except InputError as error:  # a column of a text for every row, say
        st.caption(f":material/palette: {as_text(error)}")
        draw(color=COLORS[0])


def _choose_color(view: ProjectView, runs: list[Run]) -> str:
    """What the map is coloured by: one of `COLORS`, tags, a run, two runs, or a column."""
    assert view.pool is not None
    colors = [
        *COLORS,
        *([TAG] if view.decisions.tags else []),
        *([LAST_RUN] if runs else []),
        *([TWO_RUNS] if len(runs) > 1 else []),
        _COLUMN,
    ]
    if st.session_state.get("map-color") not in colors:
        st.session_state["map-color"] = colors[0]
    with st.container(horizontal=True, vertical_alignment="center", key="map-colours"):
        color = st.segmented_control(
            "Colour by",
            colors,
            required=True,
            label_visibility="collapsed",
            key="map-color",
            persist_state="session",
        )
        if color == TWO_RUNS:
            with st.popover("Which runs"):
                return DIFFERENCE + " ".join(_choose_runs(runs))
        if color != _COLUMN:
            return str(color)
        columns = [name for name in view.facets.offered() if name not in _BUTTONS]
        if st.session_state.get("map-column") not in columns:
            st.session_state["map-column"] = _telling_column(view.pool, columns)
        column = st.selectbox(
            "Column",
            columns,
            format_func=label_of,
            label_visibility="collapsed",
            key="map-column",
            persist_state="session",
            width=200,
        )
    return f"{COLUMN}{column}"


def _choose_runs(runs: list[Run]) -> list[str]:
    """Two different runs; unless told, the last one and the last before it of other rows."""
    newest = runs[0].report.rows_sha256
    usual = next((run.id for run in runs if run.report.rows_sha256 != newest), runs[1].id)
    chosen: list[str] = []
    for key, label, first in (
        ("map-first", "First run", usual),
        ("map-second", "Second run", runs[0].id),
    ):
        others = [run.id for run in runs if run.id not in chosen]
        if st.session_state.get(key) not in others:
            st.session_state[key] = first if first in others else others[0]
        run = st.selectbox(label, others, key=key)
        chosen.append(str(run))
    return chosen


def _telling_column(pool: Pool, columns: list[str]) -> str:
    """The column to begin with: a quality, an original number, or else the density."""
    for name in ("quality", *pool.number_columns(), "density"):
        if name in columns:
            return name
    return columns[0]


def _on_event(view: ProjectView, event: MapEvent) -> None:
    if event.row is not None:
        reader.open_row(event.row)
    elif event.kind == "drop":  # on full screen, where the button beside the map is not seen
        chosen = selected(view)
        if chosen is not None and not chosen.dropped:
            _decide(view, "drop", chosen)
    else:
        apply_event(view, event)


def _render_bar(view: ProjectView, chosen: RowSelection | None) -> None:
    """How many rows are selected and what can be done with them, or how to select some."""
    if not chosen:
        st.markdown("**Nothing selected**")
        st.caption("Draw a lasso or a box, click a title on the map, search, or tick clusters.")
        return
    count, others = len(chosen.rows), beside(view)
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        kind = "dropped row" if chosen.dropped else "row"
        # All of it stands in one line.
        told = "" if others and len(f"{count:,}{others:,}") > _MOST_DIGITS else " selected"
        said = f"{count:,} {kind}{'s' * (count != 1)}{told}"
        st.markdown(f"**{_said_as_alike(chosen) or said}**", width="stretch")
        if others and not chosen.dropped:
            _render_turn(view, f"{others:,} dropped")
        with st.popover(
            "" if others else "Tag", icon=":material/sell:", type="tertiary",
            help="Tag: put a label on these rows.", on_change="rerun", key=_TAGGING,
        ):  # fmt: skip
            _render_tagging(view, chosen)
        st.button(
            "",
            key="clear-selection",
            icon=":material/close:",
            type="tertiary",
            help="Select nothing",
            on_click=finder.clear,
        )
    if chosen.dropped:
        with st.container(horizontal=True, gap="small"):
            st.button(
                f"Restore {count:,}",
                key="decide-restore",
                type="primary",
                help="Bring these rows back; Ctrl+Z drops them again.",
                on_click=_decide,
                args=(view, "restore", chosen),
            )
            if others:
                _render_turn(view, f"{others:,} kept")
        return
    pin = ("Pin", "pin", "Every selection must take these rows.")
    pinned = int(view.decisions.pinned[chosen.rows].sum())
    held = f" {pinned:,} of them are pinned." if pinned else ""
    if pinned == count:
        pin = ("Unpin", "unpin", "Selections need not take these rows any more.")
    with st.container(horizontal=True, gap="small"):
        for label, action, help_text in (
            (f"Drop {count:,}", "drop", f"Take these rows out; Ctrl+Z brings them back.{held}"),
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


def _said_as_alike(chosen: RowSelection) -> str:
    """A row and those like it, counted as they were asked for; "" where it is more than that."""
    if len(chosen.steps) != 1 or chosen.steps[0].kind != "like" or chosen.dropped:
        return ""
    row = int(chosen.steps[0].value)
    return f"Row {row:,} and {len(chosen.rows) - 1:,} like it" if row in chosen.rows else ""


def _render_turn(view: ProjectView, others: str) -> None:
    """Turn to the rows of the other kind that lie in the selection."""
    st.button(
        others,
        key="turn-round",
        icon=":material/swap_horiz:",
        type="tertiary",
        help=f"{others} rows lie there, too. Select those instead.",
        on_click=turn_round,
        args=(view,),
    )


def _render_tagging(view: ProjectView, chosen: RowSelection) -> None:
    """Put a label on the selected rows, or take it off."""
    label = st.selectbox(
        "Label", sorted(view.decisions.tags.counts), index=None, accept_new_options=True,
        key="tag-label", placeholder="Choose or type one",
    )  # fmt: skip
    with st.container(horizontal=True):
        for name, action in (("Tag", "tag"), ("Untag", "untag")):
            st.button(
                name,
                key=f"decide-{action}",
                type="primary" if action == "tag" else "secondary",
                disabled=not label,
                on_click=_decide,
                args=(view, action, chosen, label),
            )


def _render_reading(view: ProjectView) -> None:
    """The row that was clicked, or what is selected in short."""
    assert view.pool is not None
    opened, chosen = _opened(view), selected(view)
    if opened is not None:
        reader.render(view, opened)
    elif chosen:
        _render_sample(view, chosen)
    else:
        st.caption("Click a point on the map to read its row.")


def _opened(view: ProjectView) -> int | None:
    """The row that is read, if there is one of that number."""
    assert view.pool is not None
    picked = st.session_state.get("picked")
    return picked if isinstance(picked, int) and picked < view.pool.rows else None


def _render_sample(view: ProjectView, chosen: RowSelection) -> None:
    pool, clusters = view.pool, view.clusters
    assert pool is not None and clusters is not None
    count = len(chosen.rows)
    sizes = np.bincount(clusters.labels[chosen.rows], minlength=len(clusters.titles))
    top = [i for i in np.argsort(-sizes)[:_TOP_CLUSTERS] if sizes[i]]
    st.caption(as_text(f"{chosen.origin[:1].upper()}{chosen.origin[1:]}"))
    st.caption(
        ", ".join(f"{as_text(clusters.titles[i])} {percent(100 * sizes[i] / count)}%" for i in top)
    )
    cosines = chosen.cosines
    if cosines is not None and np.isfinite(cosines).any():
        nearest = np.argsort(-np.nan_to_num(cosines, nan=-np.inf), kind="stable")[:_SAMPLES]
        picks, told = chosen.rows[nearest], [f"cosine {one:.3f}" for one in cosines[nearest]]
    else:
        picks = np.random.default_rng(count).choice(chosen.rows, min(_SAMPLES, count), False)
        picks, told = np.sort(picks), [""] * len(picks)
    wanted = wanted_words(chosen.steps)
    page = pool.page(picks)
    texts = zip(picks.tolist(), page["prompt"], page["answer"], told, strict=True)
    for row, prompt, answer, near in texts:
        with st.container(border=True):
            st.button(
                excerpt((prompt, answer), wanted) or "(empty)",
                key=f"sample-{row}",
                type="tertiary",
                on_click=reader.open_row,
                args=(row,),
                help="Read this row.",
            )
            if near:
                st.caption(near)


def _decide(view: ProjectView, action: str, chosen: RowSelection, label: str | None = None) -> None:
    assert view.pool is not None
    try:
        rows, origin = chosen.rows, chosen.origin
        state = decide(view.project, view.pool.rows, action, rows, origin, label=label)
    except WinnowError as error:
        tell(error, failed=True)
        return
    if action in ("drop", "keep", "restore"):  # the others leave more to be done with these rows
        set_aside(state.log[-1].id)
    else:
        st.session_state[_TAGGING] = False  # the popover closes
    said = state.log[-1].sentence
    lost = int((view.decisions.pinned & state.dropped).sum())
    pins = f" {lost:,} of what is dropped had been pinned." if lost else ""
    tell_decision(state, f"{said[0].upper()}{said[1:]}.{pins}")


def _render_rows(view: ProjectView, chosen: RowSelection) -> None:
    """The selected rows, a page at a time; a click opens one."""
    assert view.pool is not None
    st.markdown("**Selected rows**")
    pages = -(-len(chosen.rows) // _PAGE_ROWS)
    number = min(st.session_state.get("selected-page", 1), pages)
    order, columns = chosen.rows, ["row", "source", "prompt", "answer"]
    if chosen.cosines is not None:  # rows that were not found by likeness come last
        likest = np.lexsort((chosen.rows, -np.nan_to_num(chosen.cosines, nan=-2)))
        order, columns = chosen.rows[likest], ["row", "cosine", *columns[1:]]
    here = slice((number - 1) * _PAGE_ROWS, number * _PAGE_ROWS)
    part = order[here]
    table = view.pool.page(part)
    if chosen.cosines is not None:
        table["cosine"] = chosen.cosines[likest[here]]
    key = f"selected-{part[0]}-{part[-1]}-{len(chosen.rows)}"
    render_table(view, table[columns], key=key, alt="Selected rows; a click on one opens it")
    if pages > 1:
        st.pagination(pages, key="selected-page")


_PANELS = {
    reader.PANEL: _render_reading,
    filters.PANEL: filters.render,
    "Clusters": cluster_list.render,
    "Duplicates": near_duplicates.render,
    "History": history.render,
}


def _panel_label(panel: str) -> str:
    """All of them fit beside the map with a clock for the last."""
    return ":material/history:" if panel == "History" else panel


def render() -> None:
    """Draw the page: the map, what is selected on it, and the clusters."""
    view = current_view()
    if view is None or view.pool is None or not view.mapped:
        stop_with(
            "No map yet",
            "Build it on the Pool page; a job under way goes on by itself."
            if view is not None and view.pool is not None
            else "Load a pool and build its map on the Pool page.",
            "pool",
            "Go to the pool",
        )
    runs = tuple(run.id for run in list_runs(view.project))
    choices = {
        "color": (*COLORS, TAG, LAST_RUN, TWO_RUNS, _COLUMN),
        "column": tuple(view.facets.names()),
        "first": runs,
        "second": runs,
        "panel": tuple(_PANELS),
        "line": near_duplicates.LINES,
    }
    links.restore(view, choices, {**_SHOWN_FIRST, "line": near_duplicates.LINE})
    canvas, panel = st.columns([0.69, 0.31], gap="medium")
    chosen = selected(view)
    # First, so that the browser fetches what draws it first.
    with canvas, st.container(key="map-canvas"):
        _render_canvas(view, chosen)
    with panel:
        # Always of one height: what stands below must not move under the pointer.
        with st.container(border=True, height=_BAR_HEIGHT, key="map-bar"):
            _render_bar(view, chosen)
        with st.container(gap="xsmall"):
            finder.render(view)
        st.session_state.setdefault("map-panel", _SHOWN_FIRST["panel"])
        shown = st.segmented_control(
            "Panel", list(_PANELS), required=True, key="map-panel", persist_state="session",
            format_func=_panel_label, label_visibility="collapsed", width="stretch",
        )  # fmt: skip
        try:
            _PANELS[shown or "Clusters"](view)
        except WinnowError as error:  # here, where the panel ends, it is seen
            st.error(as_text(error), icon=":material/error:")
    if chosen:
        _render_rows(view, chosen)
    parts = {_COLUMN: ("column",), TWO_RUNS: ("first", "second")}
    colored = dict.fromkeys(parts.get(st.session_state["map-color"], ()), "")
    lined = {"line": near_duplicates.LINE} if shown == "Duplicates" else {}
    links.write(view, {**_SHOWN_FIRST, **colored, **lined})


if __name__ == "__main__":  # a new server runs the file itself for the first address it gets
    from app import main

    main()
