"""Weights of clusters: what the scores of a round's rows make of them. Arrays in, arrays out."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.selection.sampling import water_fill

Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]
UPDATES = ("exponential", "paper", "ucb")
_UNKNOWN_COUNT = 5.0  # of rows against chance, where nothing says how many


@dataclass(frozen=True)
class ClusterScores:
    """What the scored rows say of their clusters; each array has one entry for each cluster.

    Attributes
    ----------
    count : int64 ndarray
        Rows that have a score.
    mean : float64 ndarray
        Their mean score; not a number where there are none, nor is the spread.
    spread : float64 ndarray
        Their standard deviation, of the rows as they are (dividing by their number).
    """

    count: Counts
    mean: Numbers
    spread: Numbers

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Whether a cluster has a row with a score."""
        return self.count > 0

    @property
    def overall(self) -> float:
        """Mean score of all rows; not a number where none has one."""
        total = int(self.count.sum())
        if not total:
            return float("nan")
        return float((self.count * np.where(self.scored, self.mean, 0.0)).sum() / total)

    @property
    def deviation(self) -> float:
        """Standard deviation of the scores of all rows, whatever their cluster; 0 without any."""
        total = int(self.count.sum())
        if not total:
            return 0.0
        means, spreads = (np.where(self.scored, one, 0.0) for one in (self.mean, self.spread))
        largest = float(np.abs(means).max() + spreads.max())
        if not largest:
            return 0.0
        # In parts of the largest: squares of large scores overflow.
        away, within = (means - self.overall) / largest, spreads / largest
        return largest * float(np.sqrt((self.count * (away**2 + within**2)).sum() / total))

    @property
    def pseudo_count(self) -> float:
        """How many rows it takes until a cluster's own mean says as much as that of all rows.

        Empirical Bayes: the variance within clusters over that between them, by the moments of a
        one-way random-effects analysis of variance (Searle, Casella & McCulloch 1992). Infinite
        where clusters differ by no more than chance explains; 5 where no cluster has two rows.
        """
        count = self.count[self.scored].astype(np.float64)
        groups, total = len(count), float(count.sum())
        if groups < 2 or total <= groups:
            return _UNKNOWN_COUNT
        scale = self.deviation or 1.0  # squares of large scores overflow
        spreads = self.spread[self.scored] / scale
        away = (self.mean[self.scored] - self.overall) / scale
        within = float((count * spreads**2).sum() / (total - groups))
        typical = (total - float((count**2).sum()) / total) / (groups - 1)
        between = (float((count * away**2).sum()) / (groups - 1) - within) / typical
        return within / between if between > 0 else np.inf

    def shrunk(self, pseudo_count: float | Literal["auto"]) -> Numbers:
        """The means, pulled to that of all rows where few rows say so.

        ``s_j = (n_j · mean_j + m · overall) / (n_j + m)`` with the pseudo-count m: a cluster of m
        rows stands half-way. Not a number where there are no rows.
        """
        amount = self.pseudo_count if pseudo_count == "auto" else float(pseudo_count)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = self.count / (self.count + amount)
            return np.where(self.scored, share * self.mean + (1 - share) * self.overall, np.nan)


def cluster_scores(labels: NDArray[np.integer], scores: Numbers, clusters: int) -> ClusterScores:
    """Count, mean and spread of the scores of each cluster.

    Parameters
    ----------
    labels : int ndarray of shape (n,)
        Cluster of each row.
    scores : float64 ndarray of shape (n,)
        Not a number where a row has none.
    clusters : int
        How many there are.
    """
    known = ~np.isnan(scores)
    labels, scores = np.asarray(labels)[known], np.asarray(scores, np.float64)[known]
    count = np.bincount(labels, minlength=clusters)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(labels, scores, clusters) / count
        # Two passes: the difference of two large sums would lose the digits.
        spread = np.sqrt(np.bincount(labels, (scores - mean[labels]) ** 2, clusters) / count)
    return ClusterScores(count.astype(np.int64), mean, spread)


@dataclass(frozen=True)
class Update:
    """How weights follow scores.

    Attributes
    ----------
    rule : one of `UPDATES`.
    eta : η of the exponential rules: how far one standard deviation moves a weight.
    exploration : c of the ucb rule.
    shrink : pseudo-count m of `ClusterScores.shrunk`; "auto": `ClusterScores.pseudo_count`.
    floor : share of the uniform weight 1 / k below which no score brings a weight.
    """

    rule: str = "exponential"
    eta: float = 3.0
    exploration: float = 0.5
    shrink: float | Literal["auto"] = "auto"
    floor: float = 0.1


def update_weights(
    weights: Numbers,
    scores: ClusterScores,
    update: Update,
    *,
    alive: NDArray[np.bool_] | None = None,
    so_far: ClusterScores | None = None,
) -> Numbers:
    """Weights after a round.

    With s_j the shrunk score of cluster j, z_j = (s_j − mean) / deviation by mean and standard
    deviation of all rows' scores, and t the number of rows scored in all rounds:

    ============= ============================================== =============================
    rule          w_j becomes, up to one factor for all          source
    ============= ============================================== =============================
    paper         w_j · s_j / Σ s                                arXiv 2409.11378, algorithm 1
    exponential   w_j · exp(η · z_j)                             multiplicative weights (Hedge)
    ucb           w_j · exp(η · (z_j + c · √(ln t / n_j)))       UCB1; arXiv 2506.10288
    ============= ============================================== =============================

    Only what moved shares the weight that it had before: a cluster without a score in the round,
    or without rows left, keeps its share exactly. The ucb rule goes by the scores of all rounds,
    and moves the clusters that have none, too: as if one row had had the mean score, which is the
    largest bonus that there is.

    No score brings a cluster below the floor, `update.floor` / k, and the floor raises none: where
    the weight was lower before, that is the bound.

    Parameters
    ----------
    weights : float64 ndarray of shape (k,)
        At least 0; their sum is 1.
    scores : of this round.
    alive : bool ndarray of shape (k,)
        Clusters that have rows to draw; default: all.
    so_far : scores of all rounds, this one among them, for the ucb rule; default: `scores`.

    Returns
    -------
    float64 ndarray of shape (k,), the sum is 1

    Raises
    ------
    InputError
        No such rule, or a score below 0 for the paper's.
    """
    weights = np.asarray(weights, np.float64)
    alive = np.ones(len(weights), bool) if alive is None else alive
    if update.rule == "ucb":
        seen = scores if so_far is None else so_far
        moved, factor = alive & bool(seen.scored.any()), _optimistic(seen, update)
    elif update.rule == "exponential":
        moved = alive & scores.scored
        factor = np.exp(_below_zero(update.eta * _standardised(scores, update.shrink), moved))
    elif update.rule == "paper":
        moved, factor = alive & scores.scored, _published(scores.shrunk(update.shrink))
    else:
        raise InputError(
            f"There is no update {update.rule!r}; use {', '.join(UPDATES)}.", option="update"
        )
    total = float(weights[moved].sum())
    raised = weights[moved] * factor[moved]
    if total <= 0 or not raised.any():
        return weights.copy()
    floors = np.minimum(update.floor / len(weights), weights[moved])
    changed = weights.copy()
    caps = np.where(weights[moved] > 0, total, 0.0)  # a weight of 0 stays: a person put it there
    changed[moved] = water_fill(raised, total, caps, floors)
    return changed / changed.sum()


def _published(shrunk: Numbers) -> Numbers:
    negative = np.flatnonzero(shrunk < 0)
    if len(negative):
        raise InputError(
            f"The paper's update needs scores of 0 or more; cluster {negative[0]} has "
            f"{shrunk[negative[0]]:.4g}. Use the update exponential.",
            option="update",
        )
    largest = np.nanmax(shrunk, initial=0.0)
    return shrunk / largest if largest > 0 else np.ones(len(shrunk))


def _optimistic(seen: ClusterScores, update: Update) -> Numbers:
    score = np.where(seen.scored, _standardised(seen, update.shrink), 0.0)
    rows = np.maximum(seen.count, 1)
    bonus = np.sqrt(np.log(max(int(seen.count.sum()), 1)) / rows)
    index = update.eta * (score + update.exploration * bonus)
    return np.exp(_below_zero(index, np.ones(len(index), bool)))


def _standardised(scores: ClusterScores, shrink: float | Literal["auto"]) -> Numbers:
    """The shrunk scores in standard deviations of the rows' scores: few rows move a weight little.

    All 0 where the rows' scores are alike.
    """
    shrunk, deviation = scores.shrunk(shrink), scores.deviation
    if deviation <= 1e-12 * abs(scores.overall):  # rounding alone
        return np.where(scores.scored, 0.0, np.nan)
    return (shrunk - scores.overall) / deviation


def _below_zero(exponents: Numbers, of: NDArray[np.bool_]) -> Numbers:
    """The same less the largest: no exponential overflows, and one factor changes nothing."""
    largest = exponents[of].max(initial=-np.inf)
    return exponents - largest if np.isfinite(largest) else exponents
