"""A selection as text: the steps by which it came about, for an address that shows it again."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.clusters import Clusters
from core.encoders.base import Encoder
from core.errors import InputError
from core.lasso import Op, combine, inside
from core.mapevent import MAX_VERTICES
from core.project import Project
from core.search import find_rows

Kind = Literal["lasso", "clusters", "rows", "words", "meaning", "condition", "like"]
_LETTERS: dict[str, Kind] = {
    "l": "lasso",
    "c": "clusters",
    "r": "rows",
    "w": "words",
    "m": "meaning",
    "q": "condition",
    "k": "like",
}
_SIGNS: dict[str, Op] = {"=": "replace", "+": "add", "-": "subtract", "*": "within"}
_LEVELS = 65_535  # a corner of a lasso is one of so many places on each axis
LONGEST = 4_000  # characters of a link; browsers and servers take some thousands
_SEPARATOR = "~"


@dataclass(frozen=True)
class Step:
    """One way in which rows were selected.

    Attributes
    ----------
    op : what is done with the rows that it finds.
    kind : how they are found.
    value : a lasso's corners as `pack_polygon` writes them; numbers of clusters or rows, parted by
        commas, those of clusters behind the clustering's fingerprint and a colon; a text; or, for
        "like", the row that others should be like.
    """

    op: Op
    kind: Kind
    value: str


def write_steps(steps: Sequence[Step]) -> str | None:
    """The steps as text for an address; None where that would be too long."""
    parts = []
    for step in steps:
        sign = next(sign for sign, op in _SIGNS.items() if op == step.op)
        letter = next(letter for letter, kind in _LETTERS.items() if kind == step.kind)
        parts.append(f"{sign}{letter}{step.value.replace(_SEPARATOR, ' ')}")
    text = _SEPARATOR.join(parts)
    return text if len(text) <= LONGEST else None


def read_steps(text: str) -> tuple[Step, ...]:
    """The steps of a text that `write_steps` wrote.

    Raises
    ------
    InputError
        It is something else.
    """
    if not text or len(text) > LONGEST:
        raise InputError("The selection in the address cannot be read; select the rows again.")
    steps = []
    for part in text.split(_SEPARATOR):
        if len(part) < 3 or part[0] not in _SIGNS or part[1] not in _LETTERS:
            raise InputError("The selection in the address cannot be read; select the rows again.")
        steps.append(Step(_SIGNS[part[0]], _LETTERS[part[1]], part[2:]))
    return tuple(steps)


def pack_polygon(corners: NDArray[np.floating], points: NDArray[np.floating]) -> str:
    """Write a polygon in steps of 1 / 65,535 of the map; float (v, 2) on points of shape (n, 2)."""
    low, span = _frame(points)
    unit = (np.asarray(corners, np.float64) - low) / span
    levels = np.clip(np.round(unit * _LEVELS), 0, _LEVELS).astype("<u2")
    return base64.urlsafe_b64encode(levels.tobytes()).decode().rstrip("=")


def unpack_polygon(text: str, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """The corners that `pack_polygon` wrote, rounded as there; float64 of shape (v, 2).

    Raises
    ------
    InputError
        The text holds no polygon.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        levels = np.frombuffer(data, "<u2").reshape(-1, 2)
    except (ValueError, binascii.Error):
        raise InputError("The lasso in the address cannot be read; draw it again.") from None
    if not 3 <= len(levels) <= MAX_VERTICES:
        raise InputError("The lasso in the address cannot be read; draw it again.")
    low, span = _frame(points)
    return low + levels / _LEVELS * span


def selected_rows(
    project: Project,
    steps: Sequence[Step],
    points: NDArray[np.floating],
    clusters: Clusters,
    encoder: Encoder | None = None,
) -> NDArray[np.int64]:
    """The kept rows that the steps select, ascending.

    Parameters
    ----------
    points : map coordinates of all rows, shape (rows, 2).
    encoder : for steps by meaning, if it is loaded already.

    Raises
    ------
    InputError
        A step cannot be read, or names what is not there.
    """
    current = np.empty(0, np.int64)
    for step in steps:
        current = combine(current, _found(project, step, points, clusters, encoder), step.op)
    return current


def _found(
    project: Project,
    step: Step,
    points: NDArray[np.floating],
    clusters: Clusters,
    encoder: Encoder | None,
) -> NDArray[np.int64]:
    if step.kind == "lasso":
        return inside(points, unpack_polygon(step.value, points))
    if step.kind == "clusters":
        made_by, _, numbers = step.value.partition(":")
        if made_by != clusters.fingerprint:
            raise InputError("The clusters in the address are of an earlier clustering.")
        wanted = _numbers(numbers, len(clusters.sizes))
        return np.flatnonzero(np.isin(clusters.labels, wanted))
    if step.kind == "rows":
        return np.unique(_numbers(step.value, len(points)))
    if step.kind == "words":
        return find_rows(project, step.value).rows
    if step.kind == "condition":
        return find_rows(project, where=step.value).rows
    if step.kind == "meaning":
        return np.sort(find_rows(project, like=step.value, encoder=encoder).rows)
    (row,) = _numbers(step.value, len(points))[:1]
    return np.union1d(find_rows(project, like_rows=[int(row)]).rows, [row]).astype(np.int64)


def _numbers(text: str, below: int) -> NDArray[np.int64]:
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() and len(part) < 12 for part in parts):
        raise InputError("The selection in the address cannot be read; select the rows again.")
    numbers = np.array(parts, np.int64)
    if (numbers >= below).any():
        raise InputError("The selection in the address names what this project does not have.")
    return numbers


def _frame(points: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    low = points.min(axis=0).astype(np.float64)
    return low, float((points.max(axis=0) - low).max()) or 1.0
