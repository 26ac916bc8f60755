"""Pairs of rows on either side of a cosine: what a person must read to place the line."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.selection import Problem
from core.selection.nearest import target_neighbors, vectors_of
from core.selection.rows import unit

_ROWS = 3_000  # that are paired: some 4 million cosines, a third of a second
_LOWEST = 0.4  # below that nobody would speak of near-duplicates
_BIN, _IN_BIN = 0.002, 4  # pairs kept of each thin slice of cosines


@dataclass(frozen=True)
class Pair:
    """Two rows of the pool, the lower first, and the cosine of their vectors."""

    cosine: float
    rows: tuple[int, int]


@dataclass(frozen=True)
class PairSample:
    """Pairs by cosine, ascending; float32 (pairs,) and int64 (pairs, 2)."""

    cosines: NDArray[np.float32]
    rows: NDArray[np.int64]

    def around(self, cosine: float) -> tuple[Pair, ...]:
        """The pair just above the cosine and the one at or just below it, as far as there are."""
        at = int(np.searchsorted(self.cosines, np.float32(cosine), side="right"))
        return tuple(self._pair(place) for place in (at, at - 1) if 0 <= place < len(self.rows))

    def _pair(self, place: int) -> Pair:
        first, second = self.rows[place].tolist()
        return Pair(float(self.cosines[place]), (first, second))


def sample_pairs(problem: Problem) -> PairSample:
    """Pair the candidates nearest to the targets with each other.

    Each target brings the same number of rows, so that every topic has its pairs. The same problem
    gives the same pairs.
    """
    assert problem.targets is not None
    vectors = vectors_of(problem, problem.candidates)
    each = max(2, 2 * _ROWS // len(problem.targets))
    places = np.unique(target_neighbors(problem, each).indices)
    places = np.sort(np.random.default_rng(0).permutation(places)[:_ROWS])
    units = unit(vectors[places])
    cosines = units @ units.T
    first, second = np.nonzero(np.triu(cosines >= _LOWEST, 1))
    values = np.minimum(cosines[first, second], np.float32(1))
    order = np.argsort(values, kind="stable")
    values, first, second = values[order], first[order], second[order]
    bins = (values / _BIN).astype(np.int64)
    kept = np.arange(len(bins)) - np.searchsorted(bins, bins) < _IN_BIN
    rows = problem.candidates[places]
    return PairSample(values[kept], np.column_stack([rows[first[kept]], rows[second[kept]]]))
