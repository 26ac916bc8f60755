"""How runs are spread over the pool's sources or clusters, and what each gained and lost."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Change:
    """One source or cluster in two selections; shares are fractions of each one's rows."""

    name: str
    before: int
    after: int
    share_before: float
    share_after: float

    @property
    def change(self) -> float:
        """Difference of the shares: above 0 where the second has more."""
        return self.share_after - self.share_before

    @property
    def points(self) -> float:
        """The change in percentage points, to one decimal; never a negative zero."""
        return round(100 * self.change, 1) + 0.0


@dataclass(frozen=True)
class Groups:
    """Rows of each run in each source or cluster.

    Attributes
    ----------
    names : of the groups.
    kept : int64 ndarray of shape (groups,)
        Rows that are kept in the pool.
    counts : the same of each run, by its name.
    """

    names: tuple[str, ...]
    kept: NDArray[np.int64]
    counts: dict[str, NDArray[np.int64]]

    def changes(self, run: str, base: str | None = None) -> list[Change]:
        """Set a run beside another one, or beside the kept rows; the largest change comes first.

        Groups without a row in either are left out.
        """
        before, after = self.kept if base is None else self.counts[base], self.counts[run]
        old, new = before / max(1, before.sum()), after / max(1, after.sum())
        return [
            Change(self.names[i], int(before[i]), int(after[i]), float(old[i]), float(new[i]))
            for i in np.argsort(-np.abs(new - old), kind="stable")
            if before[i] or after[i]
        ]


def count_groups(
    codes: NDArray[np.integer],
    names: tuple[str, ...],
    kept: NDArray[np.int64],
    runs: Mapping[str, NDArray[np.int64]],
) -> Groups:
    """Count the rows of each run in each group.

    Parameters
    ----------
    codes : ndarray of shape (pool rows,)
        Group of each row, an index of `names`.
    kept : int64 ndarray
        Row numbers.
    runs : row numbers by the run's name.
    """

    def counted(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(codes[rows], minlength=len(names))

    return Groups(names, counted(kept), {name: counted(rows) for name, rows in runs.items()})
