"""The exact neighbours of a large pool among themselves, faster than brute force.

Import it where it is needed only: numba takes a second, and compiles its kernels at the first use
(they are then cached beside the source).
"""

from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from core.devices import cpu_count, one_torch_thread, resolve_device
from core.errors import InputError
from core.neighbors import Neighbors, check_arrays, exact_neighbors
from core.progress import Progress, silent
from core.tile_scan import pairs_within

_SMALL = 8_000  # rows up to which brute force is done sooner
_NEAR_ROWS, _MOST_ROWS = 1_536, 8_192  # rows among which the rough search looks, at least, at most
_PART = 1_024  # rows that look together
_ROUNDS, _LIST_SAMPLE = 4, 64  # of k-means, and its rows for each list; only speed depends on them
# Rounding of a squared distance taken from a product, relative to the squared norms, with room.
_ROUNDING = 1e-5


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
    Two savings, both exact. (1) Pairs are ruled out by each row's distance to its k-th neighbour
    in a rough search, among rows of like lists, which can only be too large: see `core.tile_scan`.
    (2) Each pair is looked at once, for both of its rows.

    Memory beyond the rows in float32: twice them, m / dim of that again, and 40 MB a thread.
    """
    if len(vectors) <= _SMALL or k >= 256 or resolve_device(device) == "cuda":
        return exact_neighbors(
            vectors, vectors, k, exclude_self=True, device=device, progress=progress
        )
    check_arrays(vectors, vectors, k, True)
    if not vectors.flags.writeable or not vectors.flags.c_contiguous:  # torch wants such ones
        vectors = np.array(vectors, np.float32, order="C")
    vectors = np.asarray(vectors, np.float32)
    if not np.isfinite(vectors).all():
        raise InputError("The vectors hold NaN or infinite values; encode them again.")
    state = _rough(vectors, k, seed, progress)
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
    """Search the lists next to each row: its k-th distance there is an upper bound of the true."""
    import torch

    n = len(vectors)
    reach = torch.empty(n)
    with one_torch_thread(), ThreadPoolExecutor(cpu_count()) as pool:
        lists = _lists(vectors, seed, pool)
        rows = np.ascontiguousarray(vectors[lists.order])
        shifted = torch.from_numpy(rows - rows.mean(axis=0))  # less rounding in the products
        squares = shifted.square().sum(1)

        def look(number: int) -> None:
            near = torch.from_numpy(lists.near(number, max(_NEAR_ROWS, k + 1))[:_MOST_ROWS])
            others, lengths = shifted[near], squares[near]
            for part in torch.from_numpy(lists.rows(number)).split(_PART):
                squared = torch.addmm(lengths, shifted[part], others.T, alpha=-2)
                # One more: a row finds itself.
                last = squared.topk(k + 1, largest=False).values[:, -1]
                room = 2 * _ROUNDING * (lengths.max() + squares[part])
                reach[part] = last + squares[part] + room

        filled = np.flatnonzero(lists.sizes)
        for done, _ in enumerate(pool.map(look, filled), 1):
            progress(done, len(filled), "finding rough neighbours")
    found = np.full((n, k), n, np.int64)
    return _State(lists.order, rows, reach.numpy(), found, np.full((n, k), np.inf, np.float32))


@dataclass(frozen=True)
class _Lists:
    """Rows in lists of like ones; `order` holds them list by list."""

    order: np.ndarray  # int64 (n,), where each row was
    sizes: np.ndarray  # int64 (lists,)
    centers: np.ndarray  # float32 (lists, dim)

    def rows(self, number: int) -> np.ndarray:
        """Places of a list's rows in the order."""
        end = self.ends[number]
        return np.arange(end - self.sizes[number], end)

    def near(self, number: int, least: int) -> np.ndarray:
        """Places of the rows of the nearest lists, itself first: of as many as hold `least`."""
        nearest = np.argsort(((self.centers - self.centers[number]) ** 2).sum(axis=1))
        enough = int(np.searchsorted(self.sizes[nearest].cumsum(), least)) + 1
        return np.concatenate([self.rows(one) for one in nearest[:enough]])

    @cached_property
    def ends(self) -> np.ndarray:
        return self.sizes.cumsum()


def _lists(vectors: np.ndarray, seed: int, pool: Executor) -> _Lists:
    """Part the rows by a short k-means."""
    import torch

    n = len(vectors)
    count = int(2 * np.sqrt(n))
    chosen = np.random.default_rng(seed).choice(n, min(n, _LIST_SAMPLE * count), replace=False)
    centers = torch.from_numpy(vectors[chosen[:count]])
    sample = torch.from_numpy(vectors[np.sort(chosen)])

    def nearest(part: torch.Tensor) -> torch.Tensor:
        return torch.addmm(centers.square().sum(1) / -2, part, centers.T).argmax(1)

    for _ in range(_ROUNDS):
        labels = torch.cat(list(pool.map(nearest, sample.split(_PART))))
        sums = torch.zeros_like(centers).index_add_(0, labels, sample)
        sizes = torch.bincount(labels, minlength=count)[:, None]
        centers = torch.where(sizes > 0, sums / sizes.clamp(min=1), centers)
    found = torch.cat(list(pool.map(nearest, torch.from_numpy(vectors).split(_PART)))).numpy()
    sizes = np.bincount(found, minlength=count)
    return _Lists(np.argsort(found, kind="stable"), sizes, centers.numpy())


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
