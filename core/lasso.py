"""Which points lie inside a polygon that a person drew."""

from typing import Literal

import numpy as np

from core.values import different

Op = Literal["replace", "add", "subtract", "within"]


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """Return the rows whose point lies inside a polygon, by the even–odd rule.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        A point that is not finite is in no polygon.
    polygon : array-like of shape (v, 2), finite
        Vertices in order; the last is joined to the first. It may cross itself: what is
        enclosed an even number of times is outside.

    Returns
    -------
    ndarray of shape (m,), int64
        Row numbers, ascending. Empty for fewer than three vertices or no area.

    Notes
    -----
    A point on an edge is inside if the polygon lies to its right (or above it, on a level
    edge), so that a point on the border of two polygons is in exactly one of them.

    The points in the bounding box are put in horizontal slabs between vertex heights; an edge
    then meets whole slabs only, and looks at the points of those. Time O(n + m log v + c),
    where c counts the (edge, point) pairs at one height: for a drawn loop a few times m,
    however many vertices it has.
    """
    corner = np.asarray(polygon, np.float64).reshape(-1, 2)
    empty = np.zeros(0, np.int64)
    if len(corner) < 3 or not len(points):
        return empty
    low, high = corner.min(0), corner.max(0)
    x, y = points[:, 0], points[:, 1]
    rows = np.flatnonzero((x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1]))
    if not len(rows):
        return empty

    heights, level = np.unique(corner[:, 1], return_inverse=True)
    slab = np.searchsorted(heights, y[rows].astype(np.float64), side="right")
    order = np.argsort(slab.astype(np.uint16 if len(heights) < 2**16 else np.int64), kind="stable")
    start = np.searchsorted(slab[order], np.arange(len(heights) + 1))
    rows = rows[order]
    x, y = x[rows].astype(np.float64), y[rows].astype(np.float64)

    odd = np.zeros(len(rows), bool)
    ahead = np.roll(np.arange(len(corner)), -1)
    for one, two in zip(range(len(corner)), ahead.tolist(), strict=True):
        if level[one] == level[two]:
            continue
        bottom, top = (one, two) if level[one] < level[two] else (two, one)
        met = slice(start[level[bottom] + 1], start[level[top] + 1])
        (x0, y0), (x1, y1) = corner[bottom], corner[top]
        odd[met] ^= (x[met] - x0) * (y1 - y0) < (x1 - x0) * (y[met] - y0)
    return np.sort(rows[odd])


def combine(current: np.ndarray, found: np.ndarray, op: Op) -> np.ndarray:
    """Return the selection after `found` rows replace it, are added, taken away, or alone stay.

    Both arrays hold row numbers without repeats; the result is ascending, int64.
    """
    if op == "add":
        return different(np.concatenate([current, found]).astype(np.int64))
    if op == "subtract":
        return np.setdiff1d(current, found, assume_unique=True).astype(np.int64)
    if op == "within":
        return np.intersect1d(current, found, assume_unique=True).astype(np.int64)
    return np.sort(found).astype(np.int64)
