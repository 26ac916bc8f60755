"""The list of clusters on the map page; what is ticked is selected, and can be edited."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.cluster_stats import ClusterStats, cluster_stats
from pages.ui import cluster_actions, cluster_card
from pages.ui.mapview import cluster_colors, cluster_step
from pages.ui.selection import clear_selection, select_rows, selection_steps
from pages.ui.state import ProjectView

_FEW = 12  # clusters among which nobody needs to look for one
_HEIGHT = 292
_ORIGIN = "clusters"
_TABLE = "cluster-table"
_DOT = (
    'data:image/svg+xml;utf8,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">'
    '<circle cx="12" cy="12" r="6" fill="%23{color}"/></svg>'
)
_BY = ("Rows", "Kept", "Length", "Alike", "Duplicates")


@dataclass(frozen=True)
class _Table:
    """The list as the browser shows it: which places are ticked, at first and now."""

    name: str
    turn: int
    first: tuple[int, ...]
    places: tuple[int, ...]

    @property
    def key(self) -> str:
        return f"{self.name}-{self.turn}"


def render(view: ProjectView) -> None:
    """Draw the list, and what can be done with the clusters that are ticked in it."""
    with st.container(gap="xsmall"):  # so that all of it is in sight beside the map
        _render(view)


def _render(view: ProjectView) -> None:
    clusters = view.clusters
    assert clusters is not None
    assert view.pool is not None
    names = [*_BY, *(["Quality"] if view.pool.quality_column() else [])]
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
    order = _listed(view, words, _column(view, by)[0])
    if not len(order):
        st.caption("No cluster has that in its title or keywords.")
        return
    ticked = _ticked(view)
    count = f"{len(order):,} of {len(clusters.titles):,} clusters" if words else "Clusters"
    st.caption(f"{count}; those that are ticked are selected.")
    places = tuple(np.flatnonzero(np.isin(order, ticked)).tolist())
    table = _table(f"cluster-list-{clusters.fingerprint}-{by}-{words}", places)
    picked = tuple(sorted(_draw(view, order, by, table).selection.rows))
    if picked != places:
        st.session_state[_TABLE] = replace(table, places=picked)
        # Those that the search does not list stay ticked.
        hidden = sorted(set(ticked) - set(order.tolist()))
        _select(view, [*(int(order[place]) for place in picked), *hidden])
        st.rerun()
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


def _table(name: str, places: tuple[int, ...]) -> _Table:
    """The table in which these places are ticked: a new one unless a person just left it so."""
    table = st.session_state.get(_TABLE)
    if (
        not isinstance(table, _Table)
        or (table.name, table.places) != (name, places)
        or table.key not in st.session_state  # Streamlit forgot what was ticked
    ):
        turn = table.turn + 1 if isinstance(table, _Table) else 0
        table = st.session_state[_TABLE] = _Table(name, turn, places, places)
    return table


def _stats(view: ProjectView) -> ClusterStats:
    assert view.clusters is not None
    return _measured(str(view.project.root), view.clusters.fingerprint, view.log_id, view)


@st.cache_resource(max_entries=8, show_spinner=False)
def _measured(root: str, fingerprint: str, decided: str, _view: ProjectView) -> ClusterStats:
    pool = _view.pool
    assert pool is not None
    return cluster_stats(_view.seen, quality=pool.quality_column())


def _column(view: ProjectView, name: str) -> tuple[NDArray[Any], Any]:
    """Values by cluster that the list can show and be sorted by, and how they are shown."""
    clusters, number = view.clusters, st.column_config.NumberColumn
    assert clusters is not None
    sizes = np.asarray(clusters.sizes)
    if name == "Rows":
        return sizes, number("rows", format="localized", width=52)
    if name == "Kept":
        kept = np.bincount(clusters.labels[~view.decisions.dropped], minlength=len(sizes))
        return 100 * kept / np.maximum(sizes, 1), number("kept %", format="%.0f", width=58)
    stats = _stats(view)  # which takes a moment: the list as it opens does without
    if name == "Quality" and stats.mean_quality is not None:
        return stats.mean_quality, number("quality", format="%.3g", width=60)
    if name == "Alike":
        told = "Mean cosine with the centroid."
        return stats.mean_cosine, number("alike", format="%.2f", width=50, help=told)
    if name == "Duplicates":
        told = "Rows with the text of another."
        return 100 * stats.duplicates, number("same %", format="%.0f", width=55, help=told)
    return stats.median_length, number("length", format="%.0f", width=60)


def _listed(view: ProjectView, words: str, values: NDArray[Any]) -> NDArray[np.int64]:
    """Clusters with all the words in title or keywords, the largest value first."""
    clusters = view.clusters
    assert clusters is not None
    wanted = words.casefold().split()
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
    texts = [
        f"{title} {' '.join(keywords)}".casefold()
        for title, keywords in zip(clusters.titles, clusters.keywords, strict=True)
    ]
    found = [one for one in order.tolist() if all(word in texts[one] for word in wanted)]
    return np.array(found, np.int64)


def _draw(
    view: ProjectView,
    order: NDArray[np.int64],
    by: str,
    shown: _Table,
) -> Any:
    """Draw the table and return what is ticked in it."""
    clusters = view.clusters
    assert clusters is not None
    names = ["Rows"]
    if by != "Rows":
        names.append(by)
    elif view.decisions.dropped.any():
        names.append("Kept")
    table: dict[str, Any] = {
        # Not as styled text, which takes ten times as long to send.
        "color": [_DOT.format(color=color[1:]) for color in cluster_colors(view)[order]],
        "title": [clusters.titles[number] for number in order],
    }
    columns = {name: _column(view, name) for name in names}
    table |= {name: values[order] for name, (values, _) in columns.items()}
    bars: dict[str, Any] = {}
    if len(names) == 1:  # there is room for bars
        most = int(max(clusters.sizes))
        bars = {
            "Rows": st.column_config.ProgressColumn("rows", format="%d", max_value=most, width=75)
        }
    return st.dataframe(
        pd.DataFrame(table),
        column_config={
            "color": st.column_config.ImageColumn("", width=26, help="Its colour on the map."),
            "title": st.column_config.TextColumn("title", width=198 if len(names) > 1 else 184),
            **{name: config for name, (_, config) in columns.items()},
            **bars,
        },
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        height=_HEIGHT,
        alt="Clusters with their sizes; those that are ticked are selected",
        key=shown.key,
        selection_default={"selection": {"rows": list(shown.first)}},
    )


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
