"""Where a selection comes from, beside the pool and beside Random at the same budget."""

from dataclasses import dataclass, replace

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


def random_shares(
    codes: NDArray[np.int32],
    sources: int,
    candidates: NDArray[np.int64],
    pinned: NDArray[np.int64],
    budget: int,
) -> NDArray[np.float64]:
    """Share of each source in Random; shape (seeds, sources). See `source_shares`."""
    fixed = pinned if len(pinned) <= budget else pinned[:0]
    problem = Problem(features=None, candidates=candidates, budget=budget, pinned=fixed)
    draws = (solve("random", replace(problem, seed=seed)).rows for seed in range(RANDOM_SEEDS))
    return np.array([np.bincount(codes[rows], minlength=sources) / budget for rows in draws])


def source_shares(
    codes: NDArray[np.int32],
    names: list[str],
    selected: NDArray[np.int64],
    candidates: NDArray[np.int64],
    pinned: NDArray[np.int64],
    random: NDArray[np.float64] | None = None,
) -> list[SourceShare]:
    """Compare the sources of a selection with the pool and with Random at the same budget.

    Parameters
    ----------
    codes : ndarray of int32, shape (rows,)
        Source of every pool row, an index of `names`.
    selected, candidates, pinned : ndarray of int64
        Rows chosen, rows that could be, and rows that had to be.
    random : from `random_shares`, where it is known.

    Returns
    -------
    list of SourceShare
        By share of the selection, largest first; sources with no rows anywhere are left out.
    """
    if random is None:
        # What was selected may have been dropped since: Random draws from both.
        eligible = np.union1d(candidates, selected)
        random = random_shares(codes, len(names), eligible, pinned, len(selected))
    counts = np.bincount(codes[selected], minlength=len(names))
    own = counts / max(1, len(selected))
    pool = np.bincount(codes, minlength=len(names)) / max(1, len(codes))
    return [
        SourceShare(
            names[i],
            int(counts[i]),
            float(own[i]),
            float(pool[i]),
            float(random[:, i].mean()),
            float(random[:, i].std()),
        )
        for i in np.lexsort((-pool, -own))
    ]
