"""UMAP's graph and its optimisation, seeded and the same on any number of threads.

Import it where it is needed only: numba takes a second, and compiles the kernel at the first use
(it is then cached beside the source).
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from core.progress import Progress, silent

# The curve 1 / (1 + a d^2b) that umap-learn fits for its defaults, min_dist 0.1 and spread 1.
CURVE_A = 1.5769434601962196
CURVE_B = 0.8950608779914887
_NEGATIVES = 5  # random rows that push a row away for each neighbour that pulls it
_LARGEST_STEP = np.float32(4)
_BANDWIDTH_FLOOR = 1e-3  # of the mean distance, as in umap-learn
_MANTISSA = 7  # bits of a squared distance that the tables tell apart: steps of 0.8 %


@dataclass(frozen=True)
class Graph:
    """Neighbours with the strengths of their edges, row by row (CSR).

    Attributes
    ----------
    starts : int64 ndarray of shape (n_rows + 1,)
    neighbors : int32 ndarray of shape (n_edges,)
    strengths : float32 ndarray of shape (n_edges,), in (0, 1]
    """

    starts: np.ndarray
    neighbors: np.ndarray
    strengths: np.ndarray


def memberships(distances: np.ndarray) -> np.ndarray:
    """Turn distances to neighbours into strengths: exp(−(d − ρ) / σ), with UMAP's ρ and σ.

    ρ is a row's smallest distance above zero, σ such that its strengths sum to log2(k + 1): its
    neighbours and itself are the k + 1 that umap-learn calls `n_neighbors`.

    Parameters
    ----------
    distances : float32 ndarray of shape (n_rows, k)
        Nearest first, the row itself left out.

    Returns
    -------
    float32 ndarray of shape (n_rows, k)
    """
    d = distances.astype(np.float64)
    above = np.where(d > 0, d, np.inf).min(axis=1)
    rho = np.where(np.isfinite(above), above, 0.0)[:, None]
    beyond = np.maximum(d - rho, 0)
    target = np.log2(d.shape[1] + 1)
    low, high = np.zeros(len(d)), np.full(len(d), np.inf)
    sigma = np.ones(len(d))
    for _ in range(64):
        total = np.exp(-beyond / sigma[:, None]).sum(axis=1)
        if np.all(np.abs(total - target) < 1e-5):
            break
        high = np.where(total > target, sigma, high)
        low = np.where(total > target, low, sigma)
        sigma = np.where(np.isinf(high), sigma * 2, (low + high) / 2)
    row_mean = d.mean(axis=1)
    floor = np.where(rho[:, 0] > 0, row_mean, d.mean()) * _BANDWIDTH_FLOOR
    sigma = np.maximum(np.maximum(sigma, floor), np.finfo(np.float64).tiny)
    return np.exp(-beyond / sigma[:, None]).astype(np.float32)


def fuzzy_graph(indices: np.ndarray, distances: np.ndarray) -> Graph:
    """Join the strengths of both directions, w + w' − w·w', as UMAP does (McInnes et al. 2018).

    Parameters
    ----------
    indices : int64 ndarray of shape (n_rows, k)
    distances : float32 ndarray of shape (n_rows, k)
    """
    from scipy import sparse

    n, k = indices.shape
    starts = np.arange(0, n * k + 1, k)
    shape = (n, n)
    one_way = sparse.csr_array((memberships(distances).ravel(), indices.ravel(), starts), shape)
    other = one_way.T.tocsr()
    joined = (one_way + other - one_way * other).tocsr()
    joined.sort_indices()
    return Graph(
        joined.indptr.astype(np.int64),
        joined.indices.astype(np.int32),
        joined.data.astype(np.float32),
    )


def optimise(
    graph: Graph,
    start: np.ndarray,
    epochs: int,
    *,
    seed: int,
    anchors: np.ndarray | None = None,
    rate: float = 1.0,
    progress: Progress = silent,
) -> np.ndarray:
    """Move the rows until neighbours are close and others are not: UMAP's sampled gradient.

    Each edge is drawn in every (strongest / strength)-th epoch; it pulls both its rows together
    and pushes them off `_NEGATIVES` random rows each. Unlike umap-learn a row moves only itself,
    towards where the others were at the start of the epoch (and twice, once for each end of the
    edge), with random numbers of its own. So threads cannot disturb each other, and the same seed
    gives the same bytes whatever their number.

    Parameters
    ----------
    graph : Graph
    start : float32 ndarray of shape (n_rows, 2)
    epochs : int
    anchors : float32 ndarray of shape (n_anchors, 2), optional
        Rows that stay where they are; `graph.neighbors` then counts among them, not the rows.
    rate : float, default=1.0
        Of the first epoch; it falls to zero linearly.

    Returns
    -------
    float32 ndarray of shape (n_rows, 2)
    """
    n, threads = len(start), min(os.cpu_count() or 1, 16)
    edges = [n * t // threads for t in range(threads + 1)]
    period = graph.strengths.max(initial=0) / np.maximum(graph.strengths, np.float32(1e-12))
    due = period.copy()
    pull, push = _tables()
    old, new = start.astype(np.float32), np.empty(start.shape, np.float32)
    with ThreadPoolExecutor(threads) as pool:
        for epoch in range(epochs):
            others = old if anchors is None else anchors
            jobs = [
                pool.submit(
                    _epoch, first, last, graph.starts, graph.neighbors, period, due, old, new,
                    others, anchors is None, np.float32(rate * (1 - epoch / epochs)),
                    np.float32(epoch + 1), np.uint64(seed * 1_000_003 + epoch), pull, push,
                )
                for first, last in pairwise(edges)
            ]  # fmt: skip
            for job in jobs:
                job.result()
            old, new = new, old
            if epoch % 10 == 9 or epoch == epochs - 1:
                progress(epoch + 1, epochs, "arranging the map")
    return old


_SHIFT = 23 - _MANTISSA
_FIRST = int(np.float32(2.0**-40).view(np.int32)) >> _SHIFT
_CELLS = (int(np.float32(2.0**40).view(np.int32)) >> _SHIFT) - _FIRST + 1


def _tables() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Strength of pull and push by squared distance, indexed by the top bits of the float.

    They hold a power each, which would be most of the time.
    """
    middle = (np.arange(_FIRST, _FIRST + _CELLS) << _SHIFT) + (1 << (_SHIFT - 1))
    squared = middle.astype(np.int32).view(np.float32).astype(np.float64)
    powered = squared**CURVE_B
    pull = -2 * CURVE_A * CURVE_B * powered / squared / (1 + CURVE_A * powered)
    push = 2 * CURVE_B / ((0.001 + squared) * (1 + CURVE_A * powered))
    return pull.astype(np.float32), push.astype(np.float32)


@numba.njit(nogil=True, cache=True, fastmath={"nnan", "nsz", "contract"})
def _epoch(
    first: int,
    last: int,
    starts: NDArray[Any],
    neighbors: NDArray[Any],
    period: NDArray[Any],
    due: NDArray[Any],
    old: NDArray[Any],
    new: NDArray[Any],
    others: NDArray[Any],
    same: bool,
    step: Any,
    epoch: Any,
    seed: Any,
    pull: NDArray[Any],
    push: NDArray[Any],
) -> None:
    """Move the rows from `first` to `last` for one epoch."""
    bits_f = np.empty(1, np.float32)
    bits_i = bits_f.view(np.int32)
    count = np.uint64(len(others))
    for i in range(first, last):
        x, y = old[i, 0], old[i, 1]
        # splitmix64, started anew for each row and epoch
        state = (seed * np.uint64(0x9E3779B97F4A7C15)) ^ (
            np.uint64(i + 1) * np.uint64(0xBF58476D1CE4E5B9)
        )
        for e in range(starts[i], starts[i + 1]):
            if due[e] > epoch:
                continue
            due[e] += period[e]
            j = neighbors[e]
            for _ in range(2 if same else 1):
                dx, dy = x - others[j, 0], y - others[j, 1]
                bits_f[0] = dx * dx + dy * dy
                cell = min(max((bits_i[0] >> _SHIFT) - _FIRST, 0), _CELLS - 1)
                factor = pull[cell]
                x += step * min(max(factor * dx, -_LARGEST_STEP), _LARGEST_STEP)
                y += step * min(max(factor * dy, -_LARGEST_STEP), _LARGEST_STEP)
            # All from where the row is now: one need not wait for the other.
            away_x = away_y = np.float32(0)
            for _ in range(_NEGATIVES):
                state += np.uint64(0x9E3779B97F4A7C15)
                z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                z ^= z >> np.uint64(31)
                j = np.int64(((z >> np.uint64(32)) * count) >> np.uint64(32))
                dx, dy = x - others[j, 0], y - others[j, 1]
                squared = dx * dx + dy * dy
                if squared == 0 or (same and j == i):
                    continue
                bits_f[0] = squared
                cell = min(max((bits_i[0] >> _SHIFT) - _FIRST, 0), _CELLS - 1)
                factor = push[cell]
                away_x += min(max(factor * dx, -_LARGEST_STEP), _LARGEST_STEP)
                away_y += min(max(factor * dy, -_LARGEST_STEP), _LARGEST_STEP)
            x += step * away_x
            y += step * away_y
        new[i, 0], new[i, 1] = x, y
