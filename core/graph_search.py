"""The exact neighbours of a large pool among themselves, faster than brute force.

Import it where it is needed only: numba takes a second, and compiles its kernels at the first use
(they are then cached beside the source).
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from core.devices import resolve_device
from core.kmeans import faiss_seed
from core.neighbors import Neighbors, exact_neighbors
from core.progress import Progress, silent

_SMALL = 8_000  # rows up to which brute force is done sooner
_BLOCK = 2_048  # rows of one tile of the product: 16 MB, so that calls cost little
_CHUNK = 32  # cells of a tile that are passed over together
_SAMPLE = 20_000  # rows that give the principal axes
_PROBES = 6  # lists that the rough search reads
# Rounding of the lower bound relative to the squared norms, with room: the product rounds by less
# than 1e-6 of them and the norm of the rest, taken from the rest itself, by less again.
_ROUNDING = 1e-5
# What the steps take for one pair and column, from two cores. Only speed depends on them.
_PRODUCT_SECONDS = 1.1e-11
_CHECK_SECONDS = 2e-10


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
    Three savings, all exact. (1) The distance of two rows in their first m principal coordinates
    and, as one coordinate more, the norm of the rest is never above their true distance, because
    (‖a‖ − ‖b‖)² ≤ ‖a − b‖² for the rests a and b. So a product of m + 1 columns rules out nearly
    all pairs, and only the others are computed in full. (2) They are ruled out by each row's
    distance to its k-th neighbour in a rough search (an inverted file), which can only be too
    large. (3) Each pair is looked at once, for both of its rows. m is the one that is cheapest on
    a sample.

    Memory beyond the rows: them in float32, m / dim of that again, and 100 MB.
    """
    if len(vectors) <= _SMALL or k >= 256 or resolve_device(device) == "cuda":
        return exact_neighbors(
            vectors, vectors, k, exclude_self=True, device=device, progress=progress
        )
    state = _rough(np.asarray(vectors, np.float32), k, seed, progress)
    _scan_tiles(state, _filter(state, seed), progress)
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


@dataclass(frozen=True)
class _Filter:
    """Coordinates whose distances are lower bounds, and half their squared norms less rounding."""

    coordinates: np.ndarray  # float32 (n, m + 1)
    halves: np.ndarray  # float32 (n,)


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


def _filter(state: _State, seed: int) -> _Filter:
    n, dim = state.rows.shape
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(n, min(n, _SAMPLE), replace=False))
    sample = state.rows[chosen]
    center = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    covariance = np.cov(sample - center, rowvar=False).reshape(dim, dim)
    axes = np.linalg.eigh(covariance)[1][:, ::-1].astype(np.float32)
    trial = rng.permutation(len(chosen))[:4096]
    half_reach = 0.5 * state.reach[chosen[trial]]
    best, least = dim - 1, np.inf
    for share in (0.25, 0.375, 0.5, 0.75, 1.0):
        # A multiple of 8 columns in all.
        m = min(dim, max(8, round(dim * share / 8) * 8)) - 1
        part = _project(sample[trial], center, axes[:, :m])
        bound = part.coordinates[:128] @ part.coordinates.T
        bound += np.maximum(half_reach[:128, None], half_reach)
        left = (bound >= part.halves[:128, None] + part.halves).mean()
        seconds = _PRODUCT_SECONDS * (m + 1) + _CHECK_SECONDS * dim * left
        if seconds < least:
            best, least = m, seconds
    return _project(state.rows, center, axes[:, :best])


def _project(rows: np.ndarray, center: np.ndarray, axes: np.ndarray) -> _Filter:
    m = axes.shape[1]
    coordinates = np.empty((len(rows), m + 1), np.float32)
    for start in range(0, len(rows), 16_384):
        rest = rows[start : start + 16_384] - center
        head = rest @ axes
        rest -= head @ axes.T
        coordinates[start : start + len(rest), :m] = head
        coordinates[start : start + len(rest), m] = np.sqrt(np.einsum("ij,ij->i", rest, rest))
    squares = np.einsum("ij,ij->i", coordinates, coordinates)
    return _Filter(coordinates, squares * np.float32(0.5 * (1 - _ROUNDING)))


def _scan_tiles(state: _State, filtered: _Filter, progress: Progress) -> None:
    import torch

    n, threads = len(state.rows), min(os.cpu_count() or 1, 8)
    edges = [_BLOCK * t // threads for t in range(threads + 1)]
    strips = [slice(first, last) for first, last in pairwise(edges)]
    # Room for every pair of a strip: never too small.
    pairs = [np.empty((_BLOCK * (s.stop - s.start), 2), np.int32) for s in strips]
    values = [np.empty(len(pair), np.float32) for pair in pairs]
    coordinates = torch.from_numpy(filtered.coordinates)
    tile = torch.empty((_BLOCK, _BLOCK))
    tiles = [(top, left) for top in range(0, n, _BLOCK) for left in range(top, n, _BLOCK)]
    with ThreadPoolExecutor(threads) as pool, torch.inference_mode():
        for done, (top, left) in enumerate(tiles, 1):
            a, b = coordinates[top : top + _BLOCK], coordinates[left : left + _BLOCK]
            product = tile[: len(a), : len(b)]
            torch.mm(a, b.T, out=product)
            jobs = [
                pool.submit(
                    _scan, product[strip].numpy(), top + strip.start, left, filtered.halves,
                    state.reach, state.rows, pair, value,
                )
                for strip, pair, value in zip(strips, pairs, values, strict=True)
            ]  # fmt: skip
            # All are done before the reach changes under them.
            counts = [job.result() for job in jobs]
            for count, pair, value in zip(counts, pairs, values, strict=True):
                _keep(pair[:count], value, state.order, state.reach, state.found, state.squared)
            if done % 16 == 0 or done == len(tiles):
                progress(done, len(tiles), "finding neighbours")


@numba.njit(nogil=True, fastmath={"reassoc", "nsz", "contract", "nnan"}, cache=True)
def _scan(
    product: NDArray[Any],
    top: int,
    left: int,
    halves: NDArray[Any],
    reach: NDArray[Any],
    rows: NDArray[Any],
    pairs: NDArray[Any],
    values: NDArray[Any],
) -> int:
    """Compute the pairs of a strip that the bound does not rule out; keep those within reach."""
    count = 0
    height, width = product.shape
    dim = rows.shape[1]
    for a in range(height):
        i = top + a
        need = halves[i]
        reach_i = reach[i]
        half_reach = np.float32(0.5) * reach_i
        first = max(0, i + 1 - left)
        for start in range(first, width, _CHUNK):
            stop = min(start + _CHUNK, width)
            best = np.float32(-np.inf)
            for b in range(start, stop):
                j = left + b
                value = product[a, b] - halves[j] + max(half_reach, np.float32(0.5) * reach[j])
                best = max(best, value)
            if best < need:
                continue
            for b in range(start, stop):
                j = left + b
                limit = max(reach_i, reach[j])
                if product[a, b] - halves[j] + np.float32(0.5) * limit < need:
                    continue
                squared = np.float32(0)
                for c in range(dim):
                    difference = rows[i, c] - rows[j, c]
                    squared += difference * difference
                if squared <= limit:
                    pairs[count, 0] = i
                    pairs[count, 1] = j
                    values[count] = squared
                    count += 1
    return count


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
