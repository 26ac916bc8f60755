"""The transport path of TSDS (arXiv 2410.11303), solved once for all diversity weights.

TSDS minimises (α / C) · Σ γ_jk d_jk + (1 − α) · M · max ρ_jk γ_jk over transport plans γ that send
1 / M from each of M targets to its neighbours k (d: L2 distance, ρ: kernel density; 1 for
KNN-Uniform). With the maximum fixed at 1 / s, a target fills its neighbours in order of distance,
each with at most 1 / (M s ρ_jk), so neighbour k of target j holds the part of the interval
[W_j,k−1, W_jk] that lies below s, over M s, where W_jk = Σ_{i ≤ k} 1 / ρ_ji. Times M, the objective
is then (A + s-linear pieces) / s, and its derivative changes sign where

    Σ_j cost_j(s) = M C (1 − α) / α,   cost_jk = Σ_{i ≤ k} (d_j,k+1 − d_ji) / ρ_ji,

cost_j(s) being the cost_jk of the last W_jk ≤ s. When s passes W_jk, cost_j grows by
(d_j,k+1 − d_jk) · W_jk, which is never negative and knows nothing of α. So all (j, k) are sorted by
W_jk once and the growths cumulated; the s of any diversity weight λ = 1 − α is a binary search.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.selection.base import Numbers, Rows

Density = Callable[[NDArray[np.int64]], NDArray[np.float64]]

_WEIGHT_STEP = 1e-12  # far below what anyone sets, far above rounding
_ROUNDING = 1e-9  # of a count that is a sum of floats
_KEPT = 8  # points at which a budget is filled
_FIRST_PREFIX = 16  # neighbours of each target that are looked at before anything is known


@dataclass(frozen=True)
class PathPoint:
    """The optimal plan at one diversity weight.

    Attributes
    ----------
    diversity_weight : float
        λ = 1 − α.
    rows : int64 ndarray of shape (support,), ascending
        Pool rows that receive mass.
    probabilities : float64 ndarray of shape (support,)
        Mass that each receives from all targets; all above 0, their sum is 1.
    s : float
        Over how many rows a target spreads when their density is 1.
    alignment_cost : float
        Mean distance over which mass is moved, in the unit of the features.
    counts : int64 ndarray of shape (n_targets,)
        Neighbours that each target sends mass to.
    exhausted : int
        Targets that send mass to all their prefetched neighbours; the last one takes what is
        left, however much.
    """

    diversity_weight: float
    rows: Rows
    probabilities: Numbers
    s: float
    alignment_cost: float
    counts: NDArray[np.int64]
    exhausted: int

    @property
    def support(self) -> int:
        """Rows that receive mass."""
        return len(self.rows)

    @property
    def effective_size(self) -> float:
        """(Σ p)² / Σ p²: how many rows of equal mass would be as spread out."""
        return float(self.probabilities.sum() ** 2 / np.square(self.probabilities).sum())


@dataclass(frozen=True)
class Curve:
    """The trade-off along the path; each array has one entry for each diversity weight."""

    diversity_weights: Numbers
    alignment_costs: Numbers
    supports: NDArray[np.int64]
    effective_sizes: Numbers


def numbered(rows: NDArray[np.int64]) -> tuple[Rows, NDArray[np.int64]]:
    """The different rows, ascending, and where each of `rows` is among them.

    As `np.unique` with its inverse; row numbers are small enough for a table in place of a sort.
    """
    there = np.zeros(int(rows.max()) + 1, bool)
    there[rows] = True
    return np.flatnonzero(there), (np.cumsum(there) - 1)[rows]


class TransportPath:
    """All solutions, from pure alignment to the widest spread.

    Parameters
    ----------
    rows : int64 ndarray of shape (n_targets, k)
        Pool rows nearest to each target, nearest first.
    distances : ndarray of shape (n_targets, k)
        Their L2 distances.
    scale : float
        C, above 0: what one unit of distance is measured in.
    density : callable, optional
        Called with indices of `union`, returns their densities (at least 1). It is called only for
        rows that the path has come near, in an order that does not depend on what is asked for, so
        that answers do not depend on earlier ones. Without it every density is 1.

    Attributes
    ----------
    union : int64 ndarray, ascending
        All pool rows that are a neighbour of some target.

    Notes
    -----
    The end is that of the published code: a target whose neighbours are used up leaves what remains
    of its mass to the last one, and s stops at the largest W_j,k−1.

    Costs n_targets · k · log for all weights together; a weight after that n_targets · k at most.
    """

    def __init__(
        self,
        rows: NDArray[np.int64],
        distances: NDArray[np.floating],
        *,
        scale: float,
        density: Density | None = None,
    ) -> None:
        self.union, members = numbered(rows)
        self._members = members.astype(np.int32)
        self._distances = distances.astype(np.float64)
        self.scale = scale
        self._density = density
        targets, k = rows.shape
        self._last = k - 1  # pairs (j, k) there are: the last neighbour has no next distance
        self._reach = np.full((targets, self._last), np.inf)  # W_jk
        self._known = np.zeros(targets, np.int64)  # neighbours with a known W_jk
        self._weights = np.zeros(len(self.union))  # 1 / density; 0 where it is not known
        self._points: dict[tuple[str, int, bytes], PathPoint | None] = {}
        self._horizon = 0.0  # every pair with W_jk up to here is in the three arrays below
        self._steps = np.empty(0)  # W of the pairs, ascending
        self._step_members = np.empty(0, np.int32)  # which row of `union` they fill
        self._costs = np.empty(0)  # Σ_j cost_j from that pair on

    def solve(self, diversity_weight: float) -> PathPoint:
        """The optimum at a diversity weight λ in [0, 1)."""
        return self._at(self._position(diversity_weight), diversity_weight)

    def end(self) -> PathPoint:
        """The widest spread that the prefetched neighbours allow."""
        while not self._complete:
            self._grow()
        position = len(self._steps) - 1
        return self._at(position, self._smallest_weight(position) if self._last else 0.0)

    def curve(self, diversity_weights: Sequence[float] | Numbers) -> Curve:
        """The trade-off at each of these weights."""
        points = [self.solve(float(weight)) for weight in diversity_weights]
        return Curve(
            np.array([point.diversity_weight for point in points]),
            np.array([point.alignment_cost for point in points]),
            np.array([point.support for point in points], np.int64),
            np.array([point.effective_size for point in points]),
        )

    def smallest_lambda_with_support(
        self, count: int, without: Rows | None = None
    ) -> PathPoint | None:
        """The first point of the path that reaches `count` rows, not counting `without`.

        None when even its end does not reach so many.
        """
        return self._remembered("support", count, without, lambda masses: masses > 0)

    def smallest_lambda_with_room(
        self, count: int, without: Rows | None = None
    ) -> PathPoint | None:
        """As `smallest_lambda_with_support`, where near-duplicates share one place.

        A row has as much of a place as it has mass, in units of what a target sends to a row of
        density 1, and at most a whole one: Σ_i min(1, M s p_i) ≥ `count`. There `count` rows can
        be drawn of which hardly any stands for the same thing as another; at the first point with
        that many rows, all rows within reach would have to be taken, near-duplicates too.
        """
        return self._remembered("room", count, without, lambda masses: np.minimum(masses, 1))

    def _remembered(
        self,
        what: str,
        count: int,
        without: Rows | None,
        places: Callable[[Numbers], NDArray[Any]],
    ) -> PathPoint | None:
        """As `_first`; the last few are kept, since every weight below such a point leads to it."""
        key = (what, count, b"" if without is None else without.tobytes())
        if key not in self._points:
            if len(self._points) >= _KEPT:
                self._points.clear()
            self._points[key] = self._first(count, without, places)
        return self._points[key]

    def _first(
        self, count: int, without: Rows | None, places: Callable[[Numbers], NDArray[Any]]
    ) -> PathPoint | None:
        """The first point at which the places of the rows' masses sum to `count`."""
        counted = np.ones(len(self.union), bool)
        if without is not None:
            counted &= ~np.isin(self.union, without)

        def room(position: int) -> float:
            s = float(self._steps[position]) if self._last else 1.0
            masses = self._received(s, self._counts(s))[counted] * (len(self._distances) * s)
            return float(places(masses).sum()) + _ROUNDING

        while not self._complete and (not len(self._steps) or room(-1) < count):
            self._grow()
        if room(-1) < count:
            return None
        if not self._last:
            return self.end()
        low, high = 0, len(self._steps) - 1
        while low < high:
            middle = (low + high) // 2
            if room(middle) >= count:
                high = middle
            else:
                low = middle + 1
        return self._at(low, self._smallest_weight(low))

    def pulls(self, point: PathPoint, rows: Rows) -> tuple[NDArray[np.int64], Rows, Numbers]:
        """Which targets send mass to `rows` (ascending) at `point`.

        Returns
        -------
        places, targets, shares : ndarrays of shape (pulls,)
            Index of `rows`, the target, and its mass; by place, the largest share first.
        """
        wanted = np.full(len(self.union), -1, np.int64)
        there = np.isin(rows, self.union)
        wanted[np.searchsorted(self.union, rows[there])] = np.flatnonzero(there)
        counts = point.counts
        members = self._members[:, : counts.max()]
        places = wanted[members]
        target, neighbour = np.nonzero((places >= 0) & (np.arange(counts.max()) < counts[:, None]))
        place = places[target, neighbour]
        shares = self._weights[members[target, neighbour]] / (len(counts) * point.s)
        is_last = neighbour == counts[target] - 1
        shares[is_last] = self._remainders(point.s, counts)[target[is_last]]
        order = np.lexsort((target, -shares, place))
        return place[order], target[order], shares[order]

    @property
    def _complete(self) -> bool:
        return bool(np.isinf(self._horizon)) or not self._last

    def _threshold(self, diversity_weight: float) -> float:
        ratio = diversity_weight / (1 - diversity_weight)
        return len(self._distances) * self.scale * ratio

    def _position(self, diversity_weight: float) -> int:
        """The pair at which the path stops."""
        threshold = self._threshold(diversity_weight)
        while not self._complete and (not len(self._costs) or self._costs[-1] < threshold):
            self._grow()
        found = int(np.searchsorted(self._costs, threshold, side="left"))
        return min(found, len(self._costs) - 1)

    def _smallest_weight(self, position: int) -> float:
        """The smallest λ that stops at a pair (or past it, where no float lies between)."""
        wanted = self._steps[position]
        first = int(np.searchsorted(self._steps, wanted, side="left"))
        if first == 0:
            return 0.0
        threshold = self._costs[first - 1] / (len(self._distances) * self.scale)
        weight = threshold / (1 + threshold)
        gap, largest = _WEIGHT_STEP, float(np.nextafter(1, 0))
        while weight < largest:
            stop = self._position(weight)  # may lengthen the arrays
            if self._steps[stop] >= wanted:
                break
            weight = min(weight + gap, largest)
            gap *= 2
        return float(weight)

    def _at(self, position: int, diversity_weight: float) -> PathPoint:
        s = float(self._steps[position]) if self._last else 1.0
        counts = self._counts(s)
        total = self._received(s, counts)
        inside = np.flatnonzero(total)
        return PathPoint(
            diversity_weight=diversity_weight,
            rows=self.union[inside],
            probabilities=total[inside] / total.sum(),
            s=s,
            alignment_cost=self._alignment_cost(s, counts),
            counts=counts,
            exhausted=int(np.count_nonzero(counts > self._last)),
        )

    def _received(self, s: float, counts: NDArray[np.int64]) -> Numbers:
        """Mass of each row of `union`: a whole share for each pair below s, and remainders."""
        filled = self._step_members[: self._below(s)]
        received = np.bincount(filled, minlength=len(self.union)) * self._weights
        received /= len(counts) * s
        last = self._members[np.arange(len(counts)), counts - 1]
        received += np.bincount(last, self._remainders(s, counts), minlength=len(self.union))
        return received

    def _alignment_cost(self, s: float, counts: NDArray[np.int64]) -> float:
        """Σ γ d. For a target whose last neighbour is k it is (s d_jk − cost_j(s)) / (M s)."""
        last = self._distances[np.arange(len(counts)), counts - 1]
        below = self._below(s)
        cost = float(self._costs[below - 1]) if below else 0.0
        return max(0.0, float(last.mean()) - cost / (len(counts) * s))

    def _below(self, s: float) -> int:
        """How many pairs are filled before s."""
        return int(np.searchsorted(self._steps, s, side="left"))

    def _counts(self, s: float) -> NDArray[np.int64]:
        """Neighbours of each target that begin below s: a binary search in each row at once."""
        targets = np.arange(len(self._known))
        low, high = np.zeros_like(self._known), self._known.copy()
        while (low < high).any():
            middle = (low + high) // 2
            is_below = (low < high) & (self._reach[targets, np.minimum(middle, high - 1)] < s)
            low, high = np.where(is_below, middle + 1, low), np.where(is_below, high, middle)
        return 1 + low

    def _remainders(self, s: float, counts: NDArray[np.int64]) -> Numbers:
        """What each target sends to the last of its neighbours."""
        before = np.zeros(len(counts))
        some = np.flatnonzero(counts > 1)
        before[some] = self._reach[some, counts[some] - 2]
        return (1 - before / s) / len(counts)

    def _grow(self) -> None:
        """Double the horizon: take the densities up to there, and add the pairs."""
        if not len(self._steps):
            self._extend(np.arange(len(self._known)), np.full(len(self._known), _FIRST_PREFIX))
            goal = float(self._frontier().min())
        else:
            goal = 2 * self._horizon
        while True:
            frontier = self._frontier()
            behind = np.flatnonzero(frontier < goal)
            if not len(behind):
                break
            known = self._known[behind]
            guess = np.ceil(1.05 * known * goal / frontier[behind])
            wanted = np.clip(guess, known + _FIRST_PREFIX, 2 * known + _FIRST_PREFIX)
            self._extend(behind, wanted.astype(np.int64))
        horizon = goal if (self._known < self._last).any() else np.inf
        self._append(horizon)

    def _frontier(self) -> Numbers:
        """Up to which W each target is known; infinite where there is no more to know."""
        last = self._reach[np.arange(len(self._known)), np.maximum(self._known, 1) - 1]
        return np.where(self._known < self._last, last, np.inf)

    def _extend(self, targets: NDArray[np.int64], wanted: NDArray[np.int64]) -> None:
        wanted = np.minimum(wanted, self._last)
        spans = [*zip(targets, self._known[targets], wanted, strict=True)]
        fresh = np.zeros(len(self.union), bool)
        for target, start, end in spans:
            fresh[self._members[target, start:end]] = True
        members = np.flatnonzero(fresh & (self._weights == 0))
        self._weights[members] = 1 / self._density(members) if self._density else 1.0
        for target, start, end in spans:
            before = self._reach[target, start - 1] if start else 0.0
            weights = self._weights[self._members[target, start:end]]
            self._reach[target, start:end] = before + np.cumsum(weights)
        self._known[targets] = wanted

    def _append(self, horizon: float) -> None:
        width = int(self._known.max())
        reach = self._reach[:, :width]
        fresh = (reach > self._horizon) & (reach <= horizon) & np.isfinite(reach)
        steps = reach[fresh]
        growths = np.diff(self._distances[:, : width + 1], axis=1)[fresh] * steps
        order = np.argsort(steps, kind="stable")
        before = self._costs[-1] if len(self._costs) else 0.0
        self._steps = np.concatenate([self._steps, steps[order]])
        filled = self._members[:, :width][fresh][order]
        self._step_members = np.concatenate([self._step_members, filled])
        self._costs = np.concatenate([self._costs, before + np.cumsum(growths[order])])
        self._horizon = horizon
