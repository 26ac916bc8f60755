"""Compiled loops of the rules that cover the candidates; imported when one of them runs."""

import numba
import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

_CHUNK = 64  # products whose largest decides whether any is looked at alone
_SUM = 1024  # float32 terms of a partial sum: its rounding stays at 1e-6
_FAST = {"reassoc", "nsz", "contract", "nnan"}


@numba.njit(nogil=True, fastmath=_FAST, cache=True)
def lower(
    products: Vectors,
    first: int,
    rows: Vectors,
    norms: Vectors,
    chosen: NDArray[np.int64],
    rounding: float,
    squared: Vectors,
) -> None:
    """Lower the squared distances of some rows to the nearest chosen one.

    Parameters
    ----------
    products : float32 ndarray of shape (m, chosen)
        Dot products of the rows from `first` on with the chosen ones.
    norms : float32 ndarray of shape (n,), squared
    rounding : relative error of a distance that is taken from a dot product.
    squared : float32 ndarray of shape (n,)
        Computed from differences where it is lowered, so that it depends on the two rows alone.
    """
    count = len(chosen)
    halves = np.empty(count, np.float32)
    for c in range(count):
        halves[c] = np.float32(0.5 * (1 - rounding)) * norms[chosen[c]]
    for m in range(len(products)):
        i = first + m
        for start in range(0, count, _CHUNK):
            stop = min(start + _CHUNK, count)
            need = np.float32(0.5 * (1 - rounding)) * norms[i] - np.float32(0.5) * squared[i]
            best = np.float32(-np.inf)
            for c in range(start, stop):
                best = max(best, products[m, c] - halves[c])
            if best < need:
                continue
            for c in range(start, stop):
                if products[m, c] - halves[c] >= need:
                    squared[i] = min(squared[i], _squared(rows[i], rows[chosen[c]]))


# Inlined: see `_part` in core/encoders/int16.py.
@numba.njit(nogil=True, fastmath=_FAST, forceinline=True)
def _squared(one: Vectors, other: Vectors) -> np.float32:
    total = np.float32(0)
    for d in range(len(one)):
        difference = one[d] - other[d]
        total += difference * difference
    return total


@numba.njit(nogil=True, cache=True)
def walk(
    rows: Vectors,
    block: NDArray[np.int64],
    squared: Vectors,
    limit: float,
    beyond: int,
    most: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Go farthest first among the rows of `block` for as long as no other row can be farther.

    Parameters
    ----------
    block : int64 ndarray, ascending
    squared : float32 ndarray, one for each of `block`; changed.
    limit, beyond : the largest of the other rows' squared distances, and the first row that has it.
    most : rows to choose at most.

    Returns
    -------
    The chosen rows and their squared distances when they were chosen, in order.
    """
    picked = np.empty(most, np.int64)
    values = np.empty(most, np.float32)
    count = 0
    while count < most:
        at = np.argmax(squared)
        value = squared[at]
        if value < limit or value < 0 or (value == limit and block[at] > beyond):
            break
        picked[count], values[count] = block[at], value
        count += 1
        for b in range(len(block)):
            if squared[b] > 0:
                squared[b] = min(squared[b], _squared(rows[block[b]], rows[block[at]]))
        squared[at] = -1
    return picked[:count], values[:count]


@numba.njit(nogil=True, fastmath=_FAST, cache=True)
def gain(similarities: Vectors, level: Vectors) -> float:
    """Sum of what the similarities are above the level; both of shape (n,)."""
    total = 0.0
    for start in range(0, len(level), _SUM):
        part = np.float32(0)
        for i in range(start, min(start + _SUM, len(level))):
            part += max(similarities[i] - level[i], np.float32(0))
        total += float(part)
    return total
