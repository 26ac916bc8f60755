"""The map of a report: points as paths of a vector picture, small enough for a file to send."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.selection.sampling import uniform

WIDTH = 1000  # units of the picture; a point is two of them wide
_GROUND_POINTS = 12_000  # of the pool: 100 kB, and the islands still show
_RUN_POINTS = 6_000  # of each kind in each map
_MOST_TITLES = 12
_LETTER, _LINE = 12.5, 30.0  # width and height of a title's letter in units


@dataclass(frozen=True)
class Label:
    """A cluster's title and where its middle is."""

    text: str
    x: float
    y: float


@dataclass(frozen=True)
class Ground:
    """What all maps of a report share.

    Attributes
    ----------
    points : int64 ndarray of shape (pool rows, 2)
        Places in the picture, y down.
    height : of the picture, in the same units.
    path : the pool, or an even sample of it.
    labels : titles that do not overlap, of the largest clusters.
    """

    points: NDArray[np.int64]
    height: int
    path: str
    labels: tuple[Label, ...]


def lay_ground(
    points: NDArray[np.float32], titles: Sequence[str], places: NDArray[np.float64], sizes: Sequence
) -> Ground:
    """Fit the map into the picture.

    Parameters
    ----------
    points : ndarray of shape (pool rows, 2)
        From `core.mapplaces.display_points`.
    titles, places, sizes : of the clusters; places, of shape (clusters, 2), may be NaN.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    unit = (WIDTH - 20) / max(float(high[0] - low[0]), 1e-9)
    height = round(float(high[1] - low[1]) * unit) + 20

    def placed(xy: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.stack(
            [10 + (xy[:, 0] - low[0]) * unit, height - 10 - (xy[:, 1] - low[1]) * unit], axis=1
        )

    drawn = np.rint(placed(points)).astype(np.int64)
    labels = _labels(titles, placed(places), sizes)
    return Ground(drawn, height, _path(drawn, _GROUND_POINTS), labels)


def draw_rows(ground: Ground, rows: NDArray[np.int64]) -> str:
    """Return the path of some rows; of many, an even sample."""
    return _path(ground.points[rows], _RUN_POINTS)


def _path(points: NDArray[np.int64], most: int) -> str:
    """A dot at each place: a line of no length, to which round ends give the width of the pen."""
    points = np.unique(points, axis=0)
    if len(points) > most:
        points = points[uniform(len(points), most, np.random.default_rng(0))]
    return "".join(f"M{x} {y}h0" for x, y in points.tolist())


def _labels(titles: Sequence[str], at: NDArray[np.float64], sizes: Sequence) -> tuple[Label, ...]:
    """Titles of the largest clusters, as far as there is room; names without a place are left."""
    kept: list[Label] = []
    for i in np.argsort(-np.asarray(sizes), kind="stable"):
        if len(kept) == _MOST_TITLES or not np.isfinite(at[i]).all():
            continue
        half = len(titles[i]) * _LETTER / 2
        x, y = float(np.clip(at[i, 0], half, max(half, WIDTH - half))), float(at[i, 1])
        free = all(
            abs(y - other.y) > _LINE or abs(x - other.x) > half + len(other.text) * _LETTER / 2
            for other in kept
        )
        if free:
            kept.append(Label(titles[i], round(x, 1), round(y, 1)))
    return tuple(kept)
