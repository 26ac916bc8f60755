"""The exact neighbours of a large pool among themselves, faster than brute force.

Import it where it is needed only: numba takes a second, and compiles its kernels at the first use
(they are then cached beside the source).
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from core.devices import resolve_device
from core.kmeans import faiss_seed
from core.neighbors import Neighbors, exact_neighbors
from core.progress import Progress, silent
from core.tile_scan import pairs_within

_SMALL = 8_000  # rows up to which brute force is done sooner
_PROBES = 6  # lists that the rough search reads


def neighbor_graph(
    vectors: np.ndarray, k: int, *, device: str = "auto", seed: int = 0, progress: Progress = silent
) -> Neighbors:
    """Find the `k` nearest other rows of every row, exactly.

    Parameters
    ----------
    vectors : ndarray of shape (n_rows, dim)
        Any float type; compared in float32.
    k : int
        How many; cut to n_rows − 1.
    device : {"auto", "cpu", "cuda"}, default="auto"
        On CUDA brute force is the fastest.
    seed : int, default=0
        Of the rough first search. The answer does not depend on it.

    Returns
    -------
    Neighbors
        As `exact_neighbors(vectors, vectors, k, exclude_self=True)` gives.

    Raises
    ------
    InputError
        As `exact_neighbors`.

    Notes
    -----
    Two savings, both exact. (1) Pairs are ruled out by each row's distance to its k-th neighbour in
    a rough search (an inverted file), which can only be too large: see `core.tile_scan`. (2) Each
    pair is looked at once, for both of its rows.

    Memory beyond the rows: them in float32, m / dim of that again, and 100 MB.
    """
    if len(vectors) <= _SMALL or k >= 256 or resolve_device(device) == "cuda":
        return exact_neighbors(
            vectors, vectors, k, exclude_self=True, device=device, progress=progress
        )
    state = _rough(np.asarray(vectors, np.float32), k, seed, progress)
    for done, tiles, found in pairs_within(state.rows, state.reach, seed):
        for part in found:
            _keep(part.pairs, part.squared, state.order, state.reach, state.found, state.squared)
        if done % 16 == 0 or done == tiles:
            progress(done, tiles, "finding neighbours")
    indices = np.empty(state.found.shape, np.int64)
    distances = np.empty(state.squared.shape, np.float32)
    indices[state.order] = state.found
    distances[state.order] = np.sqrt(state.squared)
    return Neighbors(indices, distances)


@dataclass(frozen=True)
class _State:
    """The rows in the order of their rough clusters, so that neighbours lie close in memory."""

    order: np.ndarray  # int64 (n,), where each row was
    rows: np.ndarray  # float32 (n, dim)
    reach: np.ndarray  # float32 (n,), squared distance within which all neighbours lie
    found: np.ndarray  # int64 (n, k), original rows, nearest first
    squared: np.ndarray  # float32 (n, k)


def _rough(vectors: np.ndarray, k: int, seed: int, progress: Progress) -> _State:
    """Search an inverted file: its k-th distance is an upper bound of the true one."""
    import faiss

    n, dim = vectors.shape
    lists = int(2 * np.sqrt(n))
    sample = np.random.default_rng(seed).choice(n, min(n, 64 * lists), replace=False)
    kmeans = faiss.Kmeans(dim, lists, niter=5, seed=faiss_seed(seed), max_points_per_centroid=64)
    kmeans.train(vectors[np.sort(sample)])
    order = np.argsort(kmeans.index.search(vectors, 1)[1][:, 0], kind="stable")
    rows = np.ascontiguousarray(vectors[order])
    index = faiss.IndexIVFFlat(kmeans.index, dim, lists)
    index.is_trained = True
    index.add(rows)
    index.nprobe = _PROBES
    reach = np.empty(n, np.float32)
    for start in range(0, n, 8192):
        # One more: a row finds itself.
        distances, _ = index.search(rows[start : start + 8192], k + 1)
        reach[start : start + 8192] = distances[:, k]
        progress(min(start + 8192, n), n, "finding rough neighbours")
    reach = np.minimum(reach, np.float32(1e37)) * np.float32(1 + 1e-4)
    found = np.full((n, k), n, np.int64)
    return _State(order, rows, reach, found, np.full((n, k), np.inf, np.float32))


@numba.njit(nogil=True, cache=True)
def _keep(
    pairs: NDArray[Any],
    values: NDArray[Any],
    order: NDArray[Any],
    reach: NDArray[Any],
    found: NDArray[Any],
    squared: NDArray[Any],
) -> None:
    """Put the pairs into the lists of both of their rows; the reach shrinks as they fill."""
    k = found.shape[1]
    for p in range(len(pairs)):
        value = values[p]
        for side in range(2):
            i = pairs[p, side]
            row = order[pairs[p, 1 - side]]
            last = squared[i, k - 1]
            if value > last or (value == last and row > found[i, k - 1]):
                continue
            at = k - 1
            while at > 0 and (
                squared[i, at - 1] > value
                or (squared[i, at - 1] == value and found[i, at - 1] > row)
            ):
                squared[i, at] = squared[i, at - 1]
                found[i, at] = found[i, at - 1]
                at -= 1
            squared[i, at] = value
            found[i, at] = row
            reach[i] = min(reach[i], squared[i, k - 1])
