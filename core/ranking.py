"""Rows by likeness: all of them ranked once, then cut at a number of rows, at a cosine, or both."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.devices import cpu_count
from core.errors import InputError

LIKE = 200  # rows that a search by likeness gives, unless told
_PART = 8_192  # rows that are compared together: 12 MB in float32
_STEP = 0.05  # between the cosines at which rows are counted


@dataclass(frozen=True)
class Cut:
    """How far down a ranking rows are taken.

    Attributes
    ----------
    rows : at most so many; None for any number.
    cosine : none below it; None for any.

    Raises
    ------
    InputError
        It takes no row, or the cosine is none.
    """

    rows: int | None = LIKE
    cosine: float | None = None

    def __post_init__(self) -> None:
        if self.rows is not None and self.rows < 1:
            raise InputError(
                f"The number of rows must be at least 1, got {self.rows}.", option="limit"
            )
        if self.cosine is not None and not -1 <= self.cosine <= 1:
            raise InputError(
                f"The smallest cosine must be from -1 to 1, got {self.cosine:g}.",
                option="min_cosine",
            )

    @classmethod
    def of(cls, rows: int | None, cosine: float | None) -> "Cut":
        """As people ask for it: who names a cosine alone gets all rows down to it."""
        return cls(LIKE if rows is None and cosine is None else rows, cosine)


@dataclass(frozen=True)
class Ranking:
    """Rows with their largest cosine to what they should be like.

    Attributes
    ----------
    rows : int64 ndarray of shape (n,)
        The likest first, equal ones by row.
    cosines : float32 ndarray of shape (n,)
        Theirs, at most 1.
    """

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32]

    def above(self, cosine: float) -> int:
        """How many rows have at least this cosine."""
        return int(np.searchsorted(-self.cosines, np.float32(-cosine), side="right"))

    def count(self, cut: Cut) -> int:
        """How many rows a cut takes."""
        reached = len(self.rows) if cut.cosine is None else self.above(cut.cosine)
        return reached if cut.rows is None else min(cut.rows, reached)

    def counts(self) -> dict[float, int]:
        """Rows by the cosine that they have at least, from the highest that some have down."""
        if not len(self.rows):
            return {}
        places = np.arange(
            np.floor(self.cosines[0] / _STEP), np.floor(self.cosines[-1] / _STEP) - 1, -1
        )
        return {round(cosine, 2): self.above(cosine) for cosine in (places * _STEP).tolist()}


def rank(
    vectors: NDArray[np.floating[Any]],
    queries: NDArray[np.floating[Any]],
    rows: NDArray[np.int64],
) -> Ranking:
    """Rank rows by their largest cosine to any query.

    Parameters
    ----------
    vectors : ndarray of shape (n, dim), unit norm
    queries : ndarray of shape (q, dim), unit norm
    rows : int64 ndarray, ascending
        Those that are ranked.
    """
    asked = np.ascontiguousarray(queries, np.float32).T
    cosines = np.empty(len(rows), np.float32)

    def compare(start: int) -> None:
        part = rows[start : start + _PART]
        whole = part[-1] - part[0] + 1 == len(part)
        taken = vectors[part[0] : part[-1] + 1] if whole else vectors[part]
        products = np.asarray(taken, np.float32) @ asked
        cosines[start : start + len(part)] = products.max(axis=1)

    with ThreadPoolExecutor(cpu_count()) as threads:
        list(threads.map(compare, range(0, len(rows), _PART)))
    order = np.argsort(-cosines, kind="stable")
    return Ranking(rows[order], np.minimum(cosines[order], np.float32(1)))
