"""Where things are on the map: coordinates that use the frame, and places for titles."""

from dataclasses import dataclass

import numpy as np

from core.errors import InputError

# Width and height of the map: wide, as the place where it is shown.
_ASPECT = (1.25, 1.0)


@dataclass(frozen=True)
class Anchors:
    """Where to write a cluster's title, `at` (k, 2), and the `boxes` (k, 4) that hold most of it.

    Rows of clusters without a point are NaN.
    """

    at: np.ndarray
    boxes: np.ndarray

    def spot(self, cluster: int) -> tuple[float, float]:
        """Where to write the title of one cluster."""
        x, y = map(float, self.at[cluster])
        return x, y

    def box(self, cluster: int) -> tuple[float, float, float, float]:
        """What holds most of one cluster: x0, y0, x1, y1."""
        x0, y0, x1, y1 = map(float, self.boxes[cluster])
        return x0, y0, x1, y1


def display_points(layout: np.ndarray, *, evenness: float = 0.45) -> np.ndarray:
    """Return map coordinates that use the frame: empty gaps shrink, crowded regions grow.

    Each axis is a mixture of the layout's coordinate, in which distance beyond the middle 98 %
    of the rows grows with its logarithm only, and of the share of rows below it. So neither far
    islands squeeze the rest nor wide empty space is drawn; both fill the unit square times the
    map's aspect. Order on each axis is kept. A layout's far distances carry no
    meaning, only that an island is apart. Everything else about the map (titles, payload, lasso)
    must use these coordinates.

    Parameters
    ----------
    layout : ndarray of shape (n, 2), finite
    evenness : float in [0, 1], default=0.45
        Weight of the share of rows: 0 keeps the middle of the layout as it is.

    Returns
    -------
    ndarray of shape (n, 2), float32

    Raises
    ------
    InputError
        If the layout does not have this shape or has values that are not finite.
    """
    points = np.asarray(layout, np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"The map needs an array of shape (rows, 2), got {points.shape}.")
    if not np.isfinite(points).all():
        raise InputError("The layout has values that are not finite; compute the map again.")
    if not len(points):
        return points.astype(np.float32)
    shown = np.empty_like(points)
    # Few enough knots that the share is smooth: islands are stretched, not torn.
    shares = np.linspace(0, 1, 65)
    for axis, stretch in enumerate(_ASPECT):
        values = _pull_in(points[:, axis])
        low, span = values.min(), np.ptp(values) or 1.0
        knots = np.maximum.accumulate(np.quantile(values, shares))
        share = np.interp(values, knots, shares)
        shown[:, axis] = stretch * ((1 - evenness) * (values - low) / span + evenness * share)
    return shown.astype(np.float32)


def _pull_in(values: np.ndarray) -> np.ndarray:
    low, high = np.quantile(values, [0.01, 0.99])
    # Each strip outside is worth about a tenth of the middle.
    reach = max((high - low) * 0.06, 1e-12)
    over = np.log1p(np.maximum(values - high, 0) / reach)
    under = np.log1p(np.maximum(low - values, 0) / reach)
    pulled: np.ndarray = np.clip(values, low, high) + reach * (over - under)
    return pulled


def anchors(points: np.ndarray, labels: np.ndarray, clusters: int) -> Anchors:
    """Return where each cluster is thickest, and the box of its middle four fifths.

    A mean falls between the islands of a cluster; its thickest spot is always on points.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Map coordinates.
    labels : ndarray of shape (n,), int
        Negative: no cluster.
    clusters : int
    """
    at = np.full((clusters, 2), np.nan)
    boxes = np.full((clusters, 4), np.nan)
    label = np.asarray(labels)
    order = np.argsort(label, kind="stable")
    start = np.searchsorted(label[order], np.arange(clusters + 1))
    extent = float(np.ptp(points, axis=0).max()) if len(points) else 0.0
    # As wide as a title is high, so that a handful of copies in one spot does not outweigh a field.
    cell = max(extent / 24, 1e-12)
    for cluster in range(clusters):
        xy = points[order[start[cluster] : start[cluster + 1]]].astype(np.float64)
        if not len(xy):
            continue
        key = np.floor(xy / cell).astype(np.int64)
        key -= key.min(axis=0)
        # As one number: cells as pairs take several times as long to be told apart.
        wide = int(key[:, 1].max()) + 1
        cells, inverse, count = np.unique(
            key[:, 0] * wide + key[:, 1], return_inverse=True, return_counts=True
        )
        place = np.column_stack([cells // wide, cells % wide])
        touching = (np.abs(place[:, None] - place[None]) <= 1).all(2)
        near = touching[int((touching @ count).argmax())][inverse.reshape(-1)]
        at[cluster] = xy[near].mean(0)
        boxes[cluster] = np.quantile(xy, [0.1, 0.9], axis=0).reshape(-1)
    return Anchors(at, boxes)
