"""The large sections of a map's message: made once for what they show, and kept with it."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from core.coloring import Coloring
from core.errors import InputError

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Section:
    """Numbers as they travel.

    Attributes
    ----------
    id : made from the content, so that the browser uploads only what changed.
    item : bytes of a number; 0 for planes of bits.
    blob : little-endian.
    """

    name: str
    id: str
    item: int
    blob: bytes

    @classmethod
    def of(cls, name: str, array: NDArray[np.integer], *, bits: bool = False) -> "Section":
        """Pack an array, of bits where `bits` is on."""
        blob = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
        item = 0 if bits else array.dtype.itemsize
        digest = hashlib.blake2b(blob, digest_size=8).hexdigest()
        return cls(name, f"{digest}-{item}", item, blob)


class Places:
    """Where the points of a map lie: map coordinates, and those of the message.

    Parameters
    ----------
    points : ndarray of shape (n, 2), finite
        Map coordinates, from `display_points`.

    Raises
    ------
    InputError
        There is no point, or a coordinate is not finite.
    """

    def __init__(self, points: np.ndarray) -> None:
        xy = np.asarray(points)
        self.n = len(xy)
        if not self.n or not np.isfinite(xy).all():
            raise InputError("The map needs at least one point, all finite; compute the map again.")
        self.points = xy
        self.low = xy.min(0).astype(np.float64)
        extent = xy.max(0).astype(np.float64) - self.low
        self.span = float(extent.max()) or 1.0
        self.extent: list[float] = (extent / self.span).tolist()

    @cached_property
    def section(self) -> Section:
        """The coordinates as they travel: uint16, in the order of travel."""
        return Section.of("xy", self.quantised(self.points)[travel(self.n)])

    def quantised(self, xy: np.ndarray) -> NDArray[np.uint16]:
        """Map coordinates in steps of the message."""
        unit = (xy.astype(np.float64) - self.low) / self.span
        return np.clip(np.round(unit * 65535), 0, 65535).astype(np.uint16)

    def point(self, at: Sequence[float]) -> list[float]:
        """A place in the unit square of the message."""
        return in_unit(at, self.low, self.span)

    def box(self, box: Sequence[float]) -> list[float]:
        """A box (x0, y0, x1, y1) in the unit square of the message."""
        return [*self.point(box[:2]), *self.point(box[2:])]


def in_unit(at: Sequence[float], low: Sequence[float] | Values, span: float) -> list[float]:
    """A place in the unit square of which `low` is the corner and `span` the side."""
    # Thousands of them a message: an array for each would take ten times as long.
    return [
        round((float(value) - float(corner)) / span, 5)
        for value, corner in zip(at, low, strict=True)
    ]


def group_section(coloring: Coloring) -> Section:
    """The groups of all points in the order of travel; kept as long as the coloring is."""
    found = _groups.get(coloring)
    if found is None:
        found = Section.of("group", coloring.codes[travel(len(coloring.codes))])
        _groups[coloring] = found
    return found


_groups: WeakKeyDictionary[Coloring, Section] = WeakKeyDictionary()


def flag_section(lit: np.ndarray | None, dropped: np.ndarray | None, n: int) -> Section:
    """Lit and dropped rows as planes of bits, in the order of travel."""
    planes = np.zeros((2, -(-n // 8)), np.uint8)
    for plane, marks in zip(planes, (lit, dropped), strict=True):
        if marks is not None and marks.any():
            plane[:] = np.packbits(marks[travel(n)], bitorder="little")
    return Section.of("flags", planes.ravel(), bits=True)


def golden_stride(n: int) -> int:
    """Return the number coprime to `n` nearest to n divided by the golden ratio."""
    start = max(1, round(n * 0.6180339887498949))
    return next(step for step in range(start, start + n + 1) if math.gcd(step, n) == 1)


@lru_cache(maxsize=2)
def travel(n: int) -> NDArray[np.int64]:
    """The rows in their order of travel, a golden-ratio stride; not to be written to."""
    return np.arange(n, dtype=np.int64) * golden_stride(n) % n
