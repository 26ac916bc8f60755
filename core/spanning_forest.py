"""Near-duplicates: groups of rows that are much alike, at any cosine above a loose one.

Rows are joined when their cosine is at least a threshold, and a group is all that is joined, if
only through others (single linkage). The maximum spanning forest of the rows (Gower and Ross 1969)
holds the groups of every threshold at once: those of a stricter one are found by leaving out its
weaker edges, and their number by counting the others.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.copies import Copies
from core.errors import InputError
from core.progress import Progress, silent

LOOSEST = 0.8  # cosine above which pairs are looked for
_PART = 8_192  # rows that are made unit vectors together
# Float32 rounding of a squared distance of unit vectors that are close to each other.
_ROUNDING = 1e-6


def check_cosine(cosine: float, loosest: float = LOOSEST) -> None:
    """Refuse a cosine of which the groups are not known.

    Raises
    ------
    InputError
        It is below `loosest` or above 1.
    """
    if not loosest <= cosine <= 1:
        raise InputError(
            f"The cosine must be between {loosest:g} and 1, got {cosine:g}.", option="cosine"
        )


@dataclass(frozen=True)
class Forest:
    """Rows joined by their largest cosines, as far as these are at least `loosest`.

    Attributes
    ----------
    rows : number of rows.
    loosest : the least cosine of an edge.
    edges : int32 ndarray of shape (m, 2)
        Rows of each edge, the lower one first; the largest cosine first, equal ones by rows.
    cosines : float32 ndarray of shape (m,), falling
    """

    rows: int
    loosest: float
    edges: NDArray[np.int32]
    cosines: NDArray[np.float32]

    def groups(self, cosine: float) -> NDArray[np.int64]:
        """The first row of each row's group at a cosine; shape (rows,).

        Raises
        ------
        InputError
            The cosine is below `loosest` or above 1.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        edges = self.edges[: self.joined(cosine)]
        ones = np.ones(len(edges), bool)
        graph = coo_array((ones, (edges[:, 0], edges[:, 1])), shape=(self.rows, self.rows))
        _, label = connected_components(graph, directed=False)
        _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
        return first[inverse].astype(np.int64)

    def joined(self, cosine: float) -> int:
        """How many rows are more than one of each group: those that "keep one" would drop."""
        check_cosine(cosine, self.loosest)
        return int(np.searchsorted(-self.cosines, np.float32(-cosine + _ROUNDING), side="right"))

    def around(self, cosine: float, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of the `count` edges just above the cosine, and of those just below it."""
        at = self.joined(cosine)
        above = np.arange(max(0, at - count), at)[::-1]
        return above, np.arange(at, min(len(self.cosines), at + count))


def spanning_forest(
    vectors: NDArray[np.floating[Any]],
    *,
    loosest: float = LOOSEST,
    progress: Progress = silent,
) -> Forest:
    """Join rows by their largest cosines, exactly.

    Parameters
    ----------
    vectors : ndarray of shape (n, dim)
        Any float type, no zero vector; compared as unit vectors in float32.
    loosest : least cosine of an edge, in (0, 1].

    Notes
    -----
    Every pair of at least that cosine is found (`core.tile_scan`); Kruskal's algorithm keeps those
    that join two groups, some millions of pairs at a time. Memory: the rows in float32 and 0.3 GB.
    """
    from core.forest_kernels import Kruskal
    from core.tile_scan import pairs_within

    n = len(vectors)
    rows = np.empty(vectors.shape, np.float32)
    for start in range(0, n, _PART):
        part = np.asarray(vectors[start : start + _PART], np.float32)
        rows[start : start + _PART] = part / np.linalg.norm(part, axis=1, keepdims=True)
    # Copies are joined at once: each pair of thousands would be looked at else.
    copies = Copies.of(rows)
    kinds, leader = copies.first, copies.leader
    others = np.flatnonzero(leader != np.arange(n))
    equal = np.column_stack([leader[others], others]).astype(np.int32)
    if len(kinds) < n:
        rows = rows[kinds]
    # Unit vectors: squared distance and cosine say the same, 2 − 2 c.
    reach = np.full(len(kinds), 2 - 2 * loosest + _ROUNDING, np.float32)
    kruskal = Kruskal(n)
    kruskal.add(equal, np.zeros(len(equal), np.float32))
    for done, tiles, found in pairs_within(rows, reach) if len(kinds) > 1 else ():
        for strip in found:
            kruskal.add(kinds[strip.pairs].astype(np.int32), strip.squared)
        if done % 16 == 0 or done == tiles:
            progress(done, tiles, "finding near-duplicates")
    edges, squared = kruskal.forest()
    cosines = np.minimum(1 - squared.astype(np.float64) / 2, 1).astype(np.float32)
    return Forest(n, loosest, edges, cosines)
