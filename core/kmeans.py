"""k-means over NumPy arrays: on the sphere for clusters, and as given for plain arrays."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.progress import Progress, silent

_ITERATIONS = 20  # k-means of text has settled by then
_TRAINING_ROWS = 256  # a centroid; more rows move it by less than another seed would
_START_ROWS = 32  # for each centroid, among which the first ones are drawn
_STARTS, _SMALL_WORK = 4, 2e7
_SPLIT = 0.2
_REPAIRS, _TINY = 2, 0.02  # a cluster with less than this share of the mean size is moved
_BLOCK = 16_384


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
    training = _training(vectors, k, rng)
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


def kmeans_labels(vectors: NDArray[Any], k: int, seed: int) -> NDArray[np.int64]:
    """Group vectors as they are (L2, not on the sphere) by k-means.

    Parameters
    ----------
    vectors : ndarray of shape (rows, dim); rows >= k

    Returns
    -------
    ndarray of int64, shape (rows,)
        Numbers below `k`, the same for the same arguments.
    """
    import faiss

    model = faiss.Kmeans(
        vectors.shape[1],
        k,
        niter=_ITERATIONS,
        seed=faiss_seed(seed),
        min_points_per_centroid=1,
        max_points_per_centroid=_TRAINING_ROWS,
    )
    model.train(_training(vectors, k, np.random.default_rng(seed)))
    found = [model.index.search(np.ascontiguousarray(b), 1)[1][:, 0] for _, b in _blocks(vectors)]
    return np.concatenate(found)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let faiss use one thread, in this thread of Python: small work waits longer for others."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def faiss_seed(seed: int) -> int:
    """The seed as faiss takes it: an int32, to which it adds 1."""
    return seed % (2**31 - 1)


def _training(vectors: NDArray[Any], k: int, rng: np.random.Generator) -> NDArray[np.float32]:
    most = k * _TRAINING_ROWS
    if len(vectors) > most:
        vectors = vectors[np.sort(rng.choice(len(vectors), most, replace=False))]
    return np.ascontiguousarray(vectors, np.float32)


def assign(
    vectors: NDArray[Any], centroids: NDArray[np.float32], progress: Progress
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Label of each unit vector, its cosine with the centroid, and its lead over the next one.

    Each is of shape (rows,): int32, float32 and float32.
    """
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
    labels, nearness, _ = assign(training, centroids, silent)
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
