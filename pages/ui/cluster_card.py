"""One cluster on the map page: what is in it, and how it is renamed, split or merged."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from core.cluster_edits import (
    EditReport,
    merge_clusters,
    rename_cluster,
    split_cluster,
    undo_cluster_edit,
)
from core.cluster_stats import ClusterCard, cluster_card
from core.figures import small_histogram
from pages.ui import errand
from pages.ui.reader import open_row
from pages.ui.selection import clear_selection
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_MOST_PARTS = 20
_SOURCES = 4
_LEAST_SHARE = 0.005
_NEAREST = 3
_EXAMPLES = 3


def render(view: ProjectView, ticked: list[int]) -> None:
    """Draw what can be done with the clusters that are ticked, and the card of a single one."""
    clusters = view.clusters
    assert clusters is not None
    with st.container(horizontal=True, gap="small"):
        if len(ticked) == 1:
            st.button(
                "Go there",
                icon=":material/zoom_in_map:",
                help="Show where most of it is on the map.",
                on_click=_go,
                args=(ticked[0],),
            )
            _render_rename(view, ticked[0])
            _render_split(view, ticked[0])
        elif ticked:
            with st.popover(f"Merge {len(ticked)}", icon=":material/merge:"):
                title = st.text_input("Title", placeholder="From their rows, unless given")
                if st.button("Merge", type="primary", disabled=errand.busy()):
                    what = f"Merging {len(ticked)} clusters"
                    _edit(view, what, lambda: merge_clusters(view.project, ticked, title or None))
        if clusters.edits and st.button(
            "Undo edit",
            icon=":material/undo:",
            type="tertiary",
            disabled=errand.busy(),
            help="Take back the last renaming, splitting or merging of clusters.",
        ):
            _edit(view, "Undoing an edit", lambda: undo_cluster_edit(view.project))
    if len(ticked) == 1:
        card = st.expander("About this cluster", on_change="rerun", key="cluster-card")
        if card.open:
            with card:
                _render_card(view, ticked[0])


def _go(number: int) -> None:
    _, before = st.session_state.get("map-focus", (0, 0))
    st.session_state["map-focus"] = (number, before + 1)


def _render_rename(view: ProjectView, number: int) -> None:
    clusters = view.clusters
    assert clusters is not None
    key = f"title-{clusters.fingerprint}-{number}"
    with (
        st.popover("Rename", icon=":material/edit:"),
        st.form(f"{key}-form", border=False),  # in which Enter saves
    ):
        title = st.text_input("Title", clusters.titles[number], max_chars=80, key=key)
        if st.form_submit_button("Save", type="primary", key=f"{key}-save", disabled=errand.busy()):
            rename = partial(rename_cluster, view.project, number, title)
            _edit(view, "Renaming", rename, numbers_stay=True)


def _render_split(view: ProjectView, number: int) -> None:
    clusters = view.clusters
    assert clusters is not None
    most = min(_MOST_PARTS, clusters.sizes[number])
    with st.popover("Split", icon=":material/call_split:", disabled=most < 2):
        if most < 2:
            return
        parts = st.number_input("Into how many", 2, most, 2, key=f"parts-{number}")
        if st.button("Split", type="primary", key=f"split-{number}", disabled=errand.busy()):
            what = f"Splitting “{clusters.titles[number]}”"
            _edit(view, what, lambda: split_cluster(view.project, number, k=int(parts)))


def _edit(
    view: ProjectView, what: str, edit: Callable[[], EditReport], *, numbers_stay: bool = False
) -> None:
    assert view.clusters is not None
    now = view.project.pointer(f"clusters:{view.features_id}")
    if now != view.clusters.fingerprint:
        st.error("The clusters were changed in another window; look at them again first.")
        return

    def change() -> str:
        report = edit()
        return f"Taken back: {report.edit}." if report.action == "undo" else ""

    def settle() -> None:
        if not numbers_stay:  # else they may be those of other clusters now
            clear_selection("cluster")

    errand.start(what, change, then=settle)


def _render_card(view: ProjectView, number: int) -> None:
    assert view.pool is not None
    card = cluster_card(view.seen, number, quality=view.pool.quality_column())
    st.caption(", ".join(as_text(word) for word in card.keywords))
    shares = [one for one in card.sources.items() if one[1] >= _LEAST_SHARE][:_SOURCES]
    st.caption("Sources: " + ", ".join(f"{as_text(name)} {share:.0%}" for name, share in shares))
    near = card.nearest[:_NEAREST]
    if near:
        told = ", ".join(f"{as_text(one.title)} ({one.cosine:.2f})" for one in near)
        st.caption(f"Nearest clusters: {told}")
    for name, unit, histogram in (
        ("Length", "characters", card.lengths),
        ("Quality", "", card.quality),
    ):
        if histogram is None:
            continue
        st.caption(name)
        st.plotly_chart(
            small_histogram(histogram.edges, histogram.counts, unit),
            alt=f"{name} of the cluster's rows",
            height=96,
            config={"displayModeBar": False},
            key=f"card-{name}",
        )
    _render_examples(view, card)


def _render_examples(view: ProjectView, card: ClusterCard) -> None:
    assert view.pool is not None
    kinds = {"Central": card.central, "Border": card.border, "Random": card.random}
    kind = st.segmented_control(
        "Rows", list(kinds), default="Central", required=True, label_visibility="collapsed",
        key="card-rows",
    )  # fmt: skip
    rows = kinds[kind][:_EXAMPLES]
    for row, prompt in zip(rows, view.pool.page(rows)["prompt"], strict=True):
        line = " ".join(str(prompt).split())[:100]
        st.button(
            as_text(line) or "(empty)",
            key=f"card-row-{row}",
            type="tertiary",
            on_click=open_row,
            args=(row,),
            help=f"Read row {row:,}",
        )
