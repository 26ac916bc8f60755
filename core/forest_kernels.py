"""Kruskal's algorithm on pairs that come in parts, so that not all of them need room at once."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

_TOGETHER = 1 << 22  # pairs that are sorted together: 50 MB


class Kruskal:
    """The minimum spanning forest of pairs that are added in parts.

    A pair that closes a circle in some of the pairs closes it in all of them, so what one part
    leaves out no later part can need.

    Parameters
    ----------
    rows : number of rows that pairs may join.
    """

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._pairs = [np.empty((0, 2), np.int32)]
        self._weights = [np.empty(0, np.float32)]
        self._count = 0

    def add(self, pairs: NDArray[np.int32], weights: NDArray[np.float32]) -> None:
        """Take pairs, int32 (m, 2), and their weights, float32 (m,); both are copied."""
        self._pairs.append(pairs.copy())
        self._weights.append(weights.copy())
        self._count += len(pairs)
        if self._count > _TOGETHER:
            self._reduce()

    def forest(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Pairs of the forest, the least weight first, equal ones by rows, and their weights."""
        self._reduce()
        return self._pairs[0], self._weights[0]

    def _reduce(self) -> None:
        pairs, weights = np.concatenate(self._pairs), np.concatenate(self._weights)
        order = np.lexsort((pairs[:, 1], pairs[:, 0], weights))
        pairs, weights = pairs[order], weights[order]
        kept = _join(pairs, np.arange(self._rows, dtype=np.int32))
        self._pairs, self._weights = [pairs[kept]], [weights[kept]]
        # The forest itself is no reason to sort again at the next pair.
        self._count = 0


@numba.njit(nogil=True, cache=True)
def _join(pairs: NDArray[Any], parent: NDArray[Any]) -> NDArray[np.bool_]:
    """Which pairs, in order, join two groups: union–find with path halving."""
    kept = np.zeros(len(pairs), np.bool_)
    for p in range(len(pairs)):
        a, b = pairs[p, 0], pairs[p, 1]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a != b:
            parent[max(a, b)] = min(a, b)
            kept[p] = True
    return kept
