"""The values of a column: a number for each row, or a name for each row."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.json_text import to_json_text
from core.pool import Categories, Pool

# Of more different texts than this, the largest say nothing of a column.
MOST_VALUES = 1000


def column_values(pool: Pool, name: str) -> NDArray[np.float64] | Categories:
    """Read an original column as numbers, NaN where a row has none, or as names, code -1 for none.

    Numbers that stand as text are names.

    Raises
    ------
    InputError
        There is no such column, or its text has more than `MOST_VALUES` different values.
    """
    values = pool.column(name)
    if values.dtype.kind not in "Ob":
        return values.astype(np.float64)
    kinds = set(map(type, values.tolist())) - {type(None)}
    if kinds and kinds <= {int, float}:
        return _floats(values)
    codes, names = _texts(values, kinds)
    if len(names) > MOST_VALUES:
        raise InputError(
            f"Column {name!r} has {len(names):,} different values, too many to tell apart; choose "
            f"a column of numbers, or one of up to {MOST_VALUES:,} values."
        )
    return Categories(codes.astype(np.int32), names)


def distinct(values: NDArray[np.float64], most: int) -> NDArray[np.float64] | None:
    """The different values of a float64 array, ascending, if there are at most `most`."""
    # A column of many values shows it in its first rows: no need to sort all of it.
    if len(np.unique(values[:1000])) > most:
        return None
    import pandas as pd

    found = np.sort(pd.unique(values))
    return found if len(found) <= most else None


def spreads_by_ratio(values: NDArray[np.float64]) -> bool:
    """Whether equal ratios share out the rows over a scale more evenly than equal steps."""
    if not len(values) or values.min() <= 0:
        return False
    sample = values[:: max(1, len(values) // 50_000)]
    low, high = np.quantile(sample, [0.01, 0.99])
    if high <= low:
        return False
    inside = np.clip(sample, low, high)
    steps = (inside - low) / (high - low)
    ratios = np.log(inside / low) / np.log(high / low)
    return _entropy(ratios) > _entropy(steps) + 0.1


def _entropy(shares: NDArray[np.float64]) -> float:
    """How evenly numbers of [0, 1] fall into 16 bins, in nats."""
    counts = np.histogram(shares, 16, (0, 1))[0]
    part = counts[counts > 0] / len(shares)
    return float(-(part * np.log(part)).sum())


def _floats(values: NDArray[np.object_]) -> NDArray[np.float64]:
    """Numbers and None as float64, None as NaN; whole numbers too large for it too."""
    try:
        return values.astype(np.float64)
    except OverflowError:
        return np.array([_float(value) for value in values.tolist()])


def _float(value: int | float | None) -> float:
    try:
        return float("nan") if value is None else float(value)
    except OverflowError:
        return float("nan")


def _texts(values: NDArray[Any], kinds: set[type]) -> tuple[NDArray[np.int64], list[str]]:
    """Codes (none: -1) and the text of each value, in order of appearance."""
    import pandas as pd

    if len(kinds) > 1 or kinds - {str, bool}:
        # Values of several kinds, such as 1 and true, may be equal; their text differs.
        listed = [
            one if one is None or isinstance(one, str) else to_json_text(one)
            for one in values.tolist()
        ]
        values = np.array(listed, dtype=object)
    codes, found = pd.factorize(values, use_na_sentinel=True)
    names = [one if isinstance(one, str) else to_json_text(one) for one in found.tolist()]
    return codes.astype(np.int64), names
