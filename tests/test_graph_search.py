"""The pruned search finds what brute force finds."""

import numpy as np
import pytest

from core import graph_search, tile_scan
from core.errors import InputError
from core.graph_search import neighbor_graph
from core.neighbors import exact_neighbors


@pytest.fixture
def pruned(monkeypatch):
    monkeypatch.setattr(graph_search, "_SMALL", 0)
    monkeypatch.setattr(tile_scan, "_BLOCK", 256)
    monkeypatch.setattr(tile_scan, "_STRIP", 96)
    monkeypatch.setattr(graph_search, "_NEAR_ROWS", 100)


def data(kind, rows=1500, dim=40):
    rng = np.random.default_rng(1)
    if kind == "gaussian":  # nothing to prune by
        return rng.standard_normal((rows, dim)).astype(np.float32)
    if kind == "copies":
        return rng.standard_normal((60, dim))[rng.integers(0, 60, rows)].astype(np.float32)
    if kind == "far from zero":
        return (rng.standard_normal((rows, dim)) + 100).astype(np.float32)
    flat = rng.standard_normal((rows, 6)) @ rng.standard_normal((6, dim))
    flat += 0.05 * rng.standard_normal((rows, dim))
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    return flat.astype(np.float16 if kind == "half" else np.float32)


@pytest.mark.parametrize("kind", ["gaussian", "flat", "half", "far from zero"])
@pytest.mark.parametrize("k", [1, 9])
def test_same_as_brute_force(pruned, kind, k):
    vectors = data(kind)
    found = neighbor_graph(vectors, k)
    truth = exact_neighbors(vectors, vectors, k, exclude_self=True)
    np.testing.assert_allclose(found.distances, truth.distances, rtol=1e-5)
    assert (found.indices == truth.indices).mean() > 0.999  # two neighbours equal but for rounding
    assert found.indices.dtype == np.int64
    assert (found.indices != np.arange(len(vectors))[:, None]).all()


def test_copies(pruned):
    vectors = data("copies")
    found = neighbor_graph(vectors, 12)
    truth = exact_neighbors(vectors, vectors, 12, exclude_self=True)
    np.testing.assert_array_equal(found.indices, truth.indices)
    np.testing.assert_array_equal(found.distances, 0)


@pytest.mark.parametrize("dim", [1, 3, 8, 17])
def test_narrow(pruned, dim):
    vectors = data("gaussian", 700, dim)
    found = neighbor_graph(vectors, 5)
    truth = exact_neighbors(vectors, vectors, 5, exclude_self=True)
    np.testing.assert_allclose(found.distances, truth.distances, rtol=1e-5, atol=1e-7)


def test_the_seed_does_not_change_the_answer(pruned):
    vectors = data("flat")
    first, second = neighbor_graph(vectors, 6, seed=0), neighbor_graph(vectors, 6, seed=9)
    np.testing.assert_array_equal(first.indices, second.indices)
    np.testing.assert_array_equal(first.distances, second.distances)


def test_the_filter_is_a_lower_bound(pruned):
    """What rules pairs out is never above their true distance, whatever the number of columns."""
    vectors = data("flat")
    axes = np.linalg.qr(np.random.default_rng(2).standard_normal((40, 40)))[0].astype(np.float32)
    center = vectors.mean(axis=0)
    truth = ((vectors[:80, None].astype(np.float64) - vectors[None]) ** 2).sum(axis=2)
    for m in (1, 7, 20, 39):
        kept = tile_scan._project(vectors, center, axes[:, :m])
        bound = kept.halves[:80, None] + kept.halves - kept.coordinates[:80] @ kept.coordinates.T
        assert (2 * bound <= truth).all()


def test_progress_and_interrupt(pruned):
    def stop(done, total, what):
        if what == "finding neighbours":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        neighbor_graph(data("flat"), 4, progress=stop)


@pytest.mark.parametrize("broken", ["nan", "flat", "none"])
def test_what_cannot_be_searched_is_refused(pruned, broken):
    vectors, k = data("flat"), 3
    if broken == "nan":
        vectors[7, 3] = np.nan
    elif broken == "flat":
        vectors = vectors.ravel()
    else:
        k = 0
    with pytest.raises(
        InputError, match={"nan": "NaN", "flat": "2D", "none": "at least 1"}[broken]
    ):
        neighbor_graph(vectors, k)


def test_any_memory_order_will_do(pruned):
    vectors = data("flat")
    found = neighbor_graph(vectors, 3).indices
    backwards = neighbor_graph(vectors[::-1], 3).indices[::-1]
    np.testing.assert_array_equal(np.sort(len(vectors) - 1 - backwards), np.sort(found))
