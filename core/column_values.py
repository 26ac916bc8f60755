"""The values of a column: a number for each row, or a name for each row."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.json_text import to_json_text
from core.pool import Categories, Pool

# Of more different texts than this, the largest say nothing of a column.
MOST_VALUES = 1000


class TooManyValuesError(InputError):
    """A column of text has more than `MOST_VALUES` different values."""


def column_values(pool: Pool, name: str) -> NDArray[np.float64] | Categories:
    """Read an original column as numbers, NaN where a row has none, or as names, code -1 for none.

    Numbers that stand as text are names.

    Raises
    ------
    TooManyValuesError
        Its text has more than `MOST_VALUES` different values.
    InputError
        There is no such column.
    """
    values = pool.column(name)
    if values.dtype.kind not in "Ob":
        return values.astype(np.float64)
    kinds = set(map(type, values.tolist())) - {type(None)}
    if kinds and kinds <= {int, float}:
        return _floats(values)
    codes, names = _texts(values, kinds)
    if len(names) > MOST_VALUES:
        raise TooManyValuesError(
            f"Column {name!r} has {len(names):,} different values, too many to tell apart; choose "
            f"a column of numbers, or one of up to {MOST_VALUES:,} values."
        )
    return Categories(codes.astype(np.int32), names)


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
