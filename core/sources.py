"""Where a selection comes from, beside the pool and beside Random at the same budget."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.selection import Problem, solve

RANDOM_SEEDS = 5  # as many as give a usable mean and spread


@dataclass(frozen=True)
class SourceShare:
    """One source; shares are fractions of the selection, the pool and the random selections."""

    name: str
    rows: int
    share: float
    pool: float
    random: float
    random_spread: float  # standard deviation over the seeds

    @property
    def lift(self) -> float:
        """How many times more often than in the pool; infinite never, 0 when the pool has none."""
        return self.share / self.pool if self.pool else 0.0


def source_shares(
    codes: NDArray[np.int32],
    names: list[str],
    selected: NDArray[np.int64],
    candidates: NDArray[np.int64],
    pinned: NDArray[np.int64],
) -> list[SourceShare]:
    """Compare the sources of a selection with the pool and with Random at the same budget.

    Parameters
    ----------
    codes : ndarray of int32, shape (rows,)
        Source of every pool row, an index of `names`.
    selected, candidates, pinned : ndarray of int64
        Rows chosen, rows that could be, and rows that had to be.

    Returns
    -------
    list of SourceShare
        By share of the selection, largest first; sources with no rows anywhere are left out.
    """

    def shares(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.bincount(codes[rows], minlength=len(names)) / max(1, len(rows))

    # What was selected may have been dropped since: Random draws from both.
    eligible = np.zeros(len(codes), bool)
    eligible[candidates] = eligible[selected] = True
    draws = np.array(
        [
            shares(
                solve(
                    "random",
                    Problem(
                        features=None,
                        candidates=np.flatnonzero(eligible),
                        budget=len(selected),
                        pinned=pinned if len(pinned) <= len(selected) else pinned[:0],
                        seed=seed,
                    ),
                ).rows
            )
            for seed in range(RANDOM_SEEDS)
        ]
    )
    own, pool = shares(selected), np.bincount(codes, minlength=len(names)) / max(1, len(codes))
    counts = np.bincount(codes[selected], minlength=len(names))
    return [
        SourceShare(
            names[i],
            int(counts[i]),
            float(own[i]),
            float(pool[i]),
            float(draws[:, i].mean()),
            float(draws[:, i].std()),
        )
        for i in np.lexsort((-pool, -own))
    ]
