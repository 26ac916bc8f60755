"""Rows that are much alike: taking vectors in order, each unlike all before, and SemDeDup."""

import numpy as np
from numpy.typing import NDArray

from core.progress import Progress, silent
from core.selection.base import Problem, Rows
from core.selection.rows import Vectors, unit

ROUNDING = 1e-6  # of the cosine of copies
_BLOCK = 512  # vectors that are compared with all taken ones together
_TILE = 8192  # taken vectors at a time


class Apart:
    """Vectors of norm 1 that are taken in order, each with a cosine below a line to all before.

    Parameters
    ----------
    dim : width of the vectors.
    below : a vector with this cosine or more to a taken one is refused.

    Notes
    -----
    Costs 2 · n · taken · dim operations for n vectors, in blocks: 0.4 s on two cores for 10,000
    of 256 dimensions that are all taken.
    """

    def __init__(self, dim: int, below: float) -> None:
        self._vectors = np.empty((_TILE, dim), np.float32)
        self._below = below
        self.count = 0

    def add(self, vectors: Vectors) -> None:
        """Take vectors whatever they are like."""
        end = self.count + len(vectors)
        if end > len(self._vectors):
            room = (max(end, 2 * len(self._vectors)), self._vectors.shape[1])
            grown = np.empty(room, np.float32)
            grown[: self.count] = self._vectors[: self.count]
            self._vectors = grown
        self._vectors[self.count : end] = vectors
        self.count = end

    def cut(self, count: int) -> None:
        """Give back all but the first `count`."""
        self.count = count

    def free(self, vectors: Vectors) -> NDArray[np.bool_]:
        """Whether each vector is below the line to all taken ones."""
        free = np.ones(len(vectors), bool)
        for start in range(0, len(vectors), _BLOCK):
            block = vectors[start : start + _BLOCK]
            for first in range(0, self.count, _TILE):
                tile = self._vectors[first : min(first + _TILE, self.count)]
                free[start : start + _BLOCK] &= (block @ tile.T).max(axis=1) < self._below
        return free

    def take(self, vectors: Vectors, most: int | None = None) -> Rows:
        """Take what can be, in order, at most so many; return their places, ascending."""
        left = len(vectors) if most is None else most
        places = [np.empty(0, np.int64)]
        for start in range(0, len(vectors), _BLOCK):
            block = vectors[start : start + _BLOCK]
            open_ = np.flatnonzero(self.free(block))
            new = open_[_unlike(block[open_], self._below, left)]
            self.add(block[new])
            places.append(start + new)
            left -= len(new)
        return np.concatenate(places)


def semdedup(problem: Problem, cosine: float, *, progress: Progress = silent) -> NDArray[np.bool_]:
    """Tell which candidates SemDeDup keeps (arXiv 2303.09540); shape (candidates,).

    Within each cluster the rows are gone through from the lowest cosine to the centroid to the
    highest, equal ones by row: of rows that are much alike the paper keeps the one that is the
    farthest from the centroid. A row with a cosine above `cosine` to a kept one of its cluster is
    left out. Pinned rows are kept and come first. The centroid is the mean of the candidates' unit
    vectors.

    Notes
    -----
    The published code also leaves out a row that is only like one that is left out itself.
    """
    assert problem.features is not None and problem.labels is not None
    kept = problem.is_pinned.copy()
    labels = np.asarray(problem.labels)[problem.candidates]
    order = np.argsort(labels, kind="stable")
    done = 0
    for members in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        vectors = unit(problem.features[problem.candidates[members]])
        centroid = vectors.mean(axis=0, dtype=np.float64)
        # Not a BLAS product: copies of a row must come out alike wherever they stand.
        by_centroid = np.argsort(np.einsum("ij,j->i", vectors, centroid), kind="stable")
        pinned = problem.is_pinned[members]
        free = by_centroid[~pinned[by_centroid]]
        apart = Apart(vectors.shape[1], cosine + ROUNDING)
        apart.add(vectors[pinned])
        kept[members[free[apart.take(vectors[free])]]] = True
        done += len(members)
        progress(done, len(order), "leaving out near-duplicates")
    return kept


def _unlike(vectors: Vectors, below: float, wanted: int) -> Rows:
    """Places of vectors, in order, that have a cosine below a line to all that are taken before."""
    cosines = vectors @ vectors.T
    largest = np.full(len(vectors), -np.inf, np.float32)
    taken: list[int] = []
    for place in range(len(vectors)):
        if len(taken) == wanted:
            break
        if largest[place] < below:
            taken.append(place)
            np.maximum(largest, cosines[place], out=largest)
    return np.array(taken, np.int64)
