"""Kernel density: how many near-duplicates a row has, exact, and only for the rows asked for."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.progress import Progress, silent

if TYPE_CHECKING:
    from core.selection.density_tiles import RoundedRows

_CHUNK = 256  # rows asked for at a time; near each other, so that they share near rows
_LONG = 1_024  # as many where hardly any row is left out: wider products are faster
_TILE = 2_048  # columns of a block: 2 MB, which stays in the cache
_WIDE = 1 << 15  # columns whose largest are looked for together: 32 MB
_AXES = 32  # principal axes that the first look uses; on sentence vectors it leaves 0.7 % of pairs
_AXES_SAMPLE = 16_384  # rows that the axes are fitted on; any axes are right, good ones are faster
# Float32 products round squared distances by about 3e-7 of the squared norms. That is below 2e-5
# of the kernel as long as sigma² is above this share of them; below it, float64.
_FLOAT32_ENOUGH = 0.02
_SLACK = 1e-5  # of the squared norms, on the first look: far above its rounding
_USELESS = 0.5  # a first look that leaves more than this costs more than it saves
# From so many rows on, 16-bit products win more than the half second that loading them takes, and
# where sigma² is above this share of the squared norms they round the kernel by less than 1e-4.
_MANY_ROWS = 20_000
_INT16_ENOUGH = 0.1
_PROBABLE = 0.25  # the same share from which on hardly any pair of a base is left out
_NORMS_SAMPLE = 1_000  # rows whose norms tell that beforehand
_LEAF = 64  # rows of a leaf when the base is put in an order in which near rows are together


class KernelDensity:
    """Density of rows among all rows of a base: Σ max(0, 1 − dist² / sigma²), itself included.

    Parameters
    ----------
    base : ndarray of shape (n, dim)
        Any float type; distances are L2.
    sigma : float
        Width of the kernel; 0 makes every density 1.
    limit : int, default=0
        Count only the `limit` nearest rows, itself among them; 0 counts all.

    Notes
    -----
    The kernel is that of TSDS (arXiv 2410.11303).

    Exact: rows are left out only where a lower bound shows that they are farther than sigma. The
    bound is the distance within the first principal axes together with the difference of the norms
    outside them. A pair is looked at once, for both its rows, unless there is a limit. Costs at
    most 2 · asked · n · dim operations, for a small sigma a tenth of that. Where hardly any pair
    of a large base is left out, rows are rounded to 16 bits (`density_tiles`): densities are then
    right to 1e-4 on average. Memory: the base in float32 (float64 for a very small sigma), and in
    int16 where it is rounded.
    """

    def __init__(self, base: NDArray[np.floating], sigma: float, limit: int = 0) -> None:
        self._sigma, self._limit = sigma, limit
        if sigma == 0 or not len(base):
            return
        vectors = _centered(base)
        norms = np.einsum("ij,ij->i", vectors, vectors)
        look = _reduced(vectors, norms)
        order = _together(look)
        self._place = np.empty(len(base), np.int64)
        self._place[order] = np.arange(len(base))
        near = sigma**2 + _SLACK * float(norms.max())
        look = look[order]
        look_norms = np.einsum("ij,ij->i", look, look)
        # Rows x and queries y extended so that x · y is (near − dist²) / 2 in the first look, and
        # the kernel itself in the second: one product, nothing else to do on the whole block.
        self._look = np.column_stack([look, -look_norms / 2, np.ones_like(look_norms)])
        self._look_queries = (near - look_norms) / 2
        dtype = np.float32 if sigma**2 >= _FLOAT32_ENOUGH * norms.mean() else np.float64
        self._rows = np.empty((len(base), base.shape[1] + 2), dtype)
        self._rows[:, :-2] = vectors[order]
        self._rows[:, :-2] *= np.sqrt(2) / sigma
        self._rows[:, -2] = -np.einsum("ij,ij->i", self._rows[:, :-2], self._rows[:, :-2]) / 2
        self._rows[:, -1] = 1
        self._sums = np.zeros(len(base))
        self._open = np.ones(len(base), bool)  # places that were not asked for yet
        self._left = np.arange(len(base))  # those that were open when it was last looked at
        self._look_left = self._look
        self._seen = self._kept = 0
        self._may_round = (
            not limit and len(base) >= _MANY_ROWS and sigma**2 >= _INT16_ENOUGH * float(norms.max())
        )
        if limit:
            # Kept, since new memory costs more than what is done with it.
            wide = min(_WIDE, len(base))
            self._room = np.empty(_CHUNK * (min(limit, len(base)) + wide), dtype)
            self._wide = np.empty((wide, self._rows.shape[1]), dtype)

    def at(self, rows: NDArray[np.int64], progress: Progress = silent) -> NDArray[np.float64]:
        """Density of these rows of the base; at least 1.

        An exception from `progress` keeps what was done: asked again, it goes on from there.
        """
        if self._sigma == 0 or not len(rows):
            return np.ones(len(rows))
        places = self._place[rows]
        fresh = np.unique(places[self._open[places]])
        start = 0
        while start < len(fresh):
            progress(start, len(fresh), "measuring densities")
            stop = start + (_LONG if self._is_wide and not self._limit else _CHUNK)
            self._add(fresh[start:stop])
            start = stop
            if not self._limit and np.count_nonzero(self._open) < 0.8 * len(self._left):
                self._left = np.flatnonzero(self._open)
                self._look_left = self._look[self._left]
        return np.maximum(self._sums[places], 1.0)

    def _add(self, places: NDArray[np.int64]) -> None:
        """Complete the sums of these places."""
        queries = self._rows[places]
        queries[:, -2], queries[:, -1] = 1, 1 + queries[:, -2]
        columns = self._within_reach(places)
        if self._limit:
            self._sums[places] = self._nearest_only(queries, columns)
            self._open[places] = False
            return
        columns = columns[self._open[columns]]
        self._open[places] = False
        if self._is_wide and self._rounded is not None:
            of_rows, of_columns = self._rounded.sums(places, columns)
            self._sums[places] += of_rows
            still = self._open[columns]
            self._sums[columns[still]] += of_columns[still]
            return
        ones = np.ones(max(len(places), _TILE), queries.dtype)
        for tile in _tiles(columns):
            kernel = queries @ self._rows.take(tile, axis=0).T
            np.maximum(kernel, 0, out=kernel)
            self._sums[places] += kernel @ ones[: len(tile)]
            # What is still open sees these places here and not again.
            still = self._open[tile]
            self._sums[tile[still]] += (ones[: len(places)] @ kernel)[still]

    def _nearest_only(
        self, queries: NDArray[np.floating], columns: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Sums of the `limit` largest; many columns at a time, since each look at them costs."""
        best = np.empty((len(queries), 0), queries.dtype)
        for start in range(0, len(columns), _WIDE):
            wide = columns[start : start + _WIDE]
            width = best.shape[1] + len(wide)
            kernel = self._room[: len(queries) * width].reshape(len(queries), width)
            kernel[:, len(wide) :] = best
            rows = self._rows.take(wide, axis=0, out=self._wide[: len(wide)], mode="clip")
            np.matmul(queries, rows.T, out=kernel[:, : len(wide)])
            smaller = max(0, width - self._limit)
            if smaller:
                kernel.partition(smaller, axis=1)
            best = kernel[:, smaller:].copy()
        return np.maximum(best, 0).sum(axis=1, dtype=np.float64)

    @cached_property
    def _rounded(self) -> "RoundedRows | None":
        """The rows in 16 bits, where that is near enough and this CPU gains by it."""
        if not self._may_round:
            return None
        _load_tiles().join()  # two threads that import numba may meet it half made
        from core.madd import HAS_AVX2

        if not HAS_AVX2:
            return None
        from core.selection.density_tiles import RoundedRows

        return RoundedRows(self._rows[:, :-2], np.sqrt(2))

    @property
    def _is_wide(self) -> bool:
        """Whether the first look leaves so many rows that it is not worth its cost."""
        return self._kept > _USELESS * self._seen

    def _within_reach(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Places, among those left, that may be within sigma of one of these."""
        if self._is_wide:
            return self._left
        queries = self._look[places]
        queries[:, -2], queries[:, -1] = 1, self._look_queries[places]
        near = np.empty(len(self._left), bool)
        for start in range(0, len(near), _TILE):
            products = queries @ self._look_left[start : start + _TILE].T
            near[start : start + _TILE] = products.max(axis=0) >= 0
        self._seen += len(near)
        self._kept += int(np.count_nonzero(near))
        return self._left[near]


def expect(features: NDArray[np.floating], sigma: float, rows: int) -> None:
    """Load what densities among so many of these rows need, beside what goes on until then.

    `rows` may be more than there will be: then what is loaded is not needed.
    """
    if rows < _MANY_ROWS:
        return
    sample = _centered(features[:: -(-len(features) // _NORMS_SAMPLE)])
    if sigma**2 >= _PROBABLE * float(np.einsum("ij,ij->i", sample, sample).max()):
        _load_tiles()


@cache
def _load_tiles() -> threading.Thread:
    """Once in a process; where it fails, it is tried and said again where it is needed."""

    def load() -> None:
        with suppress(Exception):
            from core.madd import HAS_AVX2

            if HAS_AVX2:
                from core.selection.density_tiles import load_kernel

                load_kernel()

    thread = threading.Thread(target=load, name="density tiles")
    thread.start()
    return thread


def _centered(base: NDArray[np.floating]) -> NDArray[np.float32]:
    """The base around its mean, float32: distances stay, their rounding shrinks."""
    mean = base.mean(axis=0, dtype=np.float64)
    if base.dtype == np.float64:
        return (base - mean).astype(np.float32)
    return base.astype(np.float32) - mean.astype(np.float32)


def _reduced(vectors: NDArray[np.float32], norms: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coordinates on the first principal axes, and the norm of what lies outside them.

    Distances between these are never above those between the vectors.
    """
    sample = vectors[:: -(-len(vectors) // _AXES_SAMPLE)]
    _, axes = np.linalg.eigh((sample.T @ sample).astype(np.float64))
    inside = vectors @ axes[:, ::-1][:, :_AXES].astype(np.float32)
    outside = norms - np.einsum("ij,ij->i", inside, inside)
    return np.column_stack([inside, np.sqrt(np.maximum(outside, 0))])


def _together(points: NDArray[np.float32]) -> NDArray[np.int64]:
    """An order in which near points are together: halved along the widest axis, again and again."""
    leaves, waiting = [], [np.arange(len(points))]
    while waiting:
        rows = waiting.pop()
        if len(rows) <= _LEAF:
            leaves.append(rows)
            continue
        inside = points[rows]
        axis = int(np.argmax(inside.max(axis=0) - inside.min(axis=0)))
        half = len(rows) // 2
        split = np.argpartition(inside[:, axis], half)
        waiting += [rows[split[half:]], rows[split[:half]]]
    return np.concatenate(leaves)


def _tiles(columns: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(columns), _TILE):
        yield columns[start : start + _TILE]
