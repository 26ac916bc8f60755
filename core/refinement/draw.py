"""The rows of one round: drawn by the weights of the clusters, among those not drawn yet."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.selection.base import Problem
from core.selection.kmeans_rules import kmeans_closest, kmeans_random, kmq

Rows = NDArray[np.int64]
Numbers = NDArray[np.float64]
WITHIN = ("random", "closest", "kmq")


@dataclass(frozen=True)
class Draw:
    """What a round brings.

    Attributes
    ----------
    rows : int64 ndarray, ascending
    probabilities : float64 ndarray
        Inclusion probability of each row in this draw.
    why : one short sentence for each row.
    support : rows with a probability above zero.
    notes : sentences on what was changed to meet the size.
    """

    rows: Rows
    probabilities: Numbers
    why: tuple[str, ...]
    support: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Standing:
    """What stands of a refinement when a round draws, and what the decisions are then.

    Attributes
    ----------
    labels : int ndarray of shape (rows,)
        Cluster of each pool row.
    subset : bool ndarray of shape (rows,)
        What earlier rounds brought and did not lose.
    dropped, pinned : bool ndarray of shape (rows,)
    """

    labels: NDArray[np.integer]
    subset: NDArray[np.bool_]
    dropped: NDArray[np.bool_]
    pinned: NDArray[np.bool_]

    @cached_property
    def lost(self) -> Rows:
        """Rows of the subset that were dropped since: they leave it."""
        return np.flatnonzero(self.subset & self.dropped)

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """The subset without them; shape (rows,)."""
        return self.subset & ~self.dropped

    @cached_property
    def candidates(self) -> Rows:
        """Rows that may be drawn, ascending."""
        return np.flatnonzero(~self.dropped & ~self.kept)

    @cached_property
    def first(self) -> Rows:
        """Candidates that are pinned: they come before all others."""
        return np.flatnonzero(self.pinned & ~self.dropped & ~self.kept)

    def by_cluster(self, rows: Rows, clusters: int) -> NDArray[np.int64]:
        """Number of these rows in each cluster; shape (clusters,)."""
        return np.bincount(self.labels[rows], minlength=clusters)

    def size(self, budget: int, rounds_left: int) -> int:
        """Rows that this round brings.

        What is missing of the budget falls on the rounds that are left, as evenly as whole rows
        do, the larger parts first; all pinned rows come at once, if need be.

        Raises
        ------
        InputError
            The pinned rows are more than the budget has room for, or fewer rows are left than it
            wants.
        """
        missing = budget - int(self.kept.sum())
        if len(self.first) > missing:
            raise InputError(
                f"{len(self.first):,} pinned rows are to come, and the budget of {budget:,} has "
                f"room for {missing:,}; unpin some."
            )
        if len(self.candidates) < missing:
            raise InputError(
                f"{missing:,} rows of the budget are still to be drawn, and only "
                f"{len(self.candidates):,} others are kept; restore some."
            )
        return max(-(-missing // rounds_left), len(self.first))


def living(weights: Numbers, candidates: NDArray[np.integer]) -> Numbers:
    """The weights to draw with: a cluster without candidates has none; the sum is 1.

    All 0 where only clusters of weight 0 have candidates; they are then alike.
    """
    found = np.where(candidates > 0, weights, 0.0)
    total = found.sum()
    return found / total if total > 0 else found


def draw_round(
    standing: Standing,
    weights: Numbers,
    size: int,
    *,
    within: str,
    seed: int,
    quality: Numbers | None = None,
    temperature: float = 0.0,
    features: NDArray[np.floating] | None = None,
) -> Draw:
    """Draw exactly `size` rows: a quota for each cluster by its weight, then rows within it.

    Parameters
    ----------
    weights : float64 ndarray of shape (clusters,)
    size : at most the candidates, and at least those that come first.
    within : "random", "closest" (to the mean of the cluster's candidates; needs features) or
        "kmq" (in proportion to quality, which it needs, or to its softmax at the temperature).
    seed : of this round.

    Returns
    -------
    Draw
        Pinned rows are among them; a cluster gives no more than it has, and the others the rest
        (`core.selection.quotas.largest_remainder`).
    """
    if size == 0:
        return Draw(np.empty(0, np.int64), np.empty(0), (), 0)
    problem = Problem(
        features,
        standing.candidates,
        size,
        labels=standing.labels,
        quality=quality,
        pinned=standing.first,
        seed=seed,
    )
    if within == "kmq":
        found = kmq(problem, quotas=weights, temperature=temperature)
    else:
        rule = {"random": kmeans_random, "closest": kmeans_closest}[within]
        found = rule(problem, quotas=weights)
    return Draw(found.rows, found.probabilities, found.why, found.support, found.notes)


def seed_of(seed: int, number: int) -> int:
    """The seed of a round, from that of the refinement; below 2³¹."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] >> 1)
