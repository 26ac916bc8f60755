"""How closely rows lie on the map."""

import numpy as np
from numpy.typing import NDArray

_CELLS = 1024  # of the wider side of the map
_BLUR = 4.0  # cells, the standard deviation: what lies 1 % of the map away hardly counts


def map_density(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """How many times as closely rows lie around each row as around a typical one.

    Rows are counted in a grid of 1,024 cells across the map, blurred by a Gaussian of 4 cells;
    the median row has 1.

    Parameters
    ----------
    points : ndarray of shape (n, 2), finite

    Returns
    -------
    float64 ndarray of shape (n,)

    Notes
    -----
    Costs O(n) and some MB for the grid: a million rows take a fifth of a second, the exact nearest
    rows on the map would take many.
    """
    from scipy.ndimage import gaussian_filter

    if not len(points):
        return np.empty(0)
    low = points.min(axis=0).astype(np.float64)
    span = float(np.ptp(points, axis=0).max()) or 1.0
    cells = ((points - low) * ((_CELLS - 1) / span)).astype(np.int64)
    across = cells[:, 0] * _CELLS + cells[:, 1]
    counts = np.bincount(across, minlength=_CELLS**2).reshape(_CELLS, _CELLS)
    blurred = gaussian_filter(counts.astype(np.float64), _BLUR, mode="constant").ravel()[across]
    density: NDArray[np.float64] = blurred / np.median(blurred)
    return density
