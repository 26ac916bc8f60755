"""What decisions make of the rows: sets of rows as bits, changed by one decision at a time."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

# One bit for each row, the first in the highest bit of the first byte; never written to.
Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class State:
    """Which rows are dropped, pinned and tagged.

    States share the sets that a decision does not change, so that many of them take little room.

    Attributes
    ----------
    dropped, pinned : uint8 of shape (⌈rows / 8⌉,)
    tags : the rows of each label; a label without rows is left out.
    """

    dropped: Bits
    pinned: Bits
    tags: dict[str, Bits]

    @classmethod
    def empty(cls, rows: int) -> "State":
        """The state before any decision."""
        none = np.zeros(-(-rows // 8), np.uint8)
        return cls(none, none, {})

    def after(self, action: str, chosen: Bits, label: str | None = None) -> "State":
        """The state once `action` was said of the rows `chosen`; see `core.decisions.decide`."""
        if action == "drop":
            return replace(self, dropped=self.dropped | chosen, pinned=self.pinned & ~chosen)
        if action == "keep":
            return replace(self, dropped=self.dropped | ~chosen, pinned=self.pinned & chosen)
        if action == "restore":
            return replace(self, dropped=self.dropped & ~chosen)
        if action == "pin":
            return replace(self, dropped=self.dropped & ~chosen, pinned=self.pinned | chosen)
        if action == "unpin":
            return replace(self, pinned=self.pinned & ~chosen)
        assert label is not None
        tagged = self.tags.get(label, np.zeros_like(chosen))
        tagged = tagged | chosen if action == "tag" else tagged & ~chosen
        others = {name: bits for name, bits in self.tags.items() if name != label}
        return replace(self, tags=others | ({label: tagged} if tagged.any() else {}))


class Tags(Mapping[str, NDArray[np.bool_]]):
    """The rows of each label, bool of shape (rows,), by label in alphabetical order.

    They are kept as bits and unpacked when asked for: a million rows with a hundred labels would
    take 100 MB.
    """

    def __init__(self, bits: dict[str, Bits], rows: int) -> None:
        self._bits = dict(sorted(bits.items()))
        self._rows = rows

    def __getitem__(self, label: str) -> NDArray[np.bool_]:
        return unpack(self._bits[label], self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._bits)

    def __len__(self) -> int:
        return len(self._bits)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of rows of each label."""
        return {label: int(np.bitwise_count(bits).sum()) for label, bits in self._bits.items()}


def unpack(bits: Bits, rows: int) -> NDArray[np.bool_]:
    """A set of rows as bool of shape (rows,); it cannot be written to."""
    mask = np.unpackbits(bits, count=rows).view(bool)
    mask.setflags(write=False)
    return mask


def to_blob(chosen: NDArray[np.int64], rows: int) -> bytes:
    """Row numbers as the database keeps them: bits, compressed."""
    mask = np.zeros(rows, bool)
    mask[chosen] = True
    return zlib.compress(np.packbits(mask).tobytes(), 1)


def from_blob(blob: bytes) -> Bits:
    """Read what `to_blob` wrote."""
    return np.frombuffer(zlib.decompress(blob), np.uint8)
