"""Every pair of rows that are within reach of each other, exactly, most of them never computed.

Import it where it is needed only: numba takes a second, and compiles its kernels at the first use
(they are then cached beside the source).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from core.devices import cpu_count, one_torch_thread

_Rows = NDArray[np.float32]
_STRIP, _BLOCK = 512, 2_048  # rows and columns that a thread multiplies: 4 MB stay in the cache
_MOST_THREADS = 64  # each has room for all pairs of a strip, though little of it is ever touched
_WORD = 8  # cells of a tile that are passed over together: flags of a byte each, read as one word
_SAMPLE = 20_000  # rows that give the principal axes
# Rounding of the lower bound relative to the squared norms, with room: the product rounds by less
# than 1e-6 of them and the norm of the rest, taken from the rest itself, by less again.
_ROUNDING = 1e-5
# What the steps take for one pair and column, from two cores. Only speed depends on them.
_PRODUCT_SECONDS = 1.1e-11
_CHECK_SECONDS = 1e-10


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
    filtered = _filter(rows, reach, seed)
    n, threads = len(rows), min(cpu_count(), _MOST_THREADS)
    room = [_Room() for _ in range(threads)]
    high = _STRIP * threads
    tiles = [(top, left) for top in range(0, n, high) for left in range(top, n, _BLOCK)]
    with one_torch_thread(), ThreadPoolExecutor(threads) as pool:
        for done, (top, left) in enumerate(tiles, 1):
            # No row of a strip that begins beyond the last column has a partner there.
            strips = range(top, min(top + high, n, left + _BLOCK), _STRIP)
            jobs = [
                pool.submit(own.scan, filtered, rows, reach, strip, left)
                for own, strip in zip(room, strips, strict=False)
            ]
            # All are done before the reach changes under them.
            yield done, len(tiles), [job.result() for job in jobs]


class _Room:
    """What one thread works in, kept from tile to tile: new memory costs more than its use."""

    def __init__(self) -> None:
        import torch

        self._product = torch.empty((_STRIP, _BLOCK))
        self._words = np.zeros(-(-_BLOCK // _WORD), np.uint64)
        # Room for every pair of a strip: never too small.
        self._pairs = np.empty((_STRIP * _BLOCK, 2), np.int32)
        self._values = np.empty(_STRIP * _BLOCK, np.float32)

    def scan(self, filtered: _Filter, rows: _Rows, reach: _Rows, top: int, left: int) -> Found:
        """Find the pairs of the rows from `top` on with those from `left` on."""
        import torch

        down, across = slice(top, top + _STRIP), slice(left, left + _BLOCK)
        coordinates, halves = torch.from_numpy(filtered.coordinates), filtered.halves
        product = self._product[: len(rows[down]), : len(rows[across])]
        torch.mm(coordinates[down], coordinates[across].T, out=product)
        count = _scan(
            product.numpy(), top, left, halves[down], halves[across], reach[down], reach[across],
            rows[down], rows[across], self._words, self._words.view(np.bool_), self._pairs,
            self._values,
        )  # fmt: skip
        return Found(self._pairs[:count], self._values[:count])


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
    halves_down: NDArray[Any],
    halves_across: NDArray[Any],
    reach_down: NDArray[Any],
    reach_across: NDArray[Any],
    rows_down: NDArray[Any],
    rows_across: NDArray[Any],
    words: NDArray[Any],
    flags: NDArray[Any],
    pairs: NDArray[Any],
    values: NDArray[Any],
) -> int:
    """Compute the pairs of a strip that the bound does not rule out; keep those within reach.

    `flags` are the bytes of `words`. The flags of a whole row come first, without a branch: that
    loop is done in vector instructions.
    """
    count = 0
    height, width = product.shape
    half = np.float32(0.5)
    for a in range(height):
        first = max(0, top + a + 1 - left)
        need = halves_down[a]
        reach = reach_down[a]
        for b in range(width):
            most = half * max(reach, reach_across[b])
            flags[b] = product[a, b] - halves_across[b] + most >= need
        flags[: min(first, width)] = False
        flags[width:] = False
        for w in range(first // _WORD, len(words)):
            if words[w] == 0:
                continue
            for b in range(w * _WORD, w * _WORD + _WORD):
                if not flags[b]:
                    continue
                squared = np.float32(0)
                for c in range(rows_down.shape[1]):
                    difference = rows_down[a, c] - rows_across[b, c]
                    squared += difference * difference
                if squared <= max(reach, reach_across[b]):
                    pairs[count, 0] = top + a
                    pairs[count, 1] = left + b
                    values[count] = squared
                    count += 1
    return count
