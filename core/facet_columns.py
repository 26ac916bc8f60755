"""A column as a facet has it: the bar that each row belongs to, and the rows that a filter takes.

A bar of numbers takes all from `low` to `high`, ends included, and no number lies between two bars
that touch. So a range of bars is a range of numbers, and the other way round.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from core.decision_state import Tags
from core.errors import InputError
from core.pool import Categories
from core.scales import distinct, main_range, quantiles, spreads_by_ratio

BARS = 24  # of numbers, at most
_FEW = 12  # different numbers that have a bar each
_NAMED = 10  # values that a message names
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_RATIO_DIGITS = 2  # of the edges of bars of equal ratio
_LEAST_STEP = 1e-300  # from one bar to the next; below, floats are too coarse for round numbers

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class NumberColumn:
    """Numbers in bars.

    Attributes
    ----------
    values : float64 of shape (rows,), not finite where a row has none.
    lows, highs : float64 of shape (bars,), ascending; the ends of each bar, both included.
    """

    name: str
    label: str
    values: Values
    lows: Values
    highs: Values
    _codes: NDArray[np.int16] = field(repr=False)

    @classmethod
    def of(cls, name: str, label: str, values: NDArray[np.number]) -> "NumberColumn":
        """Put numbers into bars: one for each where there are few, else of one width or ratio."""
        exact = values.astype(np.float64)
        finite = np.isfinite(exact)
        lows, highs = bars(exact[finite])
        codes = np.full(len(exact), -1, np.int16)
        codes[finite] = np.searchsorted(lows, exact[finite], side="right") - 1
        return cls(name, label, exact, lows, highs, codes)

    @property
    def rows(self) -> int:
        """Rows of the pool."""
        return len(self.values)

    def counts(self, among: Mask) -> NDArray[np.int64]:
        """Rows of each bar of those in a mask; int64 of shape (bars,)."""
        return _bincount(self._codes, among, len(self.lows))

    def none(self, among: Mask) -> int:
        """How many rows of a mask have no number."""
        return int(np.count_nonzero(self._codes[among] < 0))

    def between(self, low: float, high: float) -> Mask:
        """The rows with a number from `low` to `high`, both included."""
        return (self.values >= low) & (self.values <= high) & np.isfinite(self.values)


@dataclass(frozen=True)
class CategoryColumn:
    """Names; a row has one or none.

    Attributes
    ----------
    names : of the values, in order of appearance.
    codes : int32 of shape (rows,), index into `names`, -1 for none.
    """

    name: str
    label: str
    names: tuple[str, ...]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, name: str, label: str, found: Categories) -> "CategoryColumn":
        """The names of a column of the pool."""
        return cls(name, label, tuple(found.names), found.codes)

    @property
    def rows(self) -> int:
        """Rows of the pool."""
        return len(self.codes)

    def counts(self, among: Mask) -> NDArray[np.int64]:
        """Rows of each value of those in a mask; int64 of shape (values,)."""
        return _bincount(self.codes, among, len(self.names))

    def none(self, among: Mask) -> int:
        """How many rows of a mask have no value."""
        return int(np.count_nonzero(self.codes[among] < 0))

    def any_of(self, values: Sequence[str]) -> Mask:
        """The rows with one of these values.

        Raises
        ------
        InputError
            No row of the pool has one of them.
        """
        wanted = np.zeros(len(self.names) + 1, bool)  # the last one is that of code -1
        wanted[_places(self.name, self.names, values)] = True
        found: Mask = wanted[self.codes]
        return found


@dataclass(frozen=True)
class TagColumn:
    """Labels that people gave to rows; a row may have several."""

    name: str
    label: str
    tags: Tags
    rows: int

    @property
    def names(self) -> tuple[str, ...]:
        """The labels, in alphabetical order."""
        return tuple(self.tags)

    def counts(self, among: Mask) -> NDArray[np.int64]:
        """Rows of each label of those in a mask; int64 of shape (labels,)."""
        found = [np.count_nonzero(self.tags[one] & among) for one in self.tags]
        return np.array(found, np.int64)

    def none(self, among: Mask) -> int:
        """How many rows of a mask have no label."""
        return int(np.count_nonzero(among & ~self.any_of(self.names)))

    def any_of(self, values: Sequence[str]) -> Mask:
        """The rows with one of these labels.

        Raises
        ------
        InputError
            There is no such label.
        """
        found = np.zeros(self.rows, bool)
        names = self.names
        for place in _places(self.name, names, values):
            found |= self.tags[names[place]]
        return found


Column = NumberColumn | CategoryColumn | TagColumn


def bars(values: Values) -> tuple[Values, Values]:
    """The lowest and the highest number of each bar for some finite numbers.

    Bars are of one width between round numbers, or of one ratio where that shows more of the rows;
    the first and the last reach to the ends, so that a few extreme rows do not push all others
    together. Whole numbers have whole ends.
    """
    if not len(values):
        return np.empty(0), np.empty(0)
    few = distinct(values, _FEW)
    if few is not None:
        return few, few
    least, most = float(values.min()), float(values.max())
    whole = bool((values == np.floor(values)).all()) and abs(least) + abs(most) < 2**53
    if spreads_by_ratio(values):
        inner = _ratios(*quantiles(values, [0.005, 0.995]))
    else:
        inner = _steps(*main_range(values, 0.005))
    inner = np.unique(np.ceil(inner) if whole else inner)
    lows = np.r_[least, inner[(inner > least) & (inner <= most)]]
    if not whole and len(lows) > 2 and lows[-1] == most:
        lows = lows[:-1]  # the last bar reaches to its own end: nobody could see one beyond it
    ends = lows[1:] - 1 if whole else np.nextafter(lows[1:], -np.inf)
    return lows, np.r_[ends, most]


def _ratios(low: float, high: float) -> Values:
    edges = np.geomspace(low, max(high, np.nextafter(low, np.inf)), BARS - 1)
    return np.array([float(f"{edge:.{_RATIO_DIGITS}g}") for edge in edges])


def _steps(low: float, high: float) -> Values:
    """Round numbers, equally far apart, from `low` to `high`."""
    if high <= low:  # nearly all are one number, which has a bar of its own
        return np.array([high, np.nextafter(high, np.inf)])
    # Divided first: numbers that are far apart have no difference.
    rough = high / (BARS - 2) - low / (BARS - 2)
    if rough < _LEAST_STEP:
        return np.array([high])
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((power * one for one in _STEPS if power * one >= rough), 10 * power)
    edges = np.arange(math.floor(low / step) + 1, math.floor(high / step) + 1) * step
    if not len(edges):
        return np.array([high])
    rounded = np.array([float(f"{edge:.12g}") for edge in edges])
    return rounded if (np.diff(rounded) > 0).all() else edges.astype(np.float64)


def _bincount(codes: NDArray[np.integer], among: Mask, size: int) -> NDArray[np.int64]:
    # Rows without a value, -1, are counted in front.
    return np.bincount(codes[among].astype(np.int64) + 1, minlength=size + 1)[1:]


def _places(column: str, names: Sequence[str], values: Sequence[str]) -> list[int]:
    known = {name: place for place, name in enumerate(names)}
    for value in values:
        if value not in known:
            some = ", ".join(names[:_NAMED]) or "none"
            raise InputError(f"No row has {value!r} as its {column}; values there are: {some}.")
    return [known[value] for value in values]
