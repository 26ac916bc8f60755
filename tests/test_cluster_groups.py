"""Coarse groups of clusters, against SciPy's Ward on every row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from core.cluster_groups import coarse_groups
from core.clusters import Clusters
from core.errors import InputError

WORDS = ["bread", "butter", "galaxy", "comet", "goal", "striker", "loan", "mortgage"]


def clusters_of(centroids, sizes, keywords=None, titles=None):
    k = len(sizes)
    keywords = keywords or [[WORDS[n % 8], WORDS[(n + 1) % 8]] for n in range(k)]
    titles = titles or [f"title {n}" for n in range(k)]
    labels = np.repeat(np.arange(k, dtype=np.int32), sizes)
    empty = [[] for _ in range(k)]
    centroids = np.asarray(centroids, np.float32)
    return Clusters("f", labels, centroids, titles, keywords, list(sizes), empty, empty, 0, 0.0)


@settings(max_examples=60)
@given(st.integers(2, 14), st.integers(0, 10_000), st.data())
def test_groups_are_those_of_ward_on_the_rows(k, seed, data):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, k).tolist()
    made = clusters_of(rng.normal(size=(k, 4)), sizes)
    groups = data.draw(st.integers(1, k))
    found = coarse_groups(made, groups)
    tree = linkage(made.centroids[made.labels].astype(float), "ward")
    rows = fcluster(tree, groups, "maxclust")
    expected = rows[np.cumsum(sizes) - 1]
    mine, theirs = (one[:, None] == one[None, :] for one in (found.group, expected))
    np.testing.assert_array_equal(mine, theirs)
    assert sorted(set(found.group.tolist())) == list(range(groups))
    assert found.sizes == np.bincount(found.group, sizes).astype(int).tolist()
    assert found.sizes == sorted(found.sizes, reverse=True)
    assert len({title.casefold() for title in found.titles}) == groups == len(found.titles)


def test_titles_say_what_the_members_share():
    centroids = np.eye(4)[[0, 0, 1, 1, 2]] + 0.01 * np.arange(20).reshape(5, 4)
    keywords = [
        ["bread", "recipe"],
        ["recipe", "soup"],
        ["galaxy", "star"],
        ["star", "planet"],
        ["goal", "team"],
    ]
    titles = ["bread", "soup", "galaxy", "planets", "My football"]
    found = coarse_groups(clusters_of(centroids, [9, 8, 7, 5, 3], keywords, titles), 3)
    assert found.group.tolist() == [0, 0, 1, 1, 2]
    assert [title.split(" · ")[0] for title in found.titles] == ["recipe", "star", "My football"]
    again = coarse_groups(clusters_of(centroids, [9, 8, 7, 5, 3], keywords, titles), 3)
    assert again.titles == found.titles


def test_groups_without_words_have_titles_of_their_own():
    made = clusters_of(np.eye(6), [1, 2, 3, 4, 5, 6], [[] for _ in range(6)])
    found = coarse_groups(made)
    assert len(set(found.titles)) == 2  # the root of 6, rounded
    assert "title 5" in found.titles
    assert coarse_groups(clusters_of(np.eye(1), [3])).titles == ["title 0"]


def test_copies_are_grouped():
    found = coarse_groups(clusters_of(np.ones((40, 3)), [1] * 40), 7)
    assert len(found.sizes) == 7 and sum(found.sizes) == 40


@pytest.mark.parametrize("groups", [0, -1, 7])
def test_unusable_number_of_groups(groups):
    with pytest.raises(InputError, match=r"from 1 to 6 \(the clusters\)"):
        coarse_groups(clusters_of(np.eye(6), [1] * 6), groups)
