"""Layouts of planted groups, their quality, and UMAP's pieces against umap-learn."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.manifold import trustworthiness as sklearn_trustworthiness

from core import layout as module
from core.errors import InputError
from core.ingest import init_pool
from core.layout import frame, lay_out, layout_vectors, load_layout, trustworthiness
from core.neighbors import exact_neighbors
from core.project import Project
from core.umap_sgd import CURVE_A, CURVE_B, fuzzy_graph, memberships
from core.vectors import import_features


def planted(rows=600, groups=5, dim=20, seed=0):
    points, truth = make_blobs(rows, dim, centers=groups, cluster_std=1.0, random_state=seed)
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), truth


def purity(points, truth, k=10):
    """Share of the k nearest points that are of the point's own group."""
    near = exact_neighbors(points, points, k, exclude_self=True).indices
    return (truth[near] == truth[:, None]).mean()


def make_project(folder, vectors):
    lines = [json.dumps({"instruction": f"row {i}", "output": "yes"}) for i in range(len(vectors))]
    (folder / "pool.jsonl").write_text("\n".join(lines) + "\n")
    np.save(folder / "features.npy", vectors)
    init_pool(folder / "project", [folder / "pool.jsonl"])
    project = Project.open(folder / "project")
    import_features(project, folder / "features.npy")
    return project


def test_planted_groups_stay_apart():
    vectors, truth = planted()
    points = layout_vectors(vectors).points
    assert points.dtype == np.float32
    assert purity(points, truth) > 0.99
    centers = np.array([points[truth == g].mean(axis=0) for g in range(5)])
    spread = max(np.linalg.norm(points[truth == g] - centers[g], axis=1).mean() for g in range(5))
    gaps = np.linalg.norm(centers[:, None] - centers, axis=2)[np.triu_indices(5, 1)]
    assert gaps.min() > 2 * spread


def test_same_seed_same_bytes():
    vectors, _ = planted(300)
    first = layout_vectors(vectors, seed=2).points
    assert first.tobytes() == layout_vectors(vectors, seed=2).points.tobytes()
    assert first.tobytes() != layout_vectors(vectors, seed=3).points.tobytes()


def test_threads_do_not_change_the_bytes(monkeypatch):
    vectors, _ = planted(300)
    several = layout_vectors(vectors).points
    monkeypatch.setattr("core.umap_sgd.os.cpu_count", lambda: 1)
    assert several.tobytes() == layout_vectors(vectors).points.tobytes()


@pytest.mark.parametrize("rows", [*range(1, 9), 14, 15, 16])
@pytest.mark.parametrize("copies", [False, True])
def test_small_pools(rows, copies):
    vectors = np.random.default_rng(rows).standard_normal((rows, 6)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    if copies:
        vectors[:] = vectors[0]
    points = layout_vectors(vectors).points
    assert points.shape == (rows, 2)
    assert np.isfinite(points).all()
    assert 0 <= trustworthiness(vectors, points) <= 1


def test_three_rows_keep_their_triangle():
    vectors = np.eye(3, dtype=np.float32)
    points = layout_vectors(vectors).points
    sides = [np.linalg.norm(points[a] - points[b]) for a, b in ((0, 1), (1, 2), (0, 2))]
    np.testing.assert_allclose(sides, sides[0], rtol=0.01)


def test_vectors_of_one_dimension():
    assert np.isfinite(layout_vectors(np.ones((20, 1), np.float32)).points).all()


@pytest.mark.parametrize("quality", ["good", "noise"])
@pytest.mark.parametrize("k", [1, 7, 15])
def test_trustworthiness_is_that_of_scikit_learn(quality, k):
    vectors, _ = planted(200)
    points = vectors[:, :2] * 5 if quality == "good" else np.random.default_rng(0).random((200, 2))
    expected = sklearn_trustworthiness(vectors, points, n_neighbors=k)
    assert trustworthiness(vectors, points, neighbors=k) == pytest.approx(expected, abs=1e-4)


def test_trustworthiness_of_a_sample_is_near_that_of_all(monkeypatch):
    vectors, _ = planted(1500)
    points = vectors[:, :2]
    expected = sklearn_trustworthiness(vectors, points, n_neighbors=15)
    monkeypatch.setattr(module, "_TRUST_CELLS", 20_000)
    assert trustworthiness(vectors, points, rows=400) == pytest.approx(expected, abs=0.02)


def test_more_rows_than_the_limit_are_placed(monkeypatch):
    vectors, truth = planted(2000)
    monkeypatch.setattr(module, "FIT_LIMIT", 1000)
    monkeypatch.setattr(module, "FIT_ROWS", 700)
    monkeypatch.setattr(module, "_PLACED_ROWS", 500)
    layout = layout_vectors(vectors)
    assert layout.fitted == 700
    assert layout.recall > 0.9
    assert purity(layout.points, truth) > 0.98
    assert layout.points.tobytes() == layout_vectors(vectors).points.tobytes()
    assert trustworthiness(vectors, layout.points) > trustworthiness(
        vectors, np.random.default_rng(0).random((2000, 2))
    )


def test_placed_rows_are_not_put_into_the_empty_middle(monkeypatch):
    """A row with neighbours in two groups goes to one of them, as its strengths say."""
    rng = np.random.default_rng(0)
    a, b = np.eye(8, dtype=np.float32)[:2]
    vectors = np.concatenate([np.tile(a, (300, 1)), np.tile(b, (300, 1))])
    vectors = vectors + 0.1 * rng.standard_normal(vectors.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    monkeypatch.setattr(module, "FIT_LIMIT", 400)
    monkeypatch.setattr(module, "FIT_ROWS", 300)
    points = layout_vectors(vectors).points
    truth = np.repeat([0, 1], 300)
    assert purity(points, truth) > 0.99


def test_frame_keeps_the_middle_and_tames_the_far():
    rng = np.random.default_rng(0)
    middle = rng.standard_normal((2000, 2)).astype(np.float32)
    far = np.array([[400.0, 0], [0, -9000], [800, 0]], np.float32)
    framed = frame(np.concatenate([middle, far]))
    radius = np.hypot(*framed.T)
    assert radius.max() <= 1 + 1e-6
    # Nearly all rows fill the frame.
    assert np.quantile(radius[:2000], 0.99) > 0.8
    # Directions and order are kept.
    np.testing.assert_allclose(framed[2000] / radius[2000], [1, 0], atol=1e-2)
    original = np.hypot(*(np.concatenate([middle, far]) - np.median(middle, axis=0)).T)
    assert (np.argsort(original)[-3:] == np.argsort(radius)[-3:]).all()
    # The middle is only scaled.
    inner = original < np.quantile(original, 0.9)
    ratio = radius[inner] / original[inner]
    assert np.quantile(ratio, 0.95) / np.quantile(ratio, 0.05) < 1.1


def test_frame_of_nothing_and_of_one_point():
    assert frame(np.empty((0, 2), np.float32)).shape == (0, 2)
    np.testing.assert_array_equal(frame(np.full((3, 2), 7, np.float32)), 0)


UMAP_GRAPH = """
import sys
import numpy as np
from umap.umap_ import find_ab_params, fuzzy_simplicial_set

given = np.load(sys.argv[1])
graph, _, _ = fuzzy_simplicial_set(
    given["vectors"], 15, np.random.RandomState(0), "euclidean",
    knn_indices=given["indices"], knn_dists=given["distances"],
)
np.savez(sys.argv[2], graph=graph.toarray(), curve=find_ab_params(1.0, 0.1))
"""


def test_graph_is_that_of_umap_learn(tmp_path):
    vectors, _ = planted(400)
    vectors[10:13] = vectors[10]  # copies: a smallest distance of zero
    near = exact_neighbors(vectors, vectors, 14, exclude_self=True)
    distances = near.distances**2 / 2
    own = np.arange(400)[:, None]
    # umap-learn counts the row itself as its first neighbour.
    np.savez(
        tmp_path / "given.npz",
        vectors=vectors,
        indices=np.hstack([own, near.indices]),
        distances=np.hstack([np.zeros((400, 1)), distances]).astype(np.float32),
    )
    # Compiling all of it would take ten times as long as the few rows do as it is.
    subprocess.run(
        [sys.executable, "-c", UMAP_GRAPH, tmp_path / "given.npz", tmp_path / "made.npz"],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        check=True,
    )
    made = np.load(tmp_path / "made.npz")
    graph = fuzzy_graph(near.indices, distances)
    ours = np.zeros((400, 400))
    for row in range(400):
        at = slice(graph.starts[row], graph.starts[row + 1])
        ours[row, graph.neighbors[at]] = graph.strengths[at]
    np.testing.assert_allclose(ours, made["graph"], atol=2e-3)
    np.testing.assert_allclose([CURVE_A, CURVE_B], made["curve"], atol=1e-4)


def test_strengths_sum_to_the_logarithm_of_the_neighbours():
    distances = np.sort(np.random.default_rng(0).random((50, 15)), axis=1).astype(np.float32)
    np.testing.assert_allclose(memberships(distances).sum(axis=1), np.log2(16), atol=1e-3)
    assert (memberships(np.zeros((4, 5), np.float32)) == 1).all()


def test_layout_of_a_project(tmp_path, monkeypatch):
    vectors, truth = planted(200, 3)
    project = make_project(tmp_path, vectors)
    assert load_layout(project) is None
    report = lay_out(project, seed=1)
    points = load_layout(project)
    assert report.rows == report.fitted == 200
    assert report.trustworthiness == pytest.approx(trustworthiness(vectors, points), abs=0.01)
    assert purity(points, truth) > 0.99
    other = lay_out(project, seed=2)
    monkeypatch.setattr(module, "layout_vectors", None)  # nothing is made anew
    again = lay_out(project, seed=1)
    assert again.fingerprint == report.fingerprint != other.fingerprint
    assert again.trustworthiness == report.trustworthiness
    np.testing.assert_array_equal(load_layout(project), points)


def test_needs_features(tmp_path):
    (tmp_path / "pool.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    init_pool(tmp_path / "project", [tmp_path / "pool.jsonl"])
    with pytest.raises(InputError, match="no features"):
        lay_out(Project.open(tmp_path / "project"))


def test_a_cancelled_call_leaves_nothing(tmp_path):
    project = make_project(tmp_path, planted(100)[0])

    def stop(done, total, what):
        if what == "arranging the map" and done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lay_out(project, progress=stop)
    assert load_layout(project) is None
    assert list((project.root / "layout").glob("*")) == []


def test_a_damaged_layout_is_one_sentence(tmp_path):
    project = make_project(tmp_path, planted(50)[0])
    report = lay_out(project)
    (project.root / "layout" / f"{report.fingerprint}.npy").write_bytes(b"no")
    with pytest.raises(InputError, match="damaged"):
        load_layout(project)
