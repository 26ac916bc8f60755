"""How unlike the rows of near-duplicate groups are: what is joined through others may be far apart.

A group is all that is joined, if only through others (single linkage), so that its cosine says
nothing of its ends. Here the two rows of each group that are least alike are looked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.features import load_features
from core.project import Project

if TYPE_CHECKING:
    from core.near_duplicates import DuplicateGroups

# Rows of a group of which all pairs are looked at: 3 ms at 256 dimensions on two cores.
LOOKED_AT = 500
_TOGETHER = 1 << 20  # cosines that are worked out together, of groups of one size
_VALUES = 1 << 23  # of the vectors that they are worked out from: 32 MB in float32


@dataclass(frozen=True)
class GroupSpread:
    """The two least alike rows of each group.

    Attributes
    ----------
    cosines : float32 ndarray of shape (groups,), of those two.
    pairs : int64 ndarray of shape (groups, 2), their rows, the lower one first.
    exact : bool ndarray of shape (groups,)
        Whether all rows of the group were looked at. Else it was an even sample of `LOOKED_AT` of
        them, and others may be less alike still.
    """

    cosines: NDArray[np.float32]
    pairs: NDArray[np.int64]
    exact: NDArray[np.bool_]

    @property
    def worst(self) -> int:
        """The group in which the two least alike rows of all were found."""
        return int(np.argmin(self.cosines))

    def said(self, number: int | None = None) -> str:
        """The lowest cosine of a group, or of all, for people: behind "≤" if it may be lower."""
        exact = self.exact.all() if number is None else self.exact[number]
        lowest = self.cosines.min() if number is None else self.cosines[number]
        return f"{'' if exact else '≤ '}{lowest:.3f}"


def group_spread(groups: "DuplicateGroups", vectors: NDArray[np.floating[Any]]) -> GroupSpread:
    """Find the two least alike rows of each group.

    Parameters
    ----------
    vectors : ndarray of shape (rows, dim)
        Any float type, no zero vector; compared as unit vectors in float32.

    Notes
    -----
    Costs at most `LOOKED_AT` cosines for each row of a group.
    """
    sizes = groups.sizes
    cosines = np.empty(len(groups), np.float32)
    pairs = np.empty((len(groups), 2), np.int64)
    for places, rows in _batches(groups, vectors.shape[1]):
        count, size = rows.shape
        unit = np.asarray(vectors[rows.ravel()], np.float32)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        unit = unit.reshape(count, size, -1)
        found = np.matmul(unit, unit.transpose(0, 2, 1)).reshape(count, -1)
        found[:, :: size + 1] = np.inf  # a row and itself
        least = np.argmin(found, axis=1)
        cosines[places] = np.clip(found[np.arange(count), least], -1, 1)
        ends = np.stack([least // size, least % size], axis=1)
        pairs[places] = np.sort(np.take_along_axis(rows, ends, axis=1), axis=1)
    return GroupSpread(cosines, pairs, sizes <= LOOKED_AT)


def spread_of(project: Project, groups: "DuplicateGroups") -> GroupSpread:
    """As `group_spread`, by the features in use.

    Raises
    ------
    InputError
        No features yet.
    """
    return group_spread(groups, load_features(project).vectors)


def _batches(
    groups: "DuplicateGroups", dim: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Groups of as many rows each, and the rows that are looked at, shape (groups, rows)."""
    looked = np.minimum(groups.sizes, LOOKED_AT)
    # The largest groups are first, so that those of one size stand together.
    first = np.flatnonzero(np.diff(looked, prepend=0))
    for start, stop in zip(first, np.append(first, len(groups))[1:], strict=True):
        size = int(looked[start])
        step = max(1, min(_TOGETHER // size**2, _VALUES // (size * dim)))
        for begin in range(start, stop, step):
            places = np.arange(begin, min(begin + step, stop))
            share = np.arange(size) / (size - 1)
            steps = np.round(share * (groups.sizes[places, None] - 1)).astype(np.int64)
            yield places, groups.rows[groups.starts[places, None] + steps]
