"""A selection as text: the steps by which it came about, for an address that shows it again."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core.clusters import Clusters
from core.decisions import entry_rows, load_decisions
from core.encoders.base import Encoder
from core.errors import InputError
from core.facets import AnyOf, Between, Facets, Filter
from core.lasso import Op, combine, inside
from core.mapevent import MAX_VERTICES
from core.pool import Pool
from core.progress import Progress, silent
from core.project import Project
from core.ranking import Cut
from core.search import Found, find_rows
from core.values import different

Kind = Literal[
    "lasso",
    "clusters",
    "rows",
    "words",
    "meaning",
    "condition",
    "like",
    "between",
    "values",
    "entry",
]
_LETTERS: dict[str, Kind] = {
    "l": "lasso",
    "c": "clusters",
    "r": "rows",
    "w": "words",
    "m": "meaning",
    "q": "condition",
    "k": "like",
    "b": "between",
    "v": "values",
    "e": "entry",
}
RANKED: tuple[Kind, ...] = ("meaning", "like")  # of which a cut gives the first rows
# They look for rows: among the kept ones, or among the dropped ones.
SOUGHT: tuple[Kind, ...] = (*RANKED, "words", "condition", "between", "values")
_SIGNS: dict[str, Op] = {"=": "replace", "+": "add", "-": "subtract", "*": "within"}
# A corner of a lasso is one of so many places on each axis, in a frame three times as wide as the
# map: a lasso may reach beyond the points.
_LEVELS = 2**24
_AROUND = 1.0  # widths of the map on each side
_MOST_STEPS = 20
_HIDDEN = {"%": "%25", "~": "%7E"}  # of a text, so that it does not look like an end
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
        commas, those of clusters behind the clustering's `grouping` and a colon; a text; for
        "like", the row that others should be like; a filter as `filter_step` writes it; the id of
        an entry of the log of decisions, for its rows.
    cut : how many rows a likeness ("meaning", "like") gives.
    """

    op: Op
    kind: Kind
    value: str
    cut: Cut = field(default_factory=Cut)


def write_steps(steps: Sequence[Step]) -> str | None:
    """The steps as text for an address; None where that would be too long."""
    parts = []
    for step in steps:
        sign = next(sign for sign, op in _SIGNS.items() if op == step.op)
        letter = next(letter for letter, kind in _LETTERS.items() if kind == step.kind)
        value = step.value
        if step.cut != Cut():  # as an upper-case letter says
            letter = letter.upper()
            ends = ("" if one is None else str(one) for one in (step.cut.rows, step.cut.cosine))
            value = f"{':'.join(ends)}:{value}"
        for plain, hidden in _HIDDEN.items():
            value = value.replace(plain, hidden)
        parts.append(f"{sign}{letter}{value}")
    text = _SEPARATOR.join(parts)
    return text if len(text) <= LONGEST and len(parts) <= _MOST_STEPS else None


def read_steps(text: str) -> tuple[Step, ...]:
    """The steps of a text that `write_steps` wrote.

    Raises
    ------
    InputError
        It is something else.
    """
    if not text or len(text) > LONGEST:
        raise InputError("The selection in the address cannot be read; select the rows again.")
    parts = text.split(_SEPARATOR)
    steps = []
    for part in parts:
        known = len(part) > 2 and part[0] in _SIGNS and part[1].lower() in _LETTERS
        if not known or len(parts) > _MOST_STEPS:
            raise InputError("The selection in the address cannot be read; select the rows again.")
        value, kind, cut = part[2:], _LETTERS[part[1].lower()], Cut()
        for plain, hidden in reversed(_HIDDEN.items()):
            value = value.replace(hidden, plain)
        if part[1].isupper():
            value, cut = _read_cut(kind, value)
        steps.append(Step(_SIGNS[part[0]], kind, value, cut))
    return tuple(steps)


def _read_cut(kind: Kind, text: str) -> tuple[str, Cut]:
    """What others should be like, and how many of them."""
    rows, _, rest = text.partition(":")
    cosine, colon, value = rest.partition(":")
    try:
        if kind not in RANKED or not (colon and value) or len(rows) > len("999999999"):
            raise ValueError
        return value, Cut.of(int(rows) if rows else None, float(cosine) if cosine else None)
    except ValueError:
        sentence = "The selection in the address cannot be read; select the rows again."
        raise InputError(sentence) from None


def filter_step(rule: Filter, op: Op = "replace") -> Step:
    """A filter as a step of a selection."""
    if isinstance(rule, Between):
        return Step(op, "between", f"{_short(rule.low)}:{_short(rule.high)}:{rule.column}")
    named = json.dumps([rule.column, *rule.values], ensure_ascii=False, separators=(",", ":"))
    return Step(op, "values", named)


def step_filter(step: Step) -> Filter | None:
    """The filter of a step that `filter_step` made; None of another kind of step.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        if step.kind == "between":
            low, high, column = step.value.split(":", 2)
            return Between(column, float(low), float(high))
        if step.kind == "values":
            column, *values = json.loads(step.value)
            if not all(isinstance(one, str) for one in (column, *values)):
                raise ValueError
            return AnyOf(column, tuple(values))
    except (ValueError, TypeError, RecursionError):
        raise InputError("A filter in the address cannot be read; choose it again.") from None
    return None


def pack_polygon(corners: NDArray[np.floating], points: NDArray[np.floating]) -> str | None:
    """Write a polygon, float (v, 2), on a fine grid around points of shape (n, 2).

    None where a corner is farther from the points than the map is wide.
    """
    low, span = _frame(points)
    levels = np.round((np.asarray(corners, np.float64) - low) / span * _LEVELS)
    if not ((levels >= 0) & (levels <= _LEVELS)).all():
        return None
    levels = levels.astype("<u4")
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
        levels = np.frombuffer(data, "<u4").reshape(-1, 2)
    except (ValueError, binascii.Error):
        raise InputError("The lasso in the address cannot be read; draw it again.") from None
    if not 3 <= len(levels) <= MAX_VERTICES:
        raise InputError("The lasso in the address cannot be read; draw it again.")
    low, span = _frame(points)
    return low + np.minimum(levels, _LEVELS) / _LEVELS * span


def _short(number: float) -> str:
    return repr(float(number)).removesuffix(".0")


def split_filters(steps: Sequence[Step]) -> tuple[tuple[Step, ...], tuple[Filter, ...]]:
    """Part steps into those that select, and the filters on columns that narrow that at the end.

    Each of those filters is on another column; what stands before them is empty where they filter
    all rows.

    Raises
    ------
    InputError
        A filter cannot be read.
    """
    filters: list[Filter] = []
    rest = list(steps)
    while rest:
        rule = step_filter(rest[-1])
        first = len(rest) == 1 and rest[-1].op == "replace"
        known = rule is not None and rule.column in {one.column for one in filters}
        if rule is None or known or not (first or rest[-1].op == "within"):
            break
        filters.insert(0, rule)
        rest.pop()
    return tuple(rest), tuple(filters)


def selected_rows(
    project: Project,
    steps: Sequence[Step],
    points: NDArray[np.floating],
    clusters: Clusters,
    **options: Any,
) -> NDArray[np.int64]:
    """The kept rows that the steps select, ascending, or the dropped ones; see `follow_steps`."""
    rows = follow_steps(project, steps, points, clusters, **options).rows
    gone = load_decisions(project, len(points)).dropped[rows]
    return rows[gone == options.get("dropped", False)]


def follow_steps(
    project: Project,
    steps: Sequence[Step],
    points: NDArray[np.floating],
    clusters: Clusters,
    *,
    dropped: bool = False,
    start: Found | None = None,
    pool: Pool | None = None,
    facets: Facets | None = None,
    encoder: Encoder | None = None,
    progress: Progress = silent,
) -> Found:
    """The rows that the steps select, ascending, with the cosines by which they were found.

    What is looked for is found among the kept rows, or among the dropped ones; lassos, clusters,
    row numbers and entries of the log name rows of both kinds.

    Parameters
    ----------
    points : map coordinates of all rows, shape (rows, 2).
    dropped : whether the steps are to select dropped rows.
    start : what is selected before the first step; nothing by default.
    pool, facets, encoder : the project's, if they are loaded already.

    Returns
    -------
    Found
        Its cosines are not a number for rows that no likeness found; its ranking is that of the
        last step.

    Raises
    ------
    InputError
        A step cannot be read, or names what is not there.
    """
    find = partial(find_rows, project, pool=pool, facets=facets, encoder=encoder, progress=progress)
    among = None
    if dropped:
        among = np.flatnonzero(load_decisions(project, len(points)).dropped)
        find = partial(find, dropped=True, among=among)
    current = start or Found(np.empty(0, np.int64))
    for done, step in enumerate(steps):
        progress(done, len(steps), "selecting rows")
        # What is nearest within a selection is not what of the nearest lies in it.
        looked = find
        if step.op == "within":
            rows = current.rows if among is None else np.intersect1d(current.rows, among)
            looked = partial(find, among=rows)
        found = _found(project, step, points, clusters, looked)
        rows = combine(current.rows, found.rows, step.op)
        current = Found(rows, merge_cosines(rows, current, found), found.ranking)
    return current


def merge_cosines(rows: NDArray[np.int64], *found: Found) -> NDArray[np.float32] | None:
    """The cosines that some rows were found with, the last find first; None where none has any.

    Parameters
    ----------
    rows : int64 of shape (m,)
    found : their rows in any order; their cosines may be None.

    Returns
    -------
    float32 ndarray of shape (m,), not a number for rows without one; or None
    """
    cosines = np.full(len(rows), np.nan, np.float32)
    for one in found:
        if one.cosines is None or not len(one.rows):
            continue
        order = np.argsort(one.rows)
        place = np.minimum(np.searchsorted(one.rows, rows, sorter=order), len(order) - 1)
        same = one.rows[order[place]] == rows
        told = one.cosines[order[place]]
        cosines = np.where(same & np.isfinite(told), told, cosines)
    return cosines if np.isfinite(cosines).any() else None


def _found(
    project: Project,
    step: Step,
    points: NDArray[np.floating],
    clusters: Clusters,
    find: Callable[..., Found],
) -> Found:
    if step.kind == "lasso":
        return Found(inside(points, unpack_polygon(step.value, points)))
    if step.kind == "clusters":
        made_by, _, numbers = step.value.partition(":")
        if made_by != clusters.grouping:
            raise InputError("The clusters in the address are of an earlier clustering.")
        wanted = _numbers(numbers, len(clusters.sizes))
        return Found(np.flatnonzero(np.isin(clusters.labels, wanted)))
    if step.kind == "rows":
        return Found(different(_numbers(step.value, len(points))))
    if step.kind == "entry":
        entry = int(_numbers(step.value, 10**12)[0])
        return Found(entry_rows(project, len(points), entry))
    rule = step_filter(step)
    if rule is not None:
        return find(filters=[rule])
    if step.kind == "words":
        return find(step.value)
    if step.kind == "condition":
        return find(where=step.value)
    ends = {"limit": step.cut.rows, "min_cosine": step.cut.cosine}
    if step.kind == "meaning":
        return find(like=step.value, **ends)
    (row,) = _numbers(step.value, len(points))[:1]
    return with_itself(find(like_rows=[int(row)], **ends), int(row))


def with_itself(found: Found, row: int) -> Found:
    """The rows that are like a row, and this row in front, whose cosine with itself is 1."""
    cosines = np.ones(0, np.float32) if found.cosines is None else found.cosines
    rows = np.append(row, found.rows)
    return Found(rows, np.append(np.float32(1), cosines), found.ranking)


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
    span = float((points.max(axis=0) - low).max()) or 1.0
    return low - _AROUND * span, (1 + 2 * _AROUND) * span
