"""Every pair of rows that are within reach of each other, exactly, most of them never computed.

Import it where it is needed only: numba takes a second, and compiles its kernels at the first use
(they are then cached beside the source).
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

_BLOCK = 2_048  # rows of one tile of the product: 16 MB, so that calls cost little
_CHUNK = 32  # cells of a tile that are passed over together
_SAMPLE = 20_000  # rows that give the principal axes
# Rounding of the lower bound relative to the squared norms, with room: the product rounds by less
# than 1e-6 of them and the norm of the rest, taken from the rest itself, by less again.
_ROUNDING = 1e-5
# What the steps take for one pair and column, from two cores. Only speed depends on them.
_PRODUCT_SECONDS = 1.1e-11
_CHECK_SECONDS = 2e-10


@dataclass(frozen=True)
class Found:
    """Pairs of one strip of a tile; the arrays are overwritten later.

    Attributes
    ----------
    pairs : int32 ndarray of shape (m, 2)
        Places of rows; the first is the lower one.
    squared : float32 ndarray of shape (m,)
        Squared L2 distances.
    """

    pairs: NDArray[np.int32]
    squared: NDArray[np.float32]


@dataclass(frozen=True)
class _Filter:
    """Coordinates whose distances are lower bounds, and half their squared norms less rounding."""

    coordinates: np.ndarray  # float32 (n, m + 1)
    halves: np.ndarray  # float32 (n,)


def pairs_within(
    rows: NDArray[np.float32], reach: NDArray[np.float32], seed: int = 0
) -> Iterator[tuple[int, int, list[Found]]]:
    """Find the pairs whose squared distance is at most the larger reach of the two.

    Parameters
    ----------
    rows : float32 ndarray of shape (n, dim)
    reach : float32 ndarray of shape (n,)
        Squared distances. They may shrink from one tile to the next.
    seed : of the sample that gives the principal axes. The pairs do not depend on it.

    Yields
    ------
    Tiles done, tiles in all, and the pairs of one tile. Every pair comes once.

    Notes
    -----
    The distance of two rows in their first m principal coordinates and, as one coordinate more, the
    norm of the rest is never above their true distance, because (‖a‖ − ‖b‖)² ≤ ‖a − b‖² for the
    rests a and b. So a product of m + 1 columns rules out nearly all pairs, and only the others are
    computed in full. m is the one that is cheapest on a sample. Memory: m / dim of the rows, and
    100 MB.
    """
    import torch

    filtered = _filter(rows, reach, seed)
    n, threads = len(rows), min(os.cpu_count() or 1, 8)
    edges = [_BLOCK * t // threads for t in range(threads + 1)]
    strips = [slice(first, last) for first, last in pairwise(edges)]
    # Room for every pair of a strip: never too small.
    pairs = [np.empty((_BLOCK * (s.stop - s.start), 2), np.int32) for s in strips]
    values = [np.empty(len(pair), np.float32) for pair in pairs]
    coordinates = torch.from_numpy(filtered.coordinates)
    tile = torch.empty((_BLOCK, _BLOCK))
    tiles = [(top, left) for top in range(0, n, _BLOCK) for left in range(top, n, _BLOCK)]
    with ThreadPoolExecutor(threads) as pool:
        for done, (top, left) in enumerate(tiles, 1):
            a, b = coordinates[top : top + _BLOCK], coordinates[left : left + _BLOCK]
            product = tile[: len(a), : len(b)]
            torch.mm(a, b.T, out=product)
            jobs = [
                pool.submit(
                    _scan, product[strip].numpy(), top + strip.start, left, filtered.halves,
                    reach, rows, pair, value,
                )
                for strip, pair, value in zip(strips, pairs, values, strict=True)
            ]  # fmt: skip
            # All are done before the reach changes under them.
            counts = [job.result() for job in jobs]
            yield (
                done,
                len(tiles),
                [
                    Found(pair[:count], value[:count])
                    for count, pair, value in zip(counts, pairs, values, strict=True)
                ],
            )


def _filter(rows: NDArray[np.float32], reach: NDArray[np.float32], seed: int) -> _Filter:
    n, dim = rows.shape
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(n, min(n, _SAMPLE), replace=False))
    sample = rows[chosen]
    center = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    covariance = np.cov(sample - center, rowvar=False).reshape(dim, dim)
    axes = np.linalg.eigh(covariance)[1][:, ::-1].astype(np.float32)
    trial = rng.permutation(len(chosen))[:4096]
    half_reach = 0.5 * reach[chosen[trial]]
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
    return _project(rows, center, axes[:, :best])


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
