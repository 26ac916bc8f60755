"""A colour for every row of the map, by category or by number, and the legend that says so."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import palette
from core.errors import InputError
from core.scales import main_range, quantiles
from core.told import abridged

_EXACT = 2**53  # below it whole numbers are known to the last digit
_FEW_STEPS = 4  # between whole numbers; of fewer, rounded ends would move the scale
DISTINCT = 8  # of the largest groups, whose colours differ whatever lies between them
_LISTED = 24  # of the largest groups in the legend, which scrolls
_NAME = 100  # characters of a name: some pools have a text for a source
# More hues than this say nothing, and names of thousands of values would outweigh the points.
MAX_GROUPS = 4096
# Who is whose neighbour shows in an even sample of about so many rows; all of a million take 2 s.
_LOOKED_AT = 100_000
# Codes 1 to 255 are levels of a number; code 0 says that there is none.
_LEVELS = 255


@dataclass(frozen=True, eq=False)
class Coloring:
    """A colour for every row: `codes` (n,) index `light` and `dark`, both (g, 3) uint8.

    Colours beyond those of the `names` are the grey of rows without a category, and after it that
    of rows whose category is too small for one.
    """

    codes: np.ndarray
    light: np.ndarray
    dark: np.ndarray
    names: tuple[str, ...]
    legend: dict[str, Any]


def by_category(
    codes: np.ndarray,
    names: Sequence[str],
    *,
    points: np.ndarray,
    label: str = "",
    hues: np.ndarray | None = None,
) -> Coloring:
    """Colour rows by category so that neighbours on the map differ.

    Parameters
    ----------
    codes : ndarray of shape (n,), int
        Index into `names`; negative: none (grey). Only the `MAX_GROUPS` largest are coloured.
    names : sequence of str
    points : ndarray of shape (n, 2)
        Map coordinates, from which it is seen who is whose neighbour.
    label : str, default=""
        What the categories are, for the legend.
    hues : ndarray of shape (len(names),), int, optional
        Index into `palette.ALL`, where that was chosen before.
    """
    given = np.asarray(codes).astype(np.int64)
    sizes = np.bincount(given[given >= 0], minlength=len(names))
    by_size = np.argsort(-sizes, kind="stable")
    kept = np.sort(by_size[:MAX_GROUPS])
    groups, too_many = len(kept), len(kept) < len(names)
    code = given
    if too_many:
        lookup = np.full(len(names), -1, np.int64)
        lookup[kept] = np.arange(groups)
        code = np.where(given >= 0, lookup[given], -1)
    if hues is None:
        some = some_rows(len(code))
        weights = palette.contact(points[some], code[some], groups)
        if groups <= len(palette.ALL["light"]):
            chosen = palette.assign_all(weights, sizes[kept])
        else:
            chosen = palette.assign(weights, sizes[kept], distinct=DISTINCT)
    else:
        chosen = np.asarray(hues)[kept]
    code = np.where(given < 0, groups, np.where(code < 0, groups + 1, code))
    kept_names = tuple(abridged(str(names[group]), _NAME) for group in kept)
    entries = [
        {"name": kept_names[group], "count": int(sizes[kept[group]]), "group": int(group)}
        for group in np.argsort(-sizes[kept], kind="stable")[:_LISTED]
        if sizes[kept[group]]
    ]
    legend = {
        "kind": "category",
        "label": label,
        "entries": entries,
        "other": int(sizes.sum()) - sum(entry["count"] for entry in entries),
        "none": int((given < 0).sum()),
    }
    greys = 1 + too_many
    colors = {
        theme: np.vstack(
            [palette.to_rgb(palette.ALL[theme])[chosen], palette.to_rgb([neutral] * greys)]
        )
        for theme, neutral in palette.NEUTRAL.items()
    }
    narrow = code.astype(np.uint8 if groups + greys <= 256 else np.uint16)
    return Coloring(narrow, colors["light"], colors["dark"], kept_names, legend)


def legend_of(coloring: Coloring, seen: NDArray[np.bool_]) -> dict[str, Any]:
    """The legend of a part of the rows: the same entries, counting what is seen of them.

    Parameters
    ----------
    seen : bool ndarray of shape (n,)
    """
    legend, codes = coloring.legend, coloring.codes[seen]
    counts = np.bincount(codes, minlength=len(coloring.light)).tolist()
    if legend["kind"] == "number":
        return {**legend, "none": counts[0]}
    entries = [{**entry, "count": counts[entry["group"]]} for entry in legend["entries"]]
    groups = len(coloring.names)
    none = sum(counts[groups : groups + 1])
    other = len(codes) - none - sum(entry["count"] for entry in entries)
    return {**legend, "entries": entries, "other": other, "none": none}


def some_rows(rows: int) -> slice:
    """The rows by which it is seen who is whose neighbour."""
    return slice(None, None, max(1, rows // _LOOKED_AT))


def by_number(
    values: np.ndarray,
    *,
    label: str = "",
    low: float | None = None,
    high: float | None = None,
    logarithmic: bool = False,
) -> Coloring:
    """Colour rows by a number on a scale; values that are not finite are grey.

    Parameters
    ----------
    values : ndarray of shape (n,)
    label : str, default=""
        What the number is, for the legend.
    low, high : float, optional
        Ends of the scale, values beyond take the end's colour; by default the 1st and the
        99th percentile, or nearer ones (`core.scales.main_range`), so that a few extreme rows do
        not grey the rest.
    logarithmic : bool, default=False
        Equal ratios get equal steps of colour; values that are not positive are grey.
    """
    value = np.asarray(values, np.float64)
    finite = np.isfinite(value) & ((value > 0) | (not logarithmic))
    ends = np.zeros(2)
    if finite.any():
        shown = value[finite]
        ends = quantiles(shown, [0.01, 0.99]) if logarithmic else main_range(shown, 0.01)
        whole = np.abs(ends).max() < _EXACT and (shown == np.floor(shown)).all()
        if whole and ends[1] - ends[0] >= _FEW_STEPS:
            ends = np.rint(ends)  # which the legend then shows
    bottom = float(ends[0]) if low is None else float(low)
    top = float(ends[1]) if high is None else float(high)
    levels = _level(np.where(finite, value, bottom), bottom, top, logarithmic)
    codes = np.where(finite, levels, 0).astype(np.uint8)
    colors = {
        theme: np.vstack(
            [
                palette.to_rgb([neutral]),
                palette.scale(theme)[np.linspace(0, 255, _LEVELS).round().astype(int)],
            ]
        )
        for theme, neutral in palette.NEUTRAL.items()
    }
    legend = {
        "kind": "number",
        "label": label,
        "low": bottom,
        "high": top,
        "logarithmic": logarithmic,
        "below": bool(finite.any() and value[finite].min() < bottom),
        "above": bool(finite.any() and value[finite].max() > top),
        "none": int((~finite).sum()),
    }
    return Coloring(codes, colors["light"], colors["dark"], (), legend)


def rows_in_range(coloring: Coloring, low: float, high: float) -> NDArray[np.int64]:
    """Return the rows whose colour lies between those of two numbers, ends included, ascending.

    So these are the rows that a person sees in these colours: values beyond the ends of the
    scale count as the end, rows without a value as none.

    Parameters
    ----------
    coloring : Coloring
        From `by_number`.
    low, high : float

    Raises
    ------
    InputError
        The rows are not coloured by a number, or `low` is above `high`.
    """
    legend = coloring.legend
    if legend["kind"] != "number":
        raise InputError("A range needs a map that is coloured by a number; colour it by one.")
    if not low <= high:
        raise InputError(f"The range from {low} to {high} holds nothing; swap its ends.")
    ends = np.clip([low, high], legend["low"], legend["high"])
    first, last = _level(ends, legend["low"], legend["high"], legend["logarithmic"])
    return np.flatnonzero((coloring.codes >= first) & (coloring.codes <= last))


def _level(values: np.ndarray, low: float, high: float, logarithmic: bool) -> np.ndarray:
    """Levels 1 to 255 of finite values on a scale, as float64."""
    values, start, stop = np.clip(values, low, high), low, high
    if logarithmic and low > 0:
        values, start, stop = np.log(values), math.log(low), math.log(high)
    # Halved: the whole range of floats is wider than the largest of them.
    span = stop / 2 - start / 2
    shares = (values / 2 - start / 2) / span if span > 0 else np.zeros(len(values))
    return 1 + np.round(np.clip(shares, 0, 1) * (_LEVELS - 1))
