"""How numbers are shared out over a scale, however large or small they are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LARGE = 1e307  # numbers beyond it may have no difference
_MOST = 0.05  # share of the numbers below most of them, and above
_FAR = 100.0  # times as far as most numbers reach, where some would push them into a bar or two
_NO_RATIO = 1e-9  # logarithms that are no farther apart tell no ratio from a step


def distinct(values: NDArray[np.float64], most: int) -> NDArray[np.float64] | None:
    """The different values of a float64 array, ascending, if there are at most `most`."""
    # A column of many values shows it in its first rows: no need to sort all of it.
    if len(np.unique(values[:1000])) > most:
        return None
    import pandas as pd

    found = np.sort(pd.unique(values))
    return found if len(found) <= most else None


def quantiles(values: NDArray[np.float64], shares: Sequence[float]) -> NDArray[np.float64]:
    """As `numpy.quantile` of finite numbers, however far apart: between two of them it subtracts.

    Parameters
    ----------
    values : ndarray of shape (n,), n at least 1
    shares : of the numbers that lie below each quantile, from 0 to 1.
    """
    least, most = values.min(), values.max()
    # Powers of two change no digit, but of numbers that are next to nothing.
    room = 0.25 if max(-least, most) > _LARGE else 1.0
    found: NDArray[np.float64] = np.quantile(values * room, shares) / room
    return np.clip(found, least, most)


def main_range(values: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """From where to where most numbers reach on a scale of equal steps.

    A few extreme ones do not count: they would push all others together.

    Parameters
    ----------
    values : ndarray of shape (n,), finite, n at least 1
    share : of the numbers that are left out at each end; `_MOST` of them where the others still
        reach `_FAR` times as far as most.

    Returns
    -------
    ndarray of shape (2,)
    """
    low, first, last, high = quantiles(values, [share, _MOST, 1 - _MOST, 1 - share])
    far = (high / 2 - low / 2) / _FAR > last / 2 - first / 2
    return np.array([first, last] if far and last > first else [low, high])


def spreads_by_ratio(values: NDArray[np.float64]) -> bool:
    """Whether equal ratios share out the rows over a scale more evenly than equal steps."""
    if not len(values) or values.min() <= 0:
        return False
    sample = values[:: max(1, len(values) // 50_000)]
    low, high = quantiles(sample, [0.01, 0.99])
    bottom, top = np.log([low, high])
    if top - bottom < _NO_RATIO:
        return False
    inside = np.clip(sample, low, high)
    steps = (inside - low) / (high - low)
    ratios = (np.log(inside) - bottom) / (top - bottom)
    return _entropy(ratios) > _entropy(steps) + 0.1


def _entropy(shares: NDArray[np.float64]) -> float:
    """How evenly numbers of [0, 1] fall into 16 bins, in nats."""
    counts = np.histogram(shares, 16, (0, 1))[0]
    part = counts[counts > 0] / len(shares)
    return float(-(part * np.log(part)).sum())
