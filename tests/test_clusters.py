"""Clusters on planted groups."""

import json

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score

from core import clusters as module
from core.clusters import choose_k, cluster, cluster_rows, load_clusters, silhouette
from core.errors import InputError
from core.ingest import init_pool
from core.kmeans import kmeans
from core.project import Project
from core.vectors import import_features


def groups(count, each, dim=32, noise=0.35, seed=0):
    """Unit vectors in `count` groups of uneven size, and the group of each."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((count, dim))
    truth = np.repeat(np.arange(count), rng.integers(each // 2, each * 2, count))
    vectors = centers[truth] + noise * rng.standard_normal((len(truth), dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), truth


def nearest(vectors, centroids):
    return (vectors @ centroids.T).argmax(axis=1)


def make_project(folder, vectors, texts=None):
    texts = texts or [f"row about subject {i}" for i in range(len(vectors))]
    lines = [
        json.dumps({"instruction": text, "output": f"answer {i}"}) for i, text in enumerate(texts)
    ]
    (folder / "pool.jsonl").write_text("\n".join(lines) + "\n")
    np.save(folder / "features.npy", vectors)
    init_pool(folder / "project", [folder / "pool.jsonl"])
    project = Project.open(folder / "project")
    import_features(project, folder / "features.npy")
    return project


@pytest.mark.parametrize(("count", "each"), [(3, 30), (12, 60), (40, 40)])
def test_planted_groups_are_found(count, each):
    vectors, truth = groups(count, each)
    centroids = kmeans(vectors, count, seed=1)
    assert centroids.shape == (count, 32)
    np.testing.assert_allclose(np.linalg.norm(centroids, axis=1), 1, atol=1e-5)
    assert adjusted_rand_score(truth, nearest(vectors, centroids)) > 0.95


def test_k_is_chosen_near_the_planted_one():
    vectors, truth = groups(14, 70)
    assert len(truth) > 900
    assert 12 <= choose_k(vectors, seed=0) <= 16


def test_same_seed_same_centroids():
    vectors, _ = groups(8, 60, noise=1.5)
    first = kmeans(vectors, 20, seed=4)
    assert first.tobytes() == kmeans(vectors, 20, seed=4).tobytes()
    assert first.tobytes() != kmeans(vectors, 20, seed=5).tobytes()


def test_no_cluster_of_a_handful_of_odd_rows(monkeypatch):
    vectors, _ = groups(6, 300, dim=64)
    odd = np.eye(64, dtype=np.float32)[:4]  # each far from all others
    everything = np.concatenate([vectors, odd])
    start = everything[[*range(0, 1200, 200), *range(len(vectors), len(everything))]]
    monkeypatch.setattr("core.kmeans._spread", lambda *args: start)
    sizes = np.bincount(nearest(everything, kmeans(everything, 10, seed=0)), minlength=10)
    assert sizes.min() > 4


def test_only_copies():
    vectors = np.zeros((10, 4), np.float32)
    vectors[:, 0] = 1
    assert np.isfinite(kmeans(vectors, 3, seed=0)).all()


def test_silhouette_is_that_of_scikit_learn(monkeypatch):
    vectors, truth = groups(4, 50)
    expected = silhouette_score(vectors, truth, metric="cosine")
    assert silhouette(vectors, truth, 0) == pytest.approx(expected, abs=1e-4)
    monkeypatch.setattr(module, "_SILHOUETTE_ROWS", 120)
    assert silhouette(vectors, truth, 0) == pytest.approx(expected, abs=0.05)
    assert silhouette(vectors, np.zeros(len(vectors), int), 0) == 0.0


def test_clusters_of_a_project(tmp_path):
    vectors, truth = groups(5, 40)
    words = ["butter", "galaxy", "striker", "mortgage", "violin"]
    texts = [f"Tell me about the {words[t]} number {i}" for i, t in enumerate(truth)]
    project = make_project(tmp_path, vectors, texts)
    assert load_clusters(project) is None
    report = cluster(project, k=5, seed=3)
    made = load_clusters(project)
    assert made.fingerprint == report.fingerprint
    assert adjusted_rand_score(truth, made.labels) > 0.95
    assert made.labels.dtype == np.int32
    assert made.centroids.dtype == np.float32
    assert list(report.sizes) == made.sizes == np.bincount(made.labels).tolist()
    assert list(report.titles) == made.titles
    assert (made.k, made.edits, made.parent, made.grouping) == (5, (), None, made.fingerprint)
    for number in range(5):
        rows = np.flatnonzero(made.labels == number)
        cosines = vectors[rows] @ made.centroids[number]
        assert words[truth[rows[0]]] in made.titles[number]
        assert made.central[number][0] == rows[cosines.argmax()]
        assert set(made.central[number]) <= set(rows)
        assert set(made.border[number]) <= set(rows)
        # A border row has another centroid about as near.
        every = np.sort(vectors @ made.centroids.T, axis=1)
        margin = every[:, -1] - every[:, -2]
        assert made.border[number][0] == rows[margin[rows].argmin()]
    chosen = cluster_rows(project, np.array([1, 4]))
    np.testing.assert_array_equal(chosen, np.flatnonzero(np.isin(made.labels, [1, 4])))


def test_clusters_are_kept_and_found_again(tmp_path, monkeypatch):
    vectors, _ = groups(3, 20)
    project = make_project(tmp_path, vectors)
    first = cluster(project, k=3)
    other = cluster(project, k=4)
    monkeypatch.setattr(module, "_make", None)  # nothing is made anew
    again = cluster(project, k=3)
    assert (again.fingerprint, again.titles) == (first.fingerprint, first.titles)
    assert other.fingerprint != first.fingerprint
    assert load_clusters(project).fingerprint == first.fingerprint


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
@pytest.mark.parametrize("k", ["auto", 1])
def test_tiny_pools(tmp_path, rows, k):
    vectors = np.eye(8, dtype=np.float32)[:rows]
    report = cluster(make_project(tmp_path, vectors), k=k)
    assert sum(report.sizes) == rows
    assert all(report.sizes)
    assert len(set(report.titles)) == report.k


def test_as_many_clusters_as_rows(tmp_path):
    report = cluster(make_project(tmp_path, np.eye(6, dtype=np.float32)), k=6)
    assert report.sizes == (1,) * 6


def test_no_cluster_is_empty_even_among_copies(tmp_path):
    vectors = np.repeat(np.eye(4, dtype=np.float32)[:2], 5, axis=0)
    project = make_project(tmp_path, vectors)
    report = cluster(project, k=4)
    assert min(report.sizes) >= 1
    assert sum(report.sizes) == 10
    made = load_clusters(project)
    for number in range(4):
        cosines = vectors[made.labels == number] @ made.centroids[number]
        assert made.cosines[number] == pytest.approx(cosines.mean(), abs=1e-6)


@pytest.mark.parametrize("k", [0, -1, 8])
def test_unusable_k(tmp_path, k):
    project = make_project(tmp_path, np.eye(7, dtype=np.float32))
    with pytest.raises(InputError, match="from 1 to 7"):
        cluster(project, k=k)
    assert load_clusters(project) is None


def test_needs_features(tmp_path):
    (tmp_path / "pool.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    init_pool(tmp_path / "project", [tmp_path / "pool.jsonl"])
    with pytest.raises(InputError, match="no features"):
        cluster(Project.open(tmp_path / "project"))


def test_a_cancelled_call_leaves_nothing(tmp_path, monkeypatch):
    project = make_project(tmp_path, groups(3, 20)[0])

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "silhouette", stop)
    with pytest.raises(KeyboardInterrupt):
        cluster(project, k=3)
    assert load_clusters(project) is None
    assert list((project.root / "clusters").glob("*")) == []


def test_unknown_cluster_is_one_sentence(tmp_path):
    project = make_project(tmp_path, np.eye(5, dtype=np.float32))
    with pytest.raises(InputError, match="no clusters yet"):
        cluster_rows(project, np.array([0]))
    cluster(project, k=2)
    with pytest.raises(InputError, match="no cluster 2; the clusters are 0 to 1"):
        cluster_rows(project, np.array([0, 2]))
