"""Clusters: k-means on unit vectors, with a title, keywords and example rows for each."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from core.errors import InputError, command
from core.features import load_features
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project, atomic_folder, fingerprint
from core.titles import title_clusters

_VERSION = 2  # another number makes all clusters anew
_ITERATIONS = 20  # k-means of text has settled by then
_TRAINING_ROWS = 256  # a centroid; more rows move it by less than another seed would
_START_ROWS = 32  # for each centroid, among which the first ones are drawn
_STARTS, _SMALL_WORK = 4, 2e7
_SPLIT = 0.2
_REPAIRS, _TINY = 2, 0.02  # a cluster with less than this share of the mean size is moved
_BLOCK = 16_384
_EXAMPLES = 5  # central and border rows of a cluster
_SILHOUETTE_ROWS = 2_048  # the mean is then known to about 0.005
_SEARCH_ROWS = 20_000
_SEARCH_STEPS = 8
_MOST_CLUSTERS = 512  # more titles than that nobody reads


@dataclass(frozen=True)
class ClustersReport:
    """What `cluster` did; `silhouette` is cosine silhouette in [-1, 1] on a sample."""

    k: int
    silhouette: float
    sizes: tuple[int, ...]
    titles: tuple[str, ...]
    seconds: float
    fingerprint: str


@dataclass(frozen=True)
class Clusters:
    """The clusters of the features in use, numbered 0 … k - 1.

    Attributes
    ----------
    labels : int32 of shape (rows,)
    centroids : float32 of shape (k, dim), unit norm
    titles, keywords, sizes : one for each cluster; no two titles are alike
    central, border : rows nearest to the centroid, and rows that nearly belong elsewhere
    """

    fingerprint: str
    labels: NDArray[np.int32]
    centroids: NDArray[np.float32]
    titles: list[str]
    keywords: list[list[str]]
    sizes: list[int]
    central: list[list[int]]
    border: list[list[int]]
    seed: int
    silhouette: float


def cluster(
    project: Project,
    *,
    k: int | Literal["auto"] = "auto",
    seed: int = 0,
    progress: Progress = silent,
) -> ClustersReport:
    """Group the pool's rows by their vectors.

    Parameters
    ----------
    k : number of clusters; "auto" takes the one with the best silhouette on a sample, among
        numbers between √rows / 4 and √rows.
    seed : of the first centroids and of the samples.

    Raises
    ------
    InputError
        No features yet, or `k` is below 1 or above the number of rows.
    BusyError
        Another process writes to the project.
    """
    started = time.perf_counter()
    with project.writing("cluster"):
        pool, features = Pool.open(project), load_features(project)
        vectors = features.vectors
        if k != "auto" and not 1 <= k <= len(vectors):
            raise InputError(
                f"The number of clusters must be from 1 to {len(vectors):,} (the rows), not {k}.",
                option="k",
            )
        chosen = choose_k(vectors, seed, progress) if k == "auto" else k
        name = fingerprint("clusters", _VERSION, features.fingerprint, chosen, seed)
        folder = project.artefact("clusters", name)
        if not (folder / "meta.json").is_file():
            _make(folder, pool, vectors, chosen, seed, progress)
        project.point(f"clusters:{features.fingerprint}", name)
        made = _read(folder)
    return ClustersReport(
        len(made.sizes),
        made.silhouette,
        tuple(made.sizes),
        tuple(made.titles),
        round(time.perf_counter() - started, 3),
        name,
    )


def load_clusters(project: Project) -> Clusters | None:
    """Open the clusters of the features in use; None when there are none."""
    features = project.pointer("features")
    name = project.pointer(f"clusters:{features}") if features else None
    return _read(project.artefact("clusters", name)) if name else None


def cluster_rows(project: Project, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of some clusters, ascending.

    Raises
    ------
    InputError
        There are no clusters yet, or not one of this number.
    """
    clusters = load_clusters(project)
    if clusters is None:
        raise InputError(
            f"{project.name} has no clusters yet; run {command('cluster', project.root)}."
        )
    unknown = numbers[numbers >= len(clusters.sizes)]
    if len(unknown):
        last = len(clusters.sizes) - 1
        raise InputError(f"There is no cluster {unknown[0]}; the clusters are 0 to {last}.")
    return np.flatnonzero(np.isin(clusters.labels, numbers))


def kmeans(vectors: NDArray[Any], k: int, seed: int, *, quick: bool = False) -> NDArray[np.float32]:
    """Find `k` centroids of unit vectors by spherical k-means.

    Parameters
    ----------
    vectors : ndarray of shape (rows, dim), unit norm; rows >= k
    quick : half the iterations, and clusters of next to no rows stay; enough to judge a k.

    Returns
    -------
    ndarray of float32, shape (k, dim), unit norm
        The same for the same arguments.
    """
    rng = np.random.default_rng(seed)
    most = k * _TRAINING_ROWS
    if len(vectors) > most:
        vectors = vectors[np.sort(rng.choice(len(vectors), most, replace=False))]
    training = np.ascontiguousarray(vectors, np.float32)
    # A small pool is done so soon that the best of several starts costs nothing.
    iterations = _ITERATIONS // 2 if quick else _ITERATIONS
    starts = _STARTS if training.size * k <= _SMALL_WORK else 1
    tried = [_train(training, _spread(training, k, rng), iterations) for _ in range(starts)]
    centroids = max(tried, key=lambda one: one[1])[0]
    for _ in range(0 if quick else _REPAIRS):
        moved = _move_tiny(training, centroids, rng)
        if moved is None:
            break
        centroids = _train(training, moved, iterations // 4)[0]
    return centroids


def _train(
    training: NDArray[np.float32], start: NDArray[np.float32], iterations: int
) -> tuple[NDArray[np.float32], float]:
    """Centroids after some iterations from `start`, and the sum of cosines with them."""
    import faiss

    model = faiss.Kmeans(
        training.shape[1],
        len(start),
        niter=iterations,
        seed=1,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=len(training),
    )
    model.train(training, init_centroids=start)
    centroids = np.array(model.centroids, np.float32)
    norms = np.linalg.norm(centroids, axis=1, keepdims=True)
    centroids /= np.where(norms == 0, np.float32(1), norms)
    return centroids, float(np.asarray(model.obj)[-1])


def _spread(training: NDArray[np.float32], k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Start from rows far from one another: k-means++ (Arthur and Vassilvitskii 2007)."""
    most = _START_ROWS * k
    if len(training) > most:
        training = training[np.sort(rng.choice(len(training), most, replace=False))]
    chosen = np.empty(k, np.int64)
    chosen[0] = rng.integers(len(training))
    # Half of the squared distance of unit vectors, by which k-means++ draws.
    apart = np.full(len(training), np.inf)
    for number in range(1, k):
        cosines = training @ training[chosen[number - 1]]
        apart = np.minimum(apart, np.maximum(1.0 - cosines, 0.0))
        apart[chosen[number - 1]] = 0.0
        heaped = np.cumsum(apart)
        if heaped[-1] <= 0:  # only copies of what is chosen are left
            rest = np.setdiff1d(np.arange(len(training)), chosen[:number])
            chosen[number:] = rest[: k - number]
            break
        chosen[number] = np.searchsorted(heaped, rng.random() * heaped[-1], side="right")
    return np.ascontiguousarray(training[chosen])


def _move_tiny(
    training: NDArray[np.float32], centroids: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32] | None:
    """Move the centroids of next to no rows into the clusters that are worst described.

    Returns None when there are none: a handful of odd rows is not worth a title.
    """
    labels, nearness, _ = _assign(training, centroids, silent)
    k = len(centroids)
    sizes = np.bincount(labels, minlength=k)
    tiny = np.flatnonzero(sizes < len(training) / k * _TINY)
    if not len(tiny) or k < 2:
        return None
    cost = np.bincount(labels, weights=1 - nearness, minlength=k)
    moved = centroids.copy()
    for number in tiny:
        worst = int(cost.argmax())
        towards = training[rng.choice(np.flatnonzero(labels == worst))] - centroids[worst]
        # A row itself would win only itself: it is farther from the others than their mean is.
        moved[number] = centroids[worst] + _SPLIT * towards
        moved[number] /= np.linalg.norm(moved[number])
        cost[worst] /= 2
    return moved


def choose_k(vectors: NDArray[Any], seed: int, progress: Progress = silent) -> int:
    """Return the number of clusters with the best silhouette on a sample."""
    rows = len(vectors)
    low, high = max(2, round(rows**0.5 / 4)), min(round(rows**0.5), _MOST_CLUSTERS)
    if high <= low:
        return max(1, min(rows, low))
    rng = np.random.default_rng(seed)
    sample = vectors
    if rows > _SEARCH_ROWS:
        sample = vectors[np.sort(rng.choice(rows, _SEARCH_ROWS, replace=False))]
    sample = np.asarray(sample, np.float32)
    tried = sorted({round(k) for k in np.geomspace(low, high, _SEARCH_STEPS)})
    scores = []
    for step, k in enumerate(tried):
        progress(step, len(tried), "choosing the number of clusters")
        centroids = kmeans(sample, k, seed, quick=True)
        scores.append(silhouette(sample, (sample @ centroids.T).argmax(axis=1), seed))
    return tried[int(np.argmax(scores))]


def silhouette(vectors: NDArray[Any], labels: NDArray[Any], seed: int) -> float:
    """Mean cosine silhouette (Rousseeuw 1987) of a sample; 0.0 where it is not defined."""
    from sklearn.metrics import silhouette_score

    rng = np.random.default_rng(seed)
    count = min(_SILHOUETTE_ROWS, len(vectors))
    rows = np.sort(rng.choice(len(vectors), count, replace=False))
    kinds = len(np.unique(labels[rows]))
    if not 1 < kinds < count:
        return 0.0
    return float(
        silhouette_score(np.asarray(vectors[rows], np.float32), labels[rows], metric="cosine")
    )


def _make(
    folder: Path, pool: Pool, vectors: NDArray[Any], k: int, seed: int, progress: Progress
) -> None:
    progress(0, 0, "finding clusters")
    centroids = kmeans(vectors, k, seed)
    labels, nearness, margin = _assign(vectors, centroids, progress)
    _fill_empty(labels, nearness, k)
    rows = [np.flatnonzero(labels == number) for number in range(k)]
    progress(0, 0, "naming clusters")
    names = title_clusters(pool, rows, seed, centroids)
    table = pa.table(
        {
            "size": [len(one) for one in rows],
            "title": names.titles,
            "keywords": names.keywords,
            "central": [_best(one, nearness) for one in rows],
            "border": [_best(one, -margin) for one in rows],
        }
    )
    score = silhouette(vectors, labels, seed)
    with atomic_folder(folder) as temporary:
        np.save(temporary / "centroids.npy", centroids)
        np.save(temporary / "labels.npy", labels)
        pq.write_table(table, temporary / "clusters.parquet")
        meta = {"seed": seed, "k": k, "silhouette": round(score, 4)}
        (temporary / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _assign(
    vectors: NDArray[Any], centroids: NDArray[np.float32], progress: Progress
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Label of each row, its cosine with the centroid, and its lead over the next centroid."""
    labels = np.empty(len(vectors), np.int32)
    nearness = np.empty(len(vectors), np.float32)
    margin = np.empty(len(vectors), np.float32)
    for start, block in _blocks(vectors):
        cosines = block @ centroids.T
        here = slice(start, start + len(block))
        labels[here] = cosines.argmax(axis=1)
        two = min(2, cosines.shape[1])
        top = np.sort(np.partition(cosines, -two, axis=1)[:, -two:], axis=1)
        nearness[here] = top[:, -1]
        # With one cluster, how far it is from no longer belonging to it.
        margin[here] = top[:, -1] - top[:, 0] if two == 2 else top[:, -1]
        progress(start + len(block), len(vectors), "assigning rows to clusters")
    return labels, nearness, margin


def _blocks(vectors: NDArray[Any]) -> Iterator[tuple[int, NDArray[np.float32]]]:
    for start in range(0, len(vectors), _BLOCK):
        yield start, np.asarray(vectors[start : start + _BLOCK], np.float32)


def _fill_empty(labels: NDArray[np.int32], nearness: NDArray[np.float32], k: int) -> None:
    """Give each empty cluster the row that fits worst where it is: `k` was asked for."""
    sizes = np.bincount(labels, minlength=k)
    worst = iter(np.argsort(nearness, kind="stable"))
    for number in np.flatnonzero(sizes == 0):
        row = next(row for row in worst if sizes[labels[row]] > 1)
        sizes[labels[row]] -= 1
        labels[row] = number
        sizes[number] = 1


def _best(rows: NDArray[np.int64], score: NDArray[np.float32]) -> list[int]:
    order = np.argsort(-score[rows], kind="stable")[:_EXAMPLES]
    return [int(row) for row in rows[order]]


def _read(folder: Path) -> Clusters:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        table = pq.read_table(folder / "clusters.parquet").to_pydict()
        return Clusters(
            folder.name,
            np.load(folder / "labels.npy", allow_pickle=False),
            np.load(folder / "centroids.npy", allow_pickle=False),
            table["title"],
            table["keywords"],
            table["size"],
            table["central"],
            table["border"],
            meta["seed"],
            meta["silhouette"],
        )
    except (OSError, ValueError, KeyError, pa.ArrowException):
        raise InputError(f"The clusters in {folder} are damaged; delete that folder.") from None
