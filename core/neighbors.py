"""Nearest neighbours, exact, in blocks, on a CPU or a CUDA device.

The first pass finds a few more candidates than asked for with a matrix product, which is fast but
rounds. The candidates' distances are then computed again as sums of squared differences, and a
bound on the rounding of the first pass says whether a row outside the candidates could have been
nearer; the few queries for which it could are searched again with more candidates. So the answer
does not depend on the block or the device.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from core.copies import Candidates, Copies
from core.devices import cpu_count, resolve_device
from core.errors import InputError
from core.progress import Progress, silent

_SLACK = 8  # candidates beyond k; gaps between neighbours rarely need more
_PIECE = 65_536  # rows of the base at a time: 100 MB in float32 at 384 dimensions
_CELLS = 1 << 24  # 64 MB of distances at a time
_DEVICE_CELLS = 1 << 26
_GATHERED = 1024  # candidates whose distances are computed together: 1 MB of float32
_WIDE = 16_384  # columns from which on a partition of each row's values pays
_GROUP = 64  # columns whose minimum stands for them when candidates are chosen
_READY_BYTES = 1 << 29  # a base no larger than this in float32 is converted once
# Float32 rounding of |q|² + |b|² − 2 q·b, relative to |q|² + |b|². The worst case grows with the
# dimension, but blocked summation stays far below it: 3e-7 was the largest seen up to 4,096.
_ROUNDING = 3e-6

_FirstPass = Callable[[np.ndarray, np.ndarray, np.ndarray, int], Candidates]


@dataclass(frozen=True)
class Neighbors:
    """Neighbours of each query, nearest first.

    Attributes
    ----------
    indices : int64 ndarray of shape (n_queries, k)
        Rows of the base; among equal distances the lower row comes first.
    distances : float32 ndarray of shape (n_queries, k)
        Euclidean (L2) distances.
    """

    indices: np.ndarray
    distances: np.ndarray


def exact_neighbors(
    queries: np.ndarray,
    base: np.ndarray,
    k: int,
    *,
    exclude_self: bool = False,
    device: str = "auto",
    block: int = 8192,
    progress: Progress = silent,
) -> Neighbors:
    """Find the `k` rows of `base` nearest to each query, exactly.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, dim)
        Any float type (compared in float32), memory-mapped or not, of unit norm or not.
    base : ndarray of shape (n_rows, dim)
        The rows that are searched.
    k : int
        How many; more than there are rows is cut to their number.
    exclude_self : bool, default=False
        Leave out row i for query i (`queries` is then `base`). Its copies elsewhere stay.
    device : {"auto", "cpu", "cuda"}, default="auto"
        Where the matrix products run; "auto" takes CUDA when there is one.
    block : int, default=8192
        Queries at a time.

    Returns
    -------
    Neighbors
        With min(k, rows that may be found) columns.

    Raises
    ------
    InputError
        The arrays are not two-dimensional, not of one width or not finite; `k` is below 1; `base`
        has no row; `exclude_self` with arrays of different lengths; an unknown or absent device.

    Notes
    -----
    Costs 2 · n_queries · n_rows · dim operations. Memory beyond the arrays: about 0.7 GB and the
    answer, whatever the number of rows. `core.graph_search` finds the neighbours of a large pool
    among themselves several times faster on a CPU.
    """
    check_arrays(queries, base, k, exclude_self)
    place = resolve_device(device)
    wanted = min(k, len(base) - exclude_self)
    indices = np.empty((len(queries), wanted), np.int64)
    distances = np.empty((len(queries), wanted), np.float32)
    if wanted == 0 or len(queries) == 0:
        return Neighbors(indices, distances)
    searched = _Base.of(base)
    first_pass = _torch_pass if place == "cuda" else _numpy_pass
    for start in range(0, len(queries), block):
        q = np.asarray(queries[start : start + block], np.float32)
        if not np.isfinite(q).all():
            raise InputError("The queries hold NaN or infinite values; encode them again.")
        kinds, squared = _search(
            q, searched, min(wanted + exclude_self, searched.kinds), first_pass
        )
        rows, squared = searched.copies.expand(kinds, squared, wanted + exclude_self)
        if exclude_self:
            rows, squared = _without_self(rows, squared, start)
        indices[start : start + len(q)] = rows
        distances[start : start + len(q)] = np.sqrt(squared)
        progress(start + len(q), len(queries), "finding neighbours")
    return Neighbors(indices, distances)


def check_arrays(queries: np.ndarray, base: np.ndarray, k: int, exclude_self: bool) -> None:
    """Refuse what `exact_neighbors` cannot search, but for values that are not finite."""
    for name, array in (("queries", queries), ("base", base)):
        if array.ndim != 2:
            raise InputError(f"The {name} must be a 2D array, got shape {array.shape}.")
    if queries.shape[1] != base.shape[1]:
        raise InputError(
            f"The queries have {queries.shape[1]} dimensions and the base {base.shape[1]}; "
            "encode both with the same encoder."
        )
    if k < 1:
        raise InputError(f"The number of neighbours must be at least 1, got {k}.")
    if len(base) == 0:
        raise InputError("The base has no rows to search; give at least one.")
    if exclude_self and len(queries) != len(base):
        raise InputError(
            "exclude_self needs queries and base to be the same rows, "
            f"got {len(queries)} and {len(base)}."
        )


@dataclass(frozen=True)
class _Base:
    """The rows that are searched, without copies; about their mean in the first pass."""

    rows: np.ndarray
    copies: Copies
    center: np.ndarray  # float32 (dim,)
    norms: np.ndarray  # float32 (kinds,), squared, about the mean
    ready: np.ndarray | None  # float32 (kinds, dim), when they are few
    room: np.ndarray  # float32 (at most _PIECE, dim): new memory for each piece would cost more

    @classmethod
    def of(cls, rows: np.ndarray) -> "_Base":
        total = np.zeros(rows.shape[1])
        for start in range(0, len(rows), _PIECE):
            total += rows[start : start + _PIECE].sum(axis=0, dtype=np.float64)
        if not np.isfinite(total).all():
            raise InputError("The base holds NaN or infinite values; encode it again.")
        copies = Copies.of(rows)
        norms = np.empty(len(copies.first), np.float32)
        ready = None
        if 4 * len(norms) * rows.shape[1] <= _READY_BYTES:
            kept = rows if len(norms) == len(rows) else rows[copies.first]
            ready = np.asarray(kept, np.float32)
        room = np.empty((min(_PIECE, len(norms)), rows.shape[1]), np.float32)
        base = cls(rows, copies, (total / len(rows)).astype(np.float32), norms, ready, room)
        for start in range(0, base.kinds, _PIECE):
            piece = base.piece(start)
            norms[start : start + len(piece)] = np.einsum("ij,ij->i", piece, piece)
        return base

    @property
    def kinds(self) -> int:
        return len(self.copies.first)

    def piece(self, start: int) -> np.ndarray:
        """The kinds from `start` on, about the mean: distances stay, their rounding shrinks.

        Overwritten by the next piece.
        """
        cut = slice(start, start + _PIECE)
        ready = self.rows[self.copies.first[cut]] if self.ready is None else self.ready[cut]
        piece = self.room[: len(ready)]
        return np.subtract(ready, self.center, out=piece, dtype=np.float32)

    def take(self, kinds: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Fill `out`, float32 (kinds, dim): new memory for each block would cost more than that."""
        if self.ready is None:
            out[:] = self.rows[self.copies.first[kinds]]
            return out
        return np.take(self.ready, kinds, axis=0, out=out, mode="clip")


def _search(q: np.ndarray, base: _Base, k: int, first_pass: _FirstPass) -> Candidates:
    """Kinds nearest to each of `q`, and their squared distances."""
    found = np.empty((len(q), k), np.int64)
    squared = np.empty((len(q), k), np.float32)
    centered = q - base.center
    rounding = _ROUNDING * (np.einsum("ij,ij->i", centered, centered) + base.norms.max())
    pending, count = np.arange(len(q)), k + _SLACK
    while len(pending):
        count = min(count, base.kinds)
        candidates, beyond = _candidates(centered[pending], base, count, first_pass)
        found[pending], squared[pending] = _rank(q[pending], base, candidates, k)
        sure = squared[pending, -1] < beyond - rounding[pending]
        pending = pending[~sure & (count < base.kinds)]
        count *= 8
    return found, squared


def _candidates(q: np.ndarray, base: _Base, count: int, first_pass: _FirstPass) -> Candidates:
    """The `count` kinds that look nearest, unordered, and a distance that no other goes below."""
    kinds = np.empty((len(q), 0), np.int64)
    values = np.empty((len(q), 0), np.float32)
    for start in range(0, base.kinds, _PIECE):
        piece = base.piece(start)
        norms = base.norms[start : start + len(piece)]
        here, value = first_pass(q, piece, norms, min(count, len(piece)))
        kinds = np.concatenate([kinds, here + start], axis=1)
        values = np.concatenate([values, value], axis=1)
        if values.shape[1] > count:
            chosen = np.argpartition(values, count - 1, axis=1)[:, :count]
            kinds = np.take_along_axis(kinds, chosen, axis=1)
            values = np.take_along_axis(values, chosen, axis=1)
    return kinds, values.max(axis=1) + np.einsum("ij,ij->i", q, q)


def _rank(q: np.ndarray, base: _Base, candidates: np.ndarray, k: int) -> Candidates:
    """The `k` nearest of the candidates, by squared distance and then by first row."""
    kinds = np.empty((len(q), k), np.int64)
    distances = np.empty((len(q), k), np.float32)

    def measure(part: slice) -> None:
        ordered = np.sort(candidates[part], axis=1)
        squared = np.empty(ordered.shape, np.float32)
        width = min(ordered.shape[1], _GATHERED)
        step = max(1, _GATHERED // width)
        room = np.empty((step * width, q.shape[1]), np.float32)
        for start, column in product(
            range(0, len(ordered), step), range(0, ordered.shape[1], width)
        ):
            cut = slice(start, start + step), slice(column, column + width)
            here = ordered[cut]
            differences = base.take(here.ravel(), room[: here.size]).reshape(*here.shape, -1)
            differences -= q[part][cut[0], None]
            np.einsum("qcd,qcd->qc", differences, differences, out=squared[cut])
        order = _ascending(squared)[:, :k]
        kinds[part] = np.take_along_axis(ordered, order, axis=1)
        distances[part] = np.take_along_axis(squared, order, axis=1)

    _in_parts(measure, len(q))
    return kinds, distances


def _ascending(squared: np.ndarray) -> np.ndarray:
    """As a stable argsort of each row of float32 that are not negative, in a fifth of the time.

    The bits of such numbers are in their order, so a number and its place are sorted as one.
    """
    keys = squared.view(np.uint32).astype(np.uint64) << np.uint64(32)
    keys |= np.arange(squared.shape[1], dtype=np.uint64)
    keys.sort(axis=1)
    keys &= np.uint64(0xFFFFFFFF)
    return keys.view(np.int64)


def _in_parts(work: Callable[[slice], None], rows: int) -> None:
    """Give each core an equal part of the rows."""
    share = -(-rows // cpu_count())
    parts = [slice(at, min(at + share, rows)) for at in range(0, rows, share)]
    with ThreadPoolExecutor(len(parts)) as threads:
        list(threads.map(work, parts))


def _without_self(rows: np.ndarray, squared: np.ndarray, start: int) -> Candidates:
    """Drop each query's own row; where it was crowded out by copies, the last one."""
    own = rows == np.arange(start, start + len(rows))[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(rows), rows.shape[1] - 1)
    return rows[~own].reshape(shape), squared[~own].reshape(shape)


def _numpy_pass(q: np.ndarray, piece: np.ndarray, norms: np.ndarray, count: int) -> Candidates:
    kinds = np.empty((len(q), count), np.int64)
    values = np.empty((len(q), count), np.float32)
    steps = list(_steps(len(q), len(piece), _CELLS))
    room = np.empty((len(q[steps[0]]), len(piece)), np.float32)
    for cut in steps:
        distances = np.matmul(-2 * q[cut], piece.T, out=room[: len(q[cut])])
        distances += norms
        chosen = _smallest_of_each(distances, count)
        kinds[cut], values[cut] = chosen, np.take_along_axis(distances, chosen, axis=1)
    return kinds, values


def _smallest_of_each(distances: np.ndarray, count: int) -> np.ndarray:
    """Columns of the `count` smallest values of each row, unordered."""
    if distances.shape[1] < _WIDE:
        return np.argpartition(distances, count - 1, axis=1)[:, :count]
    chosen = np.empty((len(distances), count), np.int64)

    def choose(part: slice) -> None:
        for values, places in zip(distances[part], chosen[part], strict=True):
            # Values alone are partitioned several times faster than places by their values.
            largest = np.partition(values, count - 1)[count - 1]
            found = np.flatnonzero(values <= largest)
            if len(found) != count:  # others tie with it
                found = np.argpartition(values, count - 1)[:count]
            places[:] = found

    _in_parts(choose, len(distances))
    return chosen


def _torch_pass(
    q: np.ndarray, piece: np.ndarray, norms: np.ndarray, count: int, device: str = "cuda"
) -> Candidates:
    import torch

    kinds = np.empty((len(q), count), np.int64)
    values = np.empty((len(q), count), np.float32)
    # TF32 would round far beyond what the bound on the rounding allows.
    tf32, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, False
    try:
        with torch.inference_mode():
            # Whole groups: what is added is infinitely far away.
            pad = -len(piece) % _GROUP
            rows = torch.from_numpy(np.pad(piece, ((0, pad), (0, 0)))).to(device)
            squares = torch.from_numpy(np.pad(norms, (0, pad), constant_values=np.inf)).to(device)
            steps = list(_steps(len(q), len(piece) + pad, _DEVICE_CELLS))
            room = torch.empty((len(q[steps[0]]), len(rows)), device=device)
            for cut in steps:
                part = torch.from_numpy(q[cut]).to(device)
                distances = room[: len(part)]
                torch.addmm(squares, part, rows.T, alpha=-2, out=distances)
                value, chosen = _smallest(distances, count)
                kinds[cut], values[cut] = chosen.cpu().numpy(), value.cpu().numpy()
    finally:
        torch.backends.cuda.matmul.allow_tf32 = tf32
    return kinds, values


def _smallest(distances: Any, count: int) -> tuple[Any, Any]:
    """`topk` by groups: the `count` smallest lie in the `count` groups of the smallest minima.

    Looking for them there is ten times faster than `topk` on the whole row.
    """
    import torch

    width = distances.shape[1]
    if width < 4 * _GROUP * count:
        return torch.topk(distances, count, dim=1, largest=False, sorted=False)
    grouped = distances.view(len(distances), -1, _GROUP)
    groups = torch.topk(grouped.amin(dim=2), count, dim=1, largest=False, sorted=False).indices
    inside = torch.take_along_dim(grouped, groups[:, :, None], dim=1).flatten(1)
    value, at = torch.topk(inside, count, dim=1, largest=False, sorted=False)
    group = torch.take_along_dim(groups, at // _GROUP, dim=1)
    return value, group * _GROUP + at % _GROUP


def _steps(queries: int, columns: int, cells: int) -> Iterator[slice]:
    step = max(1, cells // columns)
    for start in range(0, queries, step):
        yield slice(start, start + step)
