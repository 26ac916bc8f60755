"""Scores that are known of all rows before any round: as the quality of kMQ, and of clusters.

A quality that is called `score:` and the name of such a scorer goes by them.
"""

import numpy as np
from numpy.typing import NDArray

from core.pool import Pool
from core.progress import Progress
from core.refinement.plan import Plan
from core.refinement.registry import OF_ALL_ROWS, Place, find_scorer
from core.refinement.scorers.whole_pool import PoolScorer

Numbers = NDArray[np.float64]

PREFIX = "score:"
SCORES = "scores"  # folder of a project, where they are kept


def scorer_of(quality: str | None) -> str | None:
    """The scorer whose scores a quality is; None for a column, a heuristic, and none at all."""
    return next((one for one in OF_ALL_ROWS if quality == PREFIX + one), None)


def draws_by_own_scores(plan: Plan) -> bool:
    """Whether the rows are drawn by the very scores that the weights follow."""
    return plan.within == "kmq" and scorer_of(plan.quality) == plan.scorer


def all_scores(scorer: str, pool: Pool, place: Place, *, progress: Progress) -> Numbers:
    """Scores of all rows by one of `OF_ALL_ROWS`; float64 of shape (pool rows,), some not a number.

    They are worked out once for a pool, and then read.
    """
    kind = find_scorer(scorer)
    made = kind.make(kind.resolve({}), place)
    assert isinstance(made, PoolScorer)
    return made.all_rows(pool, progress=progress)


def as_quality(scores: Numbers) -> Numbers:
    """Scores in standard deviations from their mean, so that one temperature fits every scorer.

    Of two rows above the median neither is preferred: what is wanted is less of what scores low,
    not more of the few that score highest. A row without a score stands at the mean, and so do all
    where they are alike.
    """
    known = ~np.isnan(scores)
    if not known.any():
        return np.zeros(len(scores))
    bounded = np.minimum(scores, np.median(scores[known]))
    deviation = float(bounded[known].std())
    if deviation <= 1e-12 * float(np.abs(bounded[known]).max()):  # rounding alone
        return np.zeros(len(scores))
    return np.where(known, (bounded - float(bounded[known].mean())) / deviation, 0.0)
