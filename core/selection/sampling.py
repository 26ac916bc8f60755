"""Drawing exactly so many different rows, each with a known probability."""

import numpy as np
from numpy.typing import NDArray

from core.selection.base import Numbers, Rows

# Weights this much below the largest count as zero: their share cannot be told from none, and
# dividing by them overflows.
_NEGLIGIBLE = 1e-200
# Ticks are rounded to 1e-11 when there are 1e5 of them; an interval of 1 might then hold two.
_CERTAIN = 1 - 1e-9


def water_fill(
    weights: Numbers,
    total: float,
    caps: Numbers | float = 1.0,
    floors: Numbers | float = 0.0,
) -> Numbers:
    """Share `total` in proportion to the weights, within bounds.

    Returns ``clip(c · weights, floors, caps)`` with the c for which the sum is `total`. Where all
    positive weights are at their caps and something is left, entries of weight zero share it in
    proportion to the room that they have.

    Parameters
    ----------
    weights : float64 ndarray of shape (n,)
        Finite, at least 0.
    total : float
        Between the sum of the floors and the sum of the caps.
    caps, floors : ndarray of shape (n,), or one number for all

    Returns
    -------
    float64 ndarray of shape (n,)
    """
    weights = np.asarray(weights, np.float64)
    caps = np.broadcast_to(np.asarray(caps, np.float64), weights.shape)
    floors = np.broadcast_to(np.asarray(floors, np.float64), weights.shape)
    largest = weights.max(initial=0.0)
    weights = weights / largest if largest > 0 else weights
    weights = np.where(weights < _NEGLIGIBLE, 0.0, weights)
    positive = weights > 0
    left = total - (caps[positive].sum() + floors[~positive].sum())
    if left >= 0:
        room = np.where(positive, 0.0, caps - floors)
        share = left / room.sum() if room.sum() > 0 else 0.0
        return np.where(positive, caps, floors + np.minimum(1.0, share) * room)
    weights_, caps_, floors_ = weights[positive], caps[positive], floors[positive]
    level = _level(weights_, total - floors[~positive].sum(), caps_, floors_)
    values = floors.copy()
    values[positive] = np.clip(level * weights_, floors_, caps_)
    return values


def _level(weights: Numbers, total: float, caps: Numbers, floors: Numbers) -> float:
    """The c with ``clip(c · weights, floors, caps).sum() == total``; all weights are positive."""
    breaks = np.unique(np.concatenate([floors / weights, caps / weights]))
    low, high = 0, len(breaks) - 1  # at low the sum is not above total, at high not below
    if np.clip(breaks[0] * weights, floors, caps).sum() >= total:
        return float(breaks[0])
    while high - low > 1:
        middle = (low + high) // 2
        if np.clip(breaks[middle] * weights, floors, caps).sum() <= total:
            low = middle
        else:
            high = middle
    level = breaks[low]
    missing = total - np.clip(level * weights, floors, caps).sum()
    # Between two breaks the same entries move.
    moving = (floors / weights <= level) & (caps / weights > level)
    slope = weights[moving].sum()
    return float(min(level + missing / slope, breaks[high])) if slope > 0 else float(level)


def inclusion_probabilities(weights: Numbers, size: int) -> Numbers:
    """``min(1, c · weights)`` with the c for which they sum to `size`, at most their number."""
    return water_fill(weights, float(size))


def systematic(probabilities: Numbers, generator: np.random.Generator) -> Rows:
    """Draw different entries, each with exactly its probability (systematic sampling).

    The entries are put in a random order as intervals as long as their probabilities; those are
    taken in which a tick falls, one tick every 1.0 from a random start (Madow 1949).

    Parameters
    ----------
    probabilities : float64 ndarray of shape (n,)
        Between 0 and 1; their sum is a whole number up to rounding.

    Returns
    -------
    int64 ndarray, ascending
        As many entries as the probabilities sum to; none of probability 0.
    """
    certain = probabilities >= _CERTAIN
    open_ = np.flatnonzero((probabilities > 0) & ~certain)
    order = generator.permutation(open_)
    ends = np.cumsum(probabilities[order])
    count = round(float(ends[-1])) if len(ends) else 0
    start = generator.random()
    taken = np.empty(0, np.int64)
    if count:
        ends *= count / ends[-1]
        ticks = (start + np.arange(count)).clip(max=np.nextafter(count, 0))
        taken = order[np.searchsorted(ends, ticks, side="right")]
    return np.sort(np.concatenate([np.flatnonzero(certain), taken]))


def uniform(count: int, size: int, generator: np.random.Generator) -> Rows:
    """Draw `size` different numbers below `count`, all sets alike; ascending."""
    return np.sort(generator.permutation(count)[:size])


def merge_pinned(is_pinned: NDArray[np.bool_], probabilities: Numbers) -> Numbers:
    """Put the probabilities of the free entries beside 1 for the pinned ones."""
    merged = np.ones(len(is_pinned))
    merged[~is_pinned] = probabilities
    return merged
