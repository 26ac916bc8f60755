"""What a person did on the map, read from a message that is not trusted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

from core.lasso import Op

Kind = Literal["lasso", "box", "row", "hover", "cluster", "group", "range", "clear", "drop"]

# The browser thins what was drawn to this many vertices.
MAX_VERTICES = 256
# Beyond this a product of two coordinates could overflow; no layout comes near.
_LIMIT = 1e12


@dataclass(frozen=True, slots=True)
class MapEvent:
    """One gesture.

    Attributes
    ----------
    seq : int
        Grows with every gesture; tells a new one from the same one seen again in a re-run.
    kind : {"lasso", "box", "row", "hover", "cluster", "group", "range", "clear", "drop"}
    op : {"replace", "add", "subtract"}
        What a lasso, box or range does to the selection.
    polygon : tuple of (x, y)
        Map coordinates, 3 to 256 vertices; empty unless `kind` is "lasso" or "box".
    row : int or None
        Row whose point was clicked, or on which the pointer rests.
    cluster : int or None
        Cluster whose title was clicked.
    clusters : tuple of int
        Clusters, ascending, whose coarse title was clicked; empty unless `kind` is "group".
    low, high : float
        Ends of a range of the number that colours the map, low at most high; 0 unless `kind`
        is "range". See `core.coloring.rows_in_range`.
    """

    seq: int
    kind: Kind
    op: Op = "replace"
    polygon: tuple[tuple[float, float], ...] = ()
    row: int | None = None
    cluster: int | None = None
    clusters: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 0.0


def read_event(message: object, *, rows: int, clusters: int = 0) -> MapEvent | None:
    """Return the event that a browser's message describes; None if anything about it is off.

    Parameters
    ----------
    message : object
        Parsed JSON, whatever it may be.
    rows, clusters : int
        How many there are; numbers outside are refused.
    """
    if not isinstance(message, Mapping):
        return None
    number = _number(message.get("seq"), 2**53)
    kind, op = message.get("kind"), message.get("op", "replace")
    if number is None or kind not in get_args(Kind) or op not in get_args(Op):
        return None
    if kind in ("clear", "drop"):
        return MapEvent(number, cast(Kind, kind))
    if kind in ("row", "hover"):
        row = _number(message.get("row"), rows)
        return None if row is None else MapEvent(number, cast(Kind, kind), row=row)
    if kind == "cluster":
        cluster = _number(message.get("cluster"), clusters)
        return None if cluster is None else MapEvent(number, "cluster", cluster=cluster)
    if kind == "group":
        group = _group(message.get("clusters"), clusters)
        return None if group is None else MapEvent(number, "group", clusters=group)
    if kind == "range":
        low, high = _finite(message.get("low")), _finite(message.get("high"))
        if low is None or high is None or low > high:
            return None
        return MapEvent(number, "range", cast(Op, op), low=low, high=high)
    polygon = _polygon(message.get("polygon"))
    if polygon is None or (kind == "box" and len(polygon) != 4):
        return None
    return MapEvent(number, cast(Kind, kind), cast(Op, op), polygon)


def _number(value: object, below: int) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and isinstance(value, int) and 0 <= value < below else None


def _group(value: object, clusters: int) -> tuple[int, ...] | None:
    if not isinstance(value, list) or not 0 < len(value) <= clusters:
        return None
    known = [one for one in value if _number(one, clusters) is not None]
    return tuple(sorted(set(known))) if len(known) == len(value) else None


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # a whole number of 400 digits
        return None
    return number if math.isfinite(number) else None


def _polygon(value: object) -> tuple[tuple[float, float], ...] | None:
    if not isinstance(value, list) or not 3 <= len(value) <= MAX_VERTICES:
        return None
    corners = []
    for corner in value:
        if not isinstance(corner, list) or len(corner) != 2:
            return None
        for coordinate in corner:
            if isinstance(coordinate, bool) or not isinstance(coordinate, int | float):
                return None
            # The limit first: isfinite overflows on a whole number of 400 digits.
            if abs(coordinate) > _LIMIT or not math.isfinite(coordinate):
                return None
        corners.append((float(corner[0]), float(corner[1])))
    return tuple(corners)
