"""k-means: the grouping of plain arrays, and any seed that there may be."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from core.graph_search import neighbor_graph
from core.kmeans import kmeans, kmeans_labels, one_thread
from core.layout import _Search
from core.selection import select_arrays

LAST = 2**31 - 1


def blobs(rows=300, dim=6, k=4):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, k, rows)
    return (10 * np.eye(dim)[labels] + 0.1 * rng.standard_normal((rows, dim))), labels


def test_planted_groups_are_found_by_distance_and_not_by_angle():
    vectors, labels = blobs()
    found = kmeans_labels(vectors * np.where(labels == 0, 3, 1)[:, None], 4, seed=1)
    assert adjusted_rand_score(labels, found) == 1
    rays = np.repeat([[1.0, 0.0], [9.0, 0.0]], 20, axis=0)
    assert adjusted_rand_score(np.repeat([0, 1], 20), kmeans_labels(rays, 2, seed=0)) == 1


@pytest.mark.parametrize("seed", [0, LAST - 1, LAST])
def test_any_seed_is_taken(seed):
    vectors, labels = blobs()
    assert adjusted_rand_score(labels, kmeans_labels(vectors, 4, seed)) == 1
    unit = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    assert kmeans(unit, 4, seed).shape == (4, 6)
    assert len(select_arrays(unit, method="kmeans-random", budget=9, seed=seed).rows) == 9
    assert _Search(unit, seed)(unit)[0][:, 0].shape == (300,)
    many = np.random.default_rng(1).standard_normal((9000, 6)).astype(np.float32)
    assert neighbor_graph(many, 3, seed=seed).indices.shape == (9000, 3)


def test_faiss_has_its_threads_back_after_small_work():
    import faiss

    before = faiss.omp_get_max_threads()
    with pytest.raises(KeyError), one_thread():
        assert faiss.omp_get_max_threads() == 1
        raise KeyError
    assert faiss.omp_get_max_threads() == before
