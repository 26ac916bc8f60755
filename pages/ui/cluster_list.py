"""The list of clusters on the map page; what is ticked is selected, and can be edited."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.cluster_stats import ClusterStats, cluster_stats
from core.runs import list_runs
from pages.ui import cluster_actions, cluster_card
from pages.ui.cluster_table import Column, render_table, ticks_of
from pages.ui.mapview import cluster_colors, cluster_step
from pages.ui.selection import clear_selection, select_rows, selected, selection_steps
from pages.ui.state import ProjectView, current_view
from pages.ui.text import percent

_FEW = 12  # clusters among which nobody needs to look for one
_ORIGIN = "clusters"
_BY = ("Rows", "Kept", "Selected", "Length", "Alike", "Duplicates")
_LAST_RUN = "Last run"


def render(view: ProjectView) -> None:
    """Draw the list, and what can be done with the clusters that are ticked in it."""
    with st.container(gap="xsmall"):  # so that all of it is in sight beside the map
        _render(view)


def _render(view: ProjectView) -> None:
    clusters = view.clusters
    assert clusters is not None
    assert view.pool is not None
    names = [
        *_BY,
        *([_LAST_RUN] if list_runs(view.project) else []),
        *(["Quality"] if view.pool.quality_column() else []),
    ]
    if st.session_state.get("cluster-by") not in names:
        st.session_state.pop("cluster-by", None)  # the last run was deleted, say
    words, by = "", "Rows"
    if len(clusters.titles) > _FEW:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            words = st.text_input(
                "Find a cluster", type="search", placeholder="Find a cluster",
                label_visibility="collapsed", key="cluster-words",
            )  # fmt: skip
            by = st.selectbox(
                "Sort by", names, label_visibility="collapsed", width=130, key="cluster-by",
                format_func=lambda name: f"By {name.lower()}",
                help="The largest first; a click on a column's head turns it round.",
            )  # fmt: skip
    columns = _columns(view, by)
    first = 0 if by == "Rows" else len(columns) - 1
    order = _listed(view, words, columns[first].values)
    ticked = _ticked(view)
    count = f"{len(order):,} of {len(clusters.titles):,} clusters" if words else "Clusters"
    if not len(order):
        count = "No cluster has that in its title or keywords"
    which = f"the {len(ticked):,} that are" if len(ticked) > 1 else "those that are"
    st.caption(f"{count}; {which} ticked are selected.")
    if len(order):
        render_table(
            order, clusters.titles, cluster_colors(view), columns, first, ticked,
            clusters.fingerprint, _take,
        )  # fmt: skip
    cluster_actions.render(view, ticked)
    if len(ticked) == 1:
        cluster_card.render(view, ticked[0])


def _ticked(view: ProjectView) -> list[int]:
    """The clusters that are selected, by whatever way; none where other rows are selected, too."""
    clusters, steps = view.clusters, selection_steps(view)
    assert clusters is not None
    if len(steps) != 1 or (steps[0].op, steps[0].kind) != ("replace", "clusters"):
        return []
    made_by, _, numbers = steps[0].value.partition(":")
    return [int(one) for one in numbers.split(",")] if made_by == clusters.grouping else []


def _stats(view: ProjectView) -> ClusterStats:
    assert view.clusters is not None
    return _measured(str(view.project.root), view.clusters.fingerprint, view.log_id, view)


@st.cache_resource(max_entries=8, show_spinner=False)
def _measured(root: str, fingerprint: str, decided: str, _view: ProjectView) -> ClusterStats:
    pool = _view.pool
    assert pool is not None
    return cluster_stats(_view.seen, quality=pool.quality_column())


def _columns(view: ProjectView, by: str) -> list[Column]:
    """What the list shows: the rows, and what it is sorted by or what was dropped."""
    names = ["Rows"]
    if by != "Rows":
        names.append(by)
    elif view.decisions.dropped.any():
        names.append("Kept")
    columns = [_column(view, name) for name in names]
    # There is room for bars beside one column.
    return [replace(columns[0], bars=True)] if len(columns) == 1 else columns


def _column(view: ProjectView, name: str) -> Column:
    """Values by cluster that the list can show and be sorted by."""
    clusters = view.clusters
    assert clusters is not None
    sizes = np.asarray(clusters.sizes)
    if name == "Rows":
        return Column("rows", sizes, ",")
    if name == "Kept":
        return Column("kept %", _share(view, np.flatnonzero(~view.decisions.dropped)), percent)
    if name == "Selected":
        found = selected(view)
        rows = found.rows if found else np.empty(0, np.int64)
        return Column("sel. %", _share(view, rows), percent, "Of its rows, those selected now.")
    if name == _LAST_RUN:
        runs = list_runs(view.project)
        rows = runs[0].rows if runs else np.empty(0, np.int64)
        share = partial(percent, digits=1)
        return Column("run %", _share(view, rows), share, "Of its rows, those in the last run.")
    stats = _stats(view)  # which takes a moment: the list as it opens does without
    if name == "Quality" and stats.mean_quality is not None:
        return Column("quality", stats.mean_quality, ".3g")
    if name == "Alike":
        return Column("alike", stats.mean_cosine, ".2f", "Mean cosine with the centroid.")
    if name == "Duplicates":
        told = "Rows with the text of another."
        return Column("same %", 100 * stats.duplicates, percent, told)
    return Column("length", stats.median_length, ",.0f")


def _share(view: ProjectView, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much of each cluster these rows are, in percent."""
    assert view.clusters is not None
    sizes = np.asarray(view.clusters.sizes)
    counts = np.bincount(view.clusters.labels[rows], minlength=len(sizes))
    return 100 * counts / np.maximum(sizes, 1)


def _listed(view: ProjectView, words: str, values: NDArray[Any]) -> NDArray[np.int64]:
    """Clusters with all the words in title or keywords, by value and then size, largest first."""
    clusters = view.clusters
    assert clusters is not None
    wanted = words.casefold().split()
    order = np.lexsort((-np.asarray(clusters.sizes), -np.nan_to_num(values, nan=-np.inf)))
    texts = [
        f"{title} {' '.join(keywords)}".casefold()
        for title, keywords in zip(clusters.titles, clusters.keywords, strict=True)
    ]
    found = [one for one in order.tolist() if all(word in texts[one] for word in wanted)]
    return np.array(found, np.int64)


def _take(move: dict[str, Any]) -> None:
    """Select what was ticked, unless the clusters were edited since the browser drew them."""
    view = current_view()
    if view is None or view.clusters is None:
        return
    ticked = ticks_of(move, view.clusters.fingerprint, len(view.clusters.titles))
    if ticked is not None:
        _select(view, ticked)


def _select(view: ProjectView, ticked: list[int]) -> None:
    """Select the rows of what is ticked now."""
    clusters = view.clusters
    assert clusters is not None
    if not ticked:
        clear_selection()
        return
    rows = np.flatnonzero(np.isin(clusters.labels, ticked))
    origin = f"{_ORIGIN} " + ", ".join(clusters.titles[number] for number in ticked)
    select_rows(view, rows, origin, by=cluster_step(view, ticked))
