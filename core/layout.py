"""The map: every row as a point in the plane, neighbours close together.

UMAP (McInnes, Healy, Melville 2018, arXiv 1802.03426) on exact neighbours, started from the first
two principal components. The graph and the optimisation are in `core.umap_sgd`, the neighbours in
`core.graph_search`.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.devices import resolve_device
from core.errors import InputError, command
from core.features import load_features
from core.kmeans import faiss_seed
from core.neighbors import exact_neighbors
from core.progress import Progress, silent
from core.project import Project, atomic_file, fingerprint, write_json
from core.values import check_seed

_VERSION = 1  # another number makes all layouts anew
FIT_LIMIT = 200_000  # a larger pool is fitted on a sample
FIT_ROWS = 100_000  # of that sample; its neighbours take the most time, with the square of it
_NEIGHBORS = 14  # with the row itself the 15 that are umap-learn's default
_ROUNDS = 500  # as in umap-learn, whose 200 for a large pool leave neighbours still coming together
_FEW_ROUNDS = 300
_ROUND_ROWS = 15_000  # rows up to which all rounds are done
_PLACED_ROUNDS = 50
_PLACED_ROWS = 100_000  # placed together
_START = 10.0  # half the width of the start, as in umap-learn
_PCA_ROWS = 50_000
_TRUST_NEIGHBORS = 15
_TRUST_ROWS = 1_000  # the mean is then known to about 0.003
_TRUST_CELLS = 1 << 26  # 256 MB of distances at a time
_EDGE = 0.99  # share of the rows whose distances from the middle stay as they are
_RIM = 0.15  # of their radius: the width of the ring for the others


@dataclass(frozen=True)
class LayoutReport:
    """What `lay_out` did.

    Attributes
    ----------
    trustworthiness : in [0, 1], see `trustworthiness`; 15 neighbours, measured on a sample.
    fitted : rows that UMAP itself laid out; the others were placed among them.
    """

    rows: int
    trustworthiness: float
    seconds: float
    fingerprint: str
    fitted: int


def lay_out(project: Project, *, seed: int = 0, progress: Progress = silent) -> LayoutReport:
    """Lay the rows of the features in use out in the plane, and store that.

    Raises
    ------
    InputError
        No features yet, or the seed is out of range.
    BusyError
        Another process writes to the project.
    """
    started = time.perf_counter()
    check_seed(seed)
    with project.writing("map"):
        features = load_features(project)
        name = fingerprint("layout", _VERSION, features.fingerprint, seed)
        path = project.artefact("layout", f"{name}.npy")
        told = path.with_suffix(".json")
        if path.is_file() and told.is_file():
            meta = json.loads(told.read_text(encoding="utf-8"))
        else:
            layout = layout_vectors(features.vectors, seed=seed, progress=progress)
            progress(0, 0, "measuring the map")
            trust = trustworthiness(features.vectors, layout.points, seed=seed)
            meta = {
                "features": features.fingerprint,
                "seed": seed,
                "rows": len(layout.points),
                "fitted": layout.fitted,
                "recall": layout.recall,
                "trustworthiness": round(trust, 4),
            }
            with atomic_file(path) as temporary, temporary.open("wb") as out:
                np.save(out, layout.points)
            write_json(told, meta)
        project.point(f"layout:{features.fingerprint}", name)
    seconds = round(time.perf_counter() - started, 3)
    return LayoutReport(meta["rows"], meta["trustworthiness"], seconds, name, meta["fitted"])


def load_layout(project: Project) -> NDArray[np.float32] | None:
    """Return the points of the features in use, shape (rows, 2); None when there are none.

    Raises
    ------
    InputError
        The file is damaged.
    """
    features = project.pointer("features")
    name = project.pointer(f"layout:{features}") if features else None
    if name is None:
        return None
    path = project.artefact("layout", f"{name}.npy")
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        again = command("map", project.root)
        raise InputError(f"The map in {path} is damaged; delete it and run {again}.") from None


@dataclass(frozen=True)
class Layout:
    """Rows in the plane.

    Attributes
    ----------
    points : float32 ndarray of shape (n_rows, 2)
        In the unit disc about the middle of the map, see `frame`.
    fitted : int
        Rows that UMAP itself laid out.
    recall : float
        Share of the true neighbours by which the others were placed, on a sample; 1.0 if all
        were fitted.
    """

    points: NDArray[np.float32]
    fitted: int
    recall: float


def layout_vectors(vectors: NDArray[Any], *, seed: int = 0, progress: Progress = silent) -> Layout:
    """Lay unit vectors out in the plane. The same seed gives the same bytes on one machine.

    Parameters
    ----------
    vectors : ndarray of shape (n_rows, dim)
        Unit norm, any float type; a memory map will do.

    Notes
    -----
    Rows beyond `FIT_LIMIT` are not fitted but placed: each starts at the mean of its nearest
    fitted rows, weighted by strength, and is then moved among the fitted rows, which stay, by the
    same gradient. The mean alone would put a row between two groups that both hold some of its
    neighbours, where nothing is; the gradient takes it into one of them, and holds it off the
    points it would lie on.
    """
    n = len(vectors)
    if n < 4:
        # Three points lie in a plane as they are.
        return Layout(frame(_principal(np.asarray(vectors, np.float32), seed)), n, 1.0)
    if n <= FIT_LIMIT:
        return Layout(frame(_fit(np.asarray(vectors, np.float32), seed, progress)), n, 1.0)
    chosen = np.sort(np.random.default_rng(seed).choice(n, FIT_ROWS, replace=False))
    fitted = np.asarray(vectors[chosen], np.float32)
    points = np.empty((n, 2), np.float32)
    points[chosen] = _fit(fitted, seed, progress)
    recall = _place(vectors, chosen, fitted, points, seed, progress)
    return Layout(frame(points), FIT_ROWS, recall)


def trustworthiness(
    vectors: NDArray[Any],
    points: NDArray[Any],
    *,
    neighbors: int = _TRUST_NEIGHBORS,
    rows: int = _TRUST_ROWS,
    seed: int = 0,
) -> float:
    """Say how far the neighbours on the map are neighbours in truth: 1 is all, 0.5 chance.

    1 − 2 / (n k (2n − 3k − 1)) · Σ_i Σ_j max(0, r(i, j) − k) over the k nearest points j of each
    point i, r being the rank of j among the neighbours of i by vector (Venna and Kaski 2001; as
    `sklearn.manifold.trustworthiness`). Here i runs over a seeded sample while j and the ranks are
    those of all rows, so that the mean is that of the whole within its error.

    Parameters
    ----------
    vectors : ndarray of shape (n_rows, dim)
    points : ndarray of shape (n_rows, 2)
    neighbors : int, default=15
        k; cut to less than half of the rows.
    rows : int, default=1000
        Size of the sample.
    """
    n = len(vectors)
    k = min(neighbors, (n - 1) // 2)
    if k < 1:
        return 1.0
    chosen = np.sort(np.random.default_rng(seed).choice(n, min(rows, n), replace=False))
    step = max(1, _TRUST_CELLS // n)
    ranks = [
        _ranks(vectors, points, chosen[at : at + step], k) for at in range(0, len(chosen), step)
    ]
    penalty = np.maximum(np.concatenate(ranks) - k, 0).sum()
    return float(1 - 2 * penalty / (len(chosen) * k * (2 * n - 3 * k - 1)))


def _ranks(
    vectors: NDArray[Any], points: NDArray[Any], rows: NDArray[np.int64], k: int
) -> NDArray[np.int64]:
    """Ranks by vector, from 1, of the `k` nearest points of each row."""
    from scipy.spatial import KDTree

    n = len(vectors)
    queries = np.asarray(vectors[rows], np.float32)
    apart = np.empty((len(rows), n), np.float32)
    for start in range(0, n, 16_384):
        part = np.asarray(vectors[start : start + 16_384], np.float32)
        norms = np.einsum("ij,ij->i", part, part)
        apart[:, start : start + len(part)] = norms - 2 * (queries @ part.T)
    apart[np.arange(len(rows)), rows] = np.inf
    found = KDTree(points).query(points[rows], k + 1)[1]
    others = found != rows[:, None]
    others[others.all(axis=1), -1] = False  # copies crowded the row itself out
    near = np.take_along_axis(apart, found[others].reshape(len(rows), k), axis=1)
    ranks = np.empty((len(rows), k), np.int64)
    for at, own in enumerate(apart):
        nearer = np.sort(own[own < near[at].max()])
        ranks[at] = np.searchsorted(nearer, near[at]) + 1
    return ranks


def frame(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fit points into the unit disc so that a few far ones do not squeeze the rest.

    Distances from the middle (the median) are scaled so that 99 % of the rows keep their
    proportions; beyond them they grow more and more slowly, so that the outermost rows share a
    ring of 15 % of that radius. Directions and the order of the distances stay.
    """
    if not len(points):
        return points.astype(np.float32)
    centered = points.astype(np.float64) - np.median(points, axis=0)
    radius = np.hypot(centered[:, 0], centered[:, 1])
    inner = np.quantile(radius, _EDGE) or radius.max() or 1.0
    share = radius / inner
    over = np.maximum(share - 1, 0)
    shrunk = np.minimum(share, 1) + _RIM * over / (_RIM + over)
    factor = np.divide(shrunk, radius, out=np.zeros_like(radius), where=radius > 0)
    return (centered * (factor / max(shrunk.max(), 1.0))[:, None]).astype(np.float32)


def _fit(vectors: NDArray[np.float32], seed: int, progress: Progress) -> NDArray[np.float32]:
    from core.graph_search import neighbor_graph
    from core.umap_sgd import fuzzy_graph, optimise

    n = len(vectors)
    near = neighbor_graph(vectors, min(_NEIGHBORS, n - 1), seed=seed, progress=progress)
    # The cosine distance of unit vectors is half of the squared distance.
    graph = fuzzy_graph(near.indices, near.distances**2 / 2)
    start = _principal(vectors, seed)
    start *= np.float32(_START / max(float(np.abs(start).max()), 1e-12))
    # Copies would start, and stay, in one point.
    start += np.random.default_rng(seed).normal(0, 1e-3, start.shape).astype(np.float32)
    rounds = int(np.clip(_ROUNDS * _ROUND_ROWS / n, _FEW_ROUNDS, _ROUNDS))
    return optimise(graph, start, rounds, seed=seed, progress=progress)


def _principal(vectors: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """First two principal components, signed so that their largest loadings are positive."""
    rng = np.random.default_rng(seed)
    n, dim = vectors.shape
    sample = vectors[np.sort(rng.choice(n, min(n, _PCA_ROWS), replace=False))]
    center = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    covariance = (sample - center).T @ (sample - center)
    axes = np.linalg.eigh(covariance.astype(np.float64))[1][:, ::-1][:, :2]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    points = np.zeros((n, 2), np.float32)
    points[:, : min(dim, 2)] = (vectors - center) @ axes.astype(np.float32)
    return points


def _place(
    vectors: NDArray[Any],
    chosen: NDArray[np.int64],
    fitted: NDArray[np.float32],
    points: NDArray[np.float32],
    seed: int,
    progress: Progress,
) -> float:
    """Put the rows that were not fitted among those that were; return the recall of the search."""
    from core.umap_sgd import Graph, memberships, optimise

    search = _Search(fitted, seed)
    rest = np.setdiff1d(np.arange(len(vectors)), chosen, assume_unique=True)
    anchors = points[chosen]
    for start in range(0, len(rest), _PLACED_ROWS):
        rows = rest[start : start + _PLACED_ROWS]
        indices, distances = search(np.asarray(vectors[rows], np.float32))
        strengths = memberships(distances**2 / 2)
        weights = strengths / strengths.sum(axis=1, keepdims=True)
        begin = np.einsum("rk,rkc->rc", weights, anchors[indices])
        edges = np.arange(0, indices.size + 1, indices.shape[1])
        graph = Graph(edges, indices.ravel().astype(np.int32), strengths.ravel())
        points[rows] = optimise(
            graph, begin, _PLACED_ROUNDS, seed=seed + 1 + start, anchors=anchors, rate=0.25
        )
        progress(start + len(rows), len(rest), "placing rows")
    sample = np.sort(np.random.default_rng(seed).choice(rest, min(500, len(rest)), replace=False))
    return search.recall(np.asarray(vectors[sample], np.float32))


class _Search:
    """Nearest fitted rows: exact on CUDA, else an inverted file (0.9 or more of the true ones)."""

    def __init__(self, fitted: NDArray[np.float32], seed: int) -> None:
        self.fitted, self.k = fitted, min(_NEIGHBORS, len(fitted))
        self.index: Any = None
        if resolve_device("auto") == "cpu":
            import faiss

            lists = max(1, int(2 * np.sqrt(len(fitted))))
            kmeans = faiss.Kmeans(
                fitted.shape[1],
                lists,
                niter=5,
                seed=faiss_seed(seed + 1),
                max_points_per_centroid=64,
            )
            kmeans.train(fitted[: 64 * lists * 4 : 4] if len(fitted) > 256 * lists else fitted)
            self.index = faiss.IndexIVFFlat(kmeans.index, fitted.shape[1], lists)
            self.index.is_trained, self.index.nprobe = True, max(8, lists // 50)
            self.index.add(fitted)

    def __call__(self, queries: NDArray[np.float32]) -> tuple[Any, Any]:
        if self.index is None:
            near = exact_neighbors(queries, self.fitted, self.k)
            return near.indices, near.distances
        squared, indices = self.index.search(queries, self.k)
        # Where the lists that were read held too few rows, the nearest stands for the others.
        missing = indices < 0
        indices = np.where(missing, indices[:, :1], indices)
        return indices, np.sqrt(np.where(missing, squared[:, :1], np.maximum(squared, 0)))

    def recall(self, queries: NDArray[np.float32]) -> float:
        if self.index is None:
            return 1.0
        truth = exact_neighbors(queries, self.fitted, self.k).indices
        found = self(queries)[0]
        hits = [len(np.intersect1d(a, b)) for a, b in zip(truth, found, strict=True)]
        return round(float(np.mean(hits)) / self.k, 4)
