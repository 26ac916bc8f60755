"""The rows of a round in canonical form, for its trainer and its scorer."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from core.pool import Pool
from core.records import Record


class PoolRecords(Sequence[Record]):
    """Rows in canonical form, read when the first is asked for: not every trainer looks."""

    def __init__(self, pool: Pool, rows: NDArray[np.int64]) -> None:
        self._pool, self._rows = pool, rows

    @cached_property
    def _read(self) -> list[Record]:
        return list(self._pool.records(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._read)

    @overload
    def __getitem__(self, at: int) -> Record: ...

    @overload
    def __getitem__(self, at: slice) -> list[Record]: ...

    def __getitem__(self, at: int | slice) -> Record | list[Record]:
        return self._read[at]
