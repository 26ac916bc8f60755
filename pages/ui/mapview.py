"""A project's map: its points, titles and colours, packed once and sent to the component."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.cluster_groups import coarse_groups
from core.clusters import Clusters
from core.coloring import Coloring, by_category, by_number, rows_in_range
from core.column_coloring import by_decision, by_difference, by_tags, color_rows
from core.errors import WinnowError
from core.facet_columns import NumberColumn
from core.facets import Between
from core.lasso import inside
from core.mapevent import MapEvent
from core.mappack import Focus, Title, pack
from core.mapplaces import anchors, display_points
from core.mapsections import Places
from core.runs import load_run
from core.view_link import Kind, filter_step, pack_polygon, unpack_polygon
from pages.ui.cluster_hues import cluster_hues
from pages.ui.pointmap import show_map
from pages.ui.rows import open_dialog
from pages.ui.selection import clear_selection, select_rows
from pages.ui.state import ProjectView

COLORS = ("Cluster", "Source", "Length", "Decision")
COLUMN = "column:"  # before the name of a column, as a colour
TAG = "Tag"
DIFFERENCE = "difference:"  # before the names of two runs, parted by a space, as a colour
_COLORED = "map-colored"  # in session state: what the map that selects is coloured by


@dataclass(frozen=True)
class Ground:
    """What stays the same while a person works: display coordinates and titles, fine and coarse."""

    points: NDArray[np.float32]
    places: Places
    titles: tuple[Title, ...]
    coarse: tuple[Title, ...]


def ground(view: ProjectView) -> Ground:
    """Coordinates and titles of the map in use."""
    assert view.clusters is not None and view.layout_id is not None
    return _ground(view.layout_id, view.clusters.fingerprint, view)


@st.cache_resource(max_entries=8, show_spinner=False)
def _ground(layout_id: str, clusters_id: str, _view: ProjectView) -> Ground:
    clusters, layout = cast(Clusters, _view.clusters), _view.layout
    assert layout is not None
    points = display_points(layout)
    places = anchors(points, clusters.labels, len(clusters.titles))
    titles = tuple(
        Title(text, places.spot(i), int(clusters.sizes[i]), i, places.box(i))
        for i, text in enumerate(clusters.titles)
    )
    groups = coarse_groups(clusters)
    places = anchors(points, groups.group[clusters.labels], len(groups.titles))
    coarse = tuple(
        Title(
            text,
            places.spot(i),
            groups.sizes[i],
            box=places.box(i),
            clusters=tuple(np.flatnonzero(groups.group == i).tolist()),
        )
        for i, text in enumerate(groups.titles)
    )
    return Ground(points, Places(points), titles, coarse)


@st.cache_resource(max_entries=16, show_spinner=False)
def _coloring(layout_id: str, clusters_id: str, color: str, _view: ProjectView) -> Coloring:
    points, pool = ground(_view).points, _view.pool
    assert pool is not None and _view.clusters is not None
    if color == "Source":
        sources = pool.sources()
        return by_category(sources.codes, sources.names, points=points, label="Source")
    if color == "Length":
        return by_number(pool.lengths(), label="Length, characters", logarithmic=True)
    if color.startswith(COLUMN):
        return color_rows(_view.facets, color.removeprefix(COLUMN), points)
    clusters = _view.clusters
    hues = cluster_hues(layout_id, clusters_id, _view.project, clusters, points)
    return by_category(clusters.labels, clusters.titles, points=points, label="Cluster", hues=hues)


@st.cache_resource(max_entries=2, show_spinner=False)
def _by_tags(layout_id: str, log_id: str, _view: ProjectView) -> Coloring:
    return by_tags(_view.decisions.tags, ground(_view).points)


def _colored(view: ProjectView, color: str) -> Coloring:
    """The colours in use; those that decisions or runs make are not kept."""
    assert view.pool is not None and view.clusters is not None and view.layout_id is not None
    if color == "Decision":
        return by_decision(view.decisions.dropped, view.decisions.pinned)
    if color == TAG:
        return _by_tags(view.layout_id, view.log_id, view)
    if color.startswith(DIFFERENCE):
        first, second = color.removeprefix(DIFFERENCE).split(" ")
        rows = [load_run(view.project, run).rows for run in (first, second)]
        return by_difference(rows[0], rows[1], view.pool.rows, (first, second))
    return _coloring(view.layout_id, view.clusters.fingerprint, color, view)


def cluster_colors(view: ProjectView) -> NDArray[np.str_]:
    """The colour of each cluster on the map in this theme, as `#rrggbb`."""
    assert view.clusters is not None and view.layout_id is not None
    coloring = _coloring(view.layout_id, view.clusters.fingerprint, "Cluster", view)
    rgb = coloring.dark if st.context.theme.type == "dark" else coloring.light
    return np.array([f"#{bytes(one).hex()}" for one in rgb[: len(view.clusters.titles)]])


def render_map(
    view: ProjectView,
    *,
    color: str,
    key: str,
    height: int | Literal["fill"] = "fill",
    lit: NDArray[np.int64] | None = None,
    run: bool = False,
    selects: bool = True,
    drops: bool = False,
    caption: str = "",
    on_event: Callable[[MapEvent], None],
    focus: Focus | None = None,
    opened: int | None = None,
) -> None:
    """Draw the map, with the rows `lit` on top; a gesture calls `on_event` before the next run.

    A `focus` with a new id is gone to once; see `cluster_focus`. The row `opened` has a ring. The
    view of a map that selects is part of the page's address. With `drops`, the rows can be dropped
    where the map fills the screen.

    Raises
    ------
    InputError
        The column or the runs that `color` names cannot be used.
    """
    assert view.pool is not None and view.clusters is not None and view.layout_id is not None
    base = ground(view)
    rows = view.pool.rows
    mask = None
    if lit is not None:
        mask = np.zeros(rows, bool)
        mask[lit] = True
    decided = view.decisions
    # By decision, dropped rows have a colour of their own.
    by_log = color == "Decision"
    payload = pack(
        base.places,
        _colored(view, color),
        titles=base.titles,
        coarse=base.coarse,
        lit=mask,
        dropped=None if by_log else decided.dropped,
        context="grey" if run else "dim",
        lit_label="chosen" if run else "selected",
        alt=f"Map of {rows:,} rows in {len(base.titles)} clusters, coloured by {_said(color)}"
        + (f"; {len(lit):,} rows are highlighted." if lit is not None else "."),
        caption=caption,
        legend=color != "Cluster" or run,
        selects=selects,
        drops=drops,
        file=f"{view.project.root.name} {_said(color)}",
        heading=f"{view.project.root.name}, coloured by {_said(color)}"
        + (f": {len(lit):,} rows {'chosen' if run else 'selected'}" if lit is not None else ""),
    )
    if selects:
        st.session_state[_COLORED] = color
    show_map(
        payload,
        key=key,
        height=height,
        on_event=on_event,
        first_line=partial(_prompt, view),
        focus=focus,
        opened=opened,
        addressed=selects,
    )


def _said(color: str) -> str:
    if color.startswith(DIFFERENCE):
        return color.removeprefix(DIFFERENCE).replace(" ", " against ")
    return color.removeprefix(COLUMN) if color.startswith(COLUMN) else color.lower()


def _prompt(view: ProjectView, row: int) -> str:
    assert view.pool is not None
    try:
        return str(view.pool.page([row])["prompt"].iloc[0])
    except WinnowError:  # the project's files were changed underneath: the map shows no text
        return ""


def cluster_focus(view: ProjectView, cluster: int, number: int) -> Focus:
    """Where a cluster lies; `number` tells one wish to go there from the next."""
    box = ground(view).titles[cluster].box
    assert box is not None
    return Focus(box, f"{cluster} {number}")


def apply_event(view: ProjectView, event: MapEvent) -> None:
    """Turn a gesture into the selection."""
    if event.kind in ("lasso", "box"):
        points, polygon = ground(view).points, np.array(event.polygon)
        # As the address of the page can say it.
        drawn = pack_polygon(polygon, points)
        found = inside(points, unpack_polygon(drawn, points) if drawn else polygon)
        by: tuple[Kind, str] | None = ("lasso", drawn) if drawn else None
        select_rows(view, found, "map lasso", event.op, by=by)
    elif event.kind == "cluster" and event.cluster is not None:
        assert view.clusters is not None
        _select_clusters(view, (event.cluster,), view.clusters.titles[event.cluster])
    elif event.kind == "group":
        coarse = {one.clusters: one.text for one in ground(view).coarse}
        # The clusters may have been edited in another window since.
        if event.clusters in coarse:
            _select_clusters(view, event.clusters, coarse[event.clusters])
    elif event.kind == "range":
        origin = f"map range {event.low:,.4g} to {event.high:,.4g}"
        found = _in_range(view, event)
        select_rows(view, found, origin, event.op, by=_range_step(view, found))
    elif event.kind == "clear":
        clear_selection()


def _select_clusters(view: ProjectView, numbers: Sequence[int], title: str) -> None:
    assert view.clusters is not None
    rows = np.flatnonzero(np.isin(view.clusters.labels, numbers))
    select_rows(view, rows, f"cluster {title}", by=cluster_step(view, numbers))


def cluster_step(view: ProjectView, numbers: Sequence[int]) -> tuple[Kind, str]:
    """How an address says that these clusters are selected."""
    assert view.clusters is not None
    return "clusters", f"{view.clusters.grouping}:{','.join(map(str, numbers))}"


def _in_range(view: ProjectView, event: MapEvent) -> NDArray[np.int64]:
    """Rows in a range of what colours the map; none if that is no number."""
    assert view.clusters is not None and view.layout_id is not None
    color = st.session_state.get(_COLORED, COLORS[0])
    try:
        return rows_in_range(_colored(view, color), event.low, event.high)
    except WinnowError:
        return np.zeros(0, np.int64)


def _range_step(view: ProjectView, rows: NDArray[np.int64]) -> tuple[Kind, str] | None:
    """How an address says that these rows were selected: by the ends of their own numbers.

    The range itself is one of colours, of which each stands for several numbers.
    """
    color = st.session_state.get(_COLORED, COLORS[0])
    name = "length" if color == "Length" else color.removeprefix(COLUMN)
    if not len(rows) or name not in view.facets.names():
        return None
    column = view.facets.column(name)
    if not isinstance(column, NumberColumn):
        return None
    values = column.values[rows]
    step = filter_step(Between(name, float(values.min()), float(values.max())))
    return step.kind, step.value


def render_run_map(
    view: ProjectView, rows: NDArray[np.int64] | None, height: int, caption: str = ""
) -> None:
    """Draw the map with the chosen rows on top; a click on a point opens the row."""
    assert view.pool is not None

    def open_row(event: MapEvent) -> None:
        if event.row is not None:
            open_dialog(event.row)

    render_map(
        view,
        color="Cluster",
        key="run-map",
        height=height,
        lit=rows,
        run=rows is not None,
        selects=False,
        caption=caption,
        on_event=open_row,
    )
