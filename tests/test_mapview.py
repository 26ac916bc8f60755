"""What the pages do with gestures on the map, without a browser."""

from dataclasses import replace

import numpy as np
import pytest

from core.cluster_groups import coarse_groups
from core.mapevent import MapEvent
from core.project import Project
from core.view_link import Step, follow_steps, read_steps, write_steps
from pages.ui import mapview
from pages.ui.state import ProjectView


@pytest.fixture
def view(mapped_root):
    return ProjectView(Project.open(mapped_root))


@pytest.fixture
def chosen(monkeypatch):
    """Session state as a plain dict, and what was selected."""
    calls = []
    monkeypatch.setattr(mapview.st, "session_state", {})
    monkeypatch.setattr(mapview, "select_rows", lambda view, *said, **_: calls.append(said))
    return calls


def test_a_range_selects_the_rows_that_are_seen_in_its_colours(view, chosen):
    lengths = view.pool.lengths()
    low, high = np.quantile(lengths, [0.25, 0.75])
    mapview.st.session_state["map-colored"] = "Length"
    mapview.apply_event(view, MapEvent(1, "range", "add", low=low, high=high))
    rows, origin, op = chosen[0]
    assert op == "add" and origin.startswith("map range")
    # A level of the scale is a few parts in a hundred wide.
    within = (lengths >= low * 1.03) & (lengths <= high * 0.97)
    around = (lengths >= low * 0.97) & (lengths <= high * 1.03)
    assert set(np.flatnonzero(within)) <= set(rows.tolist()) <= set(np.flatnonzero(around))
    assert 0 < len(rows) < len(lengths)


@pytest.mark.parametrize("color", ["Length", "column:density"])
def test_the_address_of_a_range_selects_the_same_rows(view, chosen, monkeypatch, color):
    said = {}
    monkeypatch.setattr(
        mapview, "select_rows", lambda view, rows, *_, by: said.update(rows=rows, by=by)
    )
    mapview.st.session_state["map-colored"] = color
    ends = np.quantile(
        view.facets.column(color.lower().removeprefix("column:")).values, [0.25, 0.75]
    )
    mapview.apply_event(view, MapEvent(1, "range", low=ends[0], high=ends[1]))
    steps = read_steps(write_steps([Step("replace", *said["by"])]))
    again = follow_steps(view.project, steps, mapview.ground(view).points, view.clusters)
    assert 0 < len(said["rows"]) < view.pool.rows
    assert again.rows.tolist() == said["rows"].tolist()


def test_a_range_on_a_map_without_a_number_selects_nothing(view, chosen):
    for color in ("Cluster", "Decision"):
        mapview.st.session_state["map-colored"] = color
        mapview.apply_event(view, MapEvent(1, "range", low=0, high=1e9))
    assert [len(rows) for rows, *_ in chosen] == [0, 0]


def test_the_text_of_a_row_and_none_of_one_that_is_gone(view):
    assert mapview._prompt(view, 3) == view.pool.page([3])["prompt"].iloc[0]
    assert mapview._prompt(view, view.pool.rows) == ""


def test_the_place_of_a_cluster_and_each_wish_to_go_there(view):
    focus = mapview.cluster_focus(view, 1, 5)
    mine = mapview.ground(view).points[view.clusters.labels == 1]
    x0, y0, x1, y1 = focus.box
    inside = (mine >= [x0, y0]).all(1) & (mine <= [x1, y1]).all(1)
    assert inside.mean() > 0.5
    assert focus.id == mapview.cluster_focus(view, 1, 5).id
    assert focus.id != mapview.cluster_focus(view, 1, 6).id


def test_a_coarse_title_selects_its_clusters_and_follows_an_edit(view, chosen, monkeypatch):
    coarse = mapview.ground(view).coarse
    numbers = [number for title in coarse for number in title.clusters]
    assert sorted(numbers) == list(range(len(view.clusters.titles)))
    title = coarse[0]
    mapview.apply_event(view, MapEvent(1, "group", clusters=title.clusters))
    rows, origin = chosen[0][:2]
    assert set(view.clusters.labels[rows]) == set(title.clusters)
    assert len(rows) == title.size and title.text in origin
    # Of clusters that were edited since: nothing.
    mapview.apply_event(view, MapEvent(2, "group", clusters=(0, 10**6)))
    assert len(chosen) == 1
    alone = replace(view.clusters, fingerprint="renamed", titles=["Mine", "b", "c", "d"])
    monkeypatch.setattr(mapview, "coarse_groups", lambda made: coarse_groups(made, 4))
    renamed = replace(view)
    renamed.__dict__["clusters"] = alone
    assert "Mine" in [title.text for title in mapview.ground(renamed).coarse]
