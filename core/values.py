"""Values as files and people write them: plain JSON and YAML values, row numbers as ranges."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError

_RANGE = re.compile(r"[0-9]{1,12}(?:-[0-9]{1,12})?")
_RANGES = re.compile(rf"(?:{_RANGE.pattern}(?:,|$))*+")  # of many, without a way back
_COMMAS = re.compile(",{2,}")
_LARGEST_ROW = 10**8  # a typing slip must not ask for gigabytes


def encode_ranges(rows: NDArray[np.int64]) -> str:
    """Write ascending row numbers as ranges: `0-4,9,11-12`."""
    if not len(rows):
        return ""
    breaks = np.flatnonzero(np.diff(rows) != 1)
    starts = rows[np.r_[0, breaks + 1]]
    ends = rows[np.r_[breaks, len(rows) - 1]]
    several = ends > starts
    numbers = np.column_stack([starts, ends])[
        np.column_stack([np.full(len(starts), True), several])
    ]
    # Many ranges are written at once: with a comma after each number, and then the dashes.
    text = np.frombuffer(",".join(map(str, numbers.tolist())).encode(), np.uint8).copy()
    first = np.flatnonzero(several)
    text[np.flatnonzero(text == ord(","))[first + np.arange(len(first))]] = ord("-")
    return text.tobytes().decode()


def decode_ranges(text: str, most: int = _LARGEST_ROW) -> NDArray[np.int64]:
    """Read what `encode_ranges` wrote.

    Parameters
    ----------
    most : the largest number that may stand there, and of how many there may be.

    Raises
    ------
    InputError
        `text` is not a list of ranges.
    """
    text = _COMMAS.sub(",", text).strip(",")
    if not text:
        return np.empty(0, np.int64)
    if not _RANGES.fullmatch(text):
        raise _no_range(next(part for part in text.split(",") if not _RANGE.fullmatch(part)))
    numbers = np.fromstring(text.replace("-", ","), np.int64, sep=",")
    marks = np.frombuffer(text.encode(), np.uint8)
    dashes = marks[(marks == ord(",")) | (marks == ord("-"))] == ord("-")
    starts = np.r_[True, ~dashes]  # of the numbers, those that no dash is before
    first, last = numbers[starts], numbers[np.r_[~dashes, True]]
    lengths = last - first + 1
    bad = (lengths < 1) | (last > most) | (np.cumsum(lengths) > most)
    if bad.any():
        raise _no_range(text.split(",")[int(np.argmax(bad))])
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) + np.repeat(first - (ends - lengths), lengths)


def _no_range(part: str) -> InputError:
    return InputError(f"{part[:40]!r} is not a list of numbers such as 0-4,9.")


def as_rows(rows: Any, count: int) -> NDArray[np.int64]:
    """Row numbers, ascending and different, from numbers or from a mask of all rows.

    Parameters
    ----------
    rows : array-like of integers of any shape, or of booleans of shape (count,).
    count : rows that there are.

    Raises
    ------
    InputError
        It is neither, or a number is not that of a row.
    """
    array = np.asarray(rows)
    if array.dtype == bool and array.shape == (count,):
        return np.flatnonzero(array)
    if array.size and array.dtype.kind not in "iu":
        raise InputError(f"Rows are given as whole numbers or a mask of {count:,} booleans.")
    if array.size and not 0 <= (low := array.min()) <= (high := array.max()) < count:
        bad = low if low < 0 else high
        raise InputError(f"There is no row {bad}; the pool has rows 0 to {count - 1}.")
    return different(array.ravel().astype(np.int64))


def different(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The different numbers, ascending; on millions much faster than `np.unique`, which hashes."""
    ordered = np.sort(numbers)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]


def plain(value: Any) -> Any:
    """Turn NumPy values, tuples and paths into what JSON and YAML know."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def check_seed(seed: int) -> None:
    """Refuse a seed that some library could not take.

    Raises
    ------
    InputError
        It is not a whole number from 0 to 2³¹ − 1.
    """
    if not isinstance(seed, int | np.integer) or not 0 <= seed < 2**31:
        wrong = f"The seed must be a whole number from 0 to {2**31 - 1:,}, not {seed}."
        raise InputError(wrong, option="seed")
