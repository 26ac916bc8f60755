"""How many rows each cluster gives."""

import numpy as np
from numpy.typing import NDArray

from core.selection.sampling import water_fill

Counts = NDArray[np.int64]


def largest_remainder(
    weights: NDArray[np.floating] | Counts,
    total: int,
    caps: Counts,
    floors: Counts | None = None,
) -> Counts:
    """Share `total` whole rows in proportion to the weights, within bounds; the sum is exact.

    Each group gets the whole part of its share; the rows that are left go to the largest
    remainders, among equals to the group that has more to give, then to the lower one. What a
    group cannot give is shared again among the others in proportion to their weights.

    Parameters
    ----------
    weights : ndarray of shape (groups,)
        Finite, at least 0. Groups of weight 0 give only what no other group can.
    total : int
        Between the sum of the floors and the sum of the caps.
    caps, floors : int64 ndarray of shape (groups,)
        The most and the fewest rows that a group gives; no floors: 0.

    Returns
    -------
    int64 ndarray of shape (groups,)

    Notes
    -----
    With proportional weights this is b_j = b · |X_j| / |X| of arXiv 2409.11378.
    """
    caps = np.asarray(caps, np.int64)
    floors = np.zeros_like(caps) if floors is None else np.asarray(floors, np.int64)
    shares = water_fill(
        np.asarray(weights, np.float64), float(total), caps.astype(float), floors.astype(float)
    )
    # A share of 3 may come out as 2.9999999999999996.
    nearest = np.rint(shares)
    shares = np.where(np.abs(shares - nearest) < 1e-9 * np.maximum(1, nearest), nearest, shares)
    whole = np.clip(np.floor(shares).astype(np.int64), floors, caps)
    remainders = np.where(whole < caps, shares - whole, -1.0)
    left = total - int(whole.sum())
    if left > 0:
        whole[np.lexsort((-caps, -remainders))[:left]] += 1
    return whole
