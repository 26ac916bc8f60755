"""What can be done with the clusters that are ticked: gone to, renamed, split and merged."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import streamlit as st

from core.cluster_edits import (
    EditReport,
    default_title,
    merge_clusters,
    rename_cluster,
    split_cluster,
    undo_cluster_edit,
)
from core.told import counted
from pages.ui import errand
from pages.ui.mapview import cluster_step
from pages.ui.notice import tell, tell_edit
from pages.ui.selection import select_rows
from pages.ui.state import ProjectView

_MOST_PARTS = 20
_NAMED = 3  # parts that are said by name


def render(view: ProjectView, ticked: list[int]) -> None:
    """Draw what can be done with the clusters that are ticked."""
    clusters = view.clusters
    assert clusters is not None
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center"):
        if len(ticked) == 1:
            st.button(
                "Go there",
                help="Show where most of it is on the map.",
                on_click=_go,
                args=(ticked[0],),
            )
            _render_rename(view, ticked[0])
            _render_split(view, ticked[0])
        elif ticked:
            _render_merge(view, ticked)
        if clusters.edits and st.button(
            "" if len(ticked) == 1 else "Undo edit",  # as there is room
            key="undo-edit",
            icon=":material/undo:",
            type="tertiary",
            disabled=errand.busy(),
            help="Take back the last renaming, splitting or merging of clusters.",
        ):
            undo_edit(view)


def undo_edit(view: ProjectView) -> None:
    """Take back the last edit of the clusters, beside the page."""
    _edit(view, "Undoing an edit", partial(undo_cluster_edit, view.seen))


def _go(number: int) -> None:
    _, before = st.session_state.get("map-focus", (0, 0))
    st.session_state["map-focus"] = (number, before + 1)


def _render_rename(view: ProjectView, number: int) -> None:
    clusters = view.clusters
    assert clusters is not None
    key = f"title-{clusters.fingerprint}-{number}"
    with (
        st.popover("Rename", key=f"{key}-menu"),  # another one once it was saved: it is closed
        st.form(f"{key}-form", border=False),  # in which Enter saves
    ):
        title = st.text_input("Title", clusters.titles[number], max_chars=80, key=key)
        if st.form_submit_button("Save", type="primary", key=f"{key}-save", disabled=errand.busy()):
            _edit(view, "Renaming", partial(rename_cluster, view.seen, number, title))


def _render_split(view: ProjectView, number: int) -> None:
    clusters = view.clusters
    assert clusters is not None
    most = min(_MOST_PARTS, clusters.sizes[number])
    with st.popover("Split", disabled=most < 2):
        if most < 2:
            return
        parts = st.number_input("Into how many", 2, most, 2, key=f"parts-{number}")
        if st.button("Split", type="primary", key=f"split-{number}", disabled=errand.busy()):
            what = f"Splitting “{clusters.titles[number]}”"
            _edit(view, what, lambda: split_cluster(view.seen, number, k=int(parts)))


def _render_merge(view: ProjectView, ticked: list[int]) -> None:
    assert view.clusters is not None
    with st.popover(f"Merge {len(ticked)}", icon=":material/merge:"):
        title = st.text_input(
            "Title",
            placeholder=default_title(view.clusters, ticked),
            help="Unless you give one, words of their titles, those of the largest first.",
        )
        if st.button("Merge", type="primary", disabled=errand.busy()):
            what = f"Merging {len(ticked)} clusters"
            _edit(view, what, lambda: merge_clusters(view.seen, ticked, title or None))


def _edit(view: ProjectView, what: str, edit: Callable[[], EditReport]) -> None:
    assert view.clusters is not None
    now = view.project.pointer(f"clusters:{view.features_id}")
    if now != view.clusters.fingerprint:
        st.error("The clusters were changed in another window; look at them again first.")
        return
    errand.start(what, edit, then=partial(_settle, view))


def _settle(before: ProjectView, report: EditReport) -> None:
    """Say what an edit made, and select it, in place of what it was made of."""
    assert before.clusters is not None
    if st.session_state["project"] != before.project.root.name:
        return  # another one is looked at now
    after = replace(before)  # which reads anew
    if after.clusters is None or after.clusters.fingerprint != report.fingerprint:
        return  # another window made an edit since
    if after.clusters.grouping != before.clusters.grouping:
        rows = np.flatnonzero(np.isin(after.clusters.labels, report.clusters))
        origin = "clusters " + ", ".join(report.titles)
        select_rows(after, rows, origin, by=cluster_step(after, report.clusters))
    if report.action == "undo":  # which there is no way to take back
        tell(_said(before, report))
    else:
        tell_edit(report.fingerprint, _said(before, report))


def _said(before: ProjectView, report: EditReport) -> str:
    """An edit in a sentence."""
    assert before.clusters is not None
    edit = before.clusters.edits[-1] if report.action == "undo" else None
    if report.action == "split":
        (number, *_) = report.clusters
        return f"Split “{before.clusters.titles[number]}” into {_listed(report)}."
    if report.action == "merge":
        return f"Merged into {_listed(report)}."
    if report.action == "rename":
        (number,) = report.clusters
        return f"Renamed “{before.clusters.titles[number]}” to “{report.titles[0]}”."
    assert edit is not None
    did = {"rename": "renaming", "split": "splitting", "merge": "merging"}[edit.action]
    return f"Taken back: {did} {_listed(report)}."


def _listed(report: EditReport) -> str:
    """Clusters by title and size."""
    found = zip(report.titles, report.sizes, strict=True)
    named = [f"“{title}” ({counted(size)})" for title, size in found]
    if len(named) > _NAMED + 1:
        named[_NAMED:] = [f"{len(named) - _NAMED} more"]
    return _joined(named)


def _joined(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
