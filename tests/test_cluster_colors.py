"""Colours of edited clusters, against those before the edit."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import palette
from core.cluster_colors import first_hues, hues_after
from core.cluster_edits import (
    merge_clusters,
    rename_cluster,
    split_cluster,
    undo_cluster_edit,
)
from core.clusters import load_clusters
from core.coloring import by_category
from core.layout import load_layout
from core.mapplaces import display_points
from core.project import Project
from pages.ui.mapview import cluster_colors
from pages.ui.state import ProjectView


@pytest.fixture
def project(mapped_root):
    return Project.open(mapped_root)


def rows_of(clusters, colors):
    """The colour of every set of rows that is a cluster."""
    return {
        frozenset(np.flatnonzero(clusters.labels == number).tolist()): str(colors[number])
        for number in range(len(clusters.sizes))
    }


def test_clusters_that_edits_leave_alone_keep_their_colour(project):
    points = display_points(load_layout(project))
    first = load_clusters(project)

    @settings(max_examples=6, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def run(data):
        before, hues = first, first_hues(first, points)
        assert len(set(hues.tolist())) == 4
        project.point(f"clusters:{project.pointer('features')}", first.fingerprint)
        for step in range(data.draw(st.integers(1, 4))):
            k = len(before.sizes)
            action = data.draw(st.sampled_from(["rename", "split", "merge"]))
            if action == "split":
                split_cluster(project, data.draw(st.integers(0, k - 1)), 2, seed=step)
            elif action == "merge" and k > 2:
                merge_clusters(project, [data.draw(st.integers(0, k - 2)), k - 1])
            else:
                rename_cluster(project, data.draw(st.integers(0, k - 1)), f"Title {step}")
            after = load_clusters(project)
            now = hues_after(after, points, before.sizes, hues)
            old, new = rows_of(before, hues), rows_of(after, now)
            shared = old.keys() & new.keys()
            assert len(shared) >= k - 2 and {old[one] for one in shared}
            assert all(old[one] == new[one] for one in shared)
            for one in new.keys() - old.keys():
                parts = [part for part in old if part < one]
                if parts:  # of a merge
                    most = max(map(len, parts))
                    assert new[one] in {old[part] for part in parts if len(part) == most}
            # So few that no two need to be alike.
            assert len(set(now.tolist())) == len(after.sizes)
            before, hues = after, now

    run()


def test_a_part_of_a_split_differs_from_those_it_touches():
    rng = np.random.default_rng(0)
    centers = rng.uniform(0, 10, (60, 2))
    labels = rng.integers(0, 60, 6000)
    points = centers[labels] + rng.normal(scale=0.4, size=(6000, 2))
    weights = palette.contact(points, labels, 60)
    before = palette.assign(weights, np.bincount(labels))
    given = before.copy()
    given[50:] = -1
    after = palette.assign(weights, np.bincount(labels), given=given)
    np.testing.assert_array_equal(after[:50], before[:50])
    nearest = np.argsort(-weights, axis=1)[50:, :3]
    assert (after[nearest] != after[50:, None]).all()


def test_the_map_and_the_list_follow(project):
    first = rows_of(load_clusters(project), cluster_colors(ProjectView(project)))
    split_cluster(project, 0)
    merge_clusters(project, [1, 2])
    rename_cluster(project, 0, "Mine")
    made = load_clusters(project)
    now = rows_of(made, cluster_colors(ProjectView(project)))
    assert all(first[one] == now[one] for one in first.keys() & now.keys())
    assert len(first.keys() & now.keys()) == 1 and len(set(now.values())) == 4
    for _ in range(3):
        undo_cluster_edit(project)
    assert rows_of(load_clusters(project), cluster_colors(ProjectView(project))) == first


def test_colours_where_the_clusters_before_are_gone(project):
    parent = load_clusters(project).fingerprint
    split_cluster(project, 0)
    (project.artefact("clusters", parent) / "meta.json").unlink()
    assert len(set(cluster_colors(ProjectView(project)).tolist())) == 5


def test_hues_that_were_chosen_before():
    hues = np.array([7, 3])
    coloring = by_category(np.array([0, 1, 1]), ["a", "b"], points=np.zeros((3, 2)), hues=hues)
    expected = palette.to_rgb([palette.CATEGORICAL["light"][hue] for hue in hues])
    np.testing.assert_array_equal(coloring.light[:2], expected)
