"""Colours for the map by a column of the data, by decisions, or by two runs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core import palette
from core.coloring import Coloring, by_category, by_number
from core.decision_state import Tags
from core.errors import InputError
from core.facet_columns import CategoryColumn, TagColumn
from core.facets import Facets
from core.scales import distinct, spreads_by_ratio

# Categories with a colour of their own: with that of the others, as many as there are.
MOST_CATEGORIES = 23
# Numbers of so few different values are names: the legend can list them all.
FEW_NUMBERS = 8

_OTHER: dict[palette.Theme, str] = {"light": "#8a8f9b", "dark": "#828998"}

# Of palette.CATEGORICAL: apart from each other and from the neutral one for every kind of vision.
_TEAL, _ORANGE, _VIOLET = 4, 1, 5
# Of rows that two runs chose, wherever they are shown: blue, orange and teal.
IN_BOTH, ONLY_FIRST, ONLY_SECOND = 0, 1, 4


def color_rows(facets: Facets, name: str, points: np.ndarray) -> Coloring:
    """Colour rows by a column.

    Parameters
    ----------
    facets : of the project.
    name : str
        One of `facets.names()`.
    points : ndarray of shape (rows, 2)
        Map coordinates.

    Returns
    -------
    Coloring
        Text, yes and no, and numbers of up to `FEW_NUMBERS` values as categories, the
        `MOST_CATEGORIES` largest by name and all others as one; other numbers on a scale,
        logarithmic where that shows more of them, which the label then says. Rows without a
        value are grey, and those that are no duplicates.

    Raises
    ------
    InputError
        There is no such column, or its text has more than 1,000 different values.
    """
    column = facets.column(name)
    if isinstance(column, TagColumn):
        return by_tags(column.tags, points)
    if name == "duplicate" and isinstance(column, CategoryColumn):
        return _fixed(column.codes.astype(np.uint8), column.names, [None, _ORANGE], column.label)
    if isinstance(column, CategoryColumn):
        return color_categories(column.codes, column.names, points, column.label)
    return color_numbers(column.values, points, column.label)


def color_categories(
    codes: NDArray[np.integer], names: Sequence[str], points: np.ndarray, label: str
) -> Coloring:
    """Colour rows by category, the `MOST_CATEGORIES` largest by name, all others as one.

    Parameters
    ----------
    codes : ndarray of shape (n,), int
        Index into `names`; negative: none.
    names : sequence of str
    points : ndarray of shape (n, 2)
    label : str
        What the categories are, for the legend.
    """
    code = np.asarray(codes).astype(np.int64)
    if len(names) <= MOST_CATEGORIES + 1:
        return by_category(code, names, points=points, label=label)
    sizes = np.bincount(code[code >= 0], minlength=len(names))
    largest = np.argsort(-sizes, kind="stable")[:MOST_CATEGORIES]
    place = np.full(len(names) + 1, MOST_CATEGORIES)
    place[largest], place[-1] = np.arange(MOST_CATEGORIES), -1
    others = f"{len(names) - MOST_CATEGORIES:,} other values"
    kept = [*(str(names[one]) for one in largest), others]
    coloring = by_category(place[np.maximum(code, -1)], kept, points=points, label=label)
    coloring.light[MOST_CATEGORIES] = palette.to_rgb([_OTHER["light"]])[0]
    coloring.dark[MOST_CATEGORIES] = palette.to_rgb([_OTHER["dark"]])[0]
    return coloring


def color_numbers(values: NDArray[Any], points: np.ndarray, label: str) -> Coloring:
    """Colour rows by a number: on a scale, or as categories if there are few.

    The scale is logarithmic where its colours then differ more among the rows.

    Parameters
    ----------
    values : ndarray of shape (n,), numbers
        Those that are not finite are grey.
    points : ndarray of shape (n, 2)
    label : str
        What the number is, for the legend, which adds "log scale" where it is one.
    """
    value = np.asarray(values, np.float64)
    finite = np.isfinite(value)
    few = distinct(value[finite], FEW_NUMBERS)
    if few is not None:
        codes = np.where(finite, np.searchsorted(few, np.where(finite, value, 0)), -1)
        return by_category(codes, [f"{one:.15g}" for one in few], points=points, label=label)
    if spreads_by_ratio(value[finite]):
        return by_number(value, label=f"{label}, log scale", logarithmic=True)
    return by_number(value, label=label)


def by_decision(dropped: np.ndarray, pinned: np.ndarray | None = None) -> Coloring:
    """Colour rows by what was decided: kept, dropped and, where there are any, pinned.

    Pinned rows are kept, too: beside them the others are called so.

    Parameters
    ----------
    dropped, pinned : ndarray of shape (n,), bool
    """
    codes = np.asarray(dropped).astype(np.uint8)
    names = ["kept", "dropped"]
    if pinned is not None and np.any(pinned):
        codes[np.asarray(pinned)] = 2
        names = ["kept, not pinned", "dropped", "pinned"]
    return _fixed(codes, names, [_TEAL, _ORANGE, _VIOLET][: len(names)], "Decision")


def by_tags(tags: Tags, points: np.ndarray) -> Coloring:
    """Colour rows by their labels; those with several have a colour for all of them together.

    Rows without a label are grey; of more than `MOST_CATEGORIES` labels and sets of labels, the
    largest have colours of their own.

    Parameters
    ----------
    tags : rows of each label.
    points : ndarray of shape (n, 2)
        Map coordinates.
    """
    codes = np.full(len(points), -1)
    names: list[str] = []
    for label in tags:
        tagged = tags[label]
        # Rows with the labels so far, and this one: each such set is one code more.
        before, places = np.unique(codes[tagged], return_inverse=True)
        codes[tagged] = len(names) + places
        names += [label if one < 0 else f"{names[one]} + {label}" for one in before.tolist()]
    used, codes[codes >= 0] = np.unique(codes[codes >= 0], return_inverse=True)
    return color_categories(codes, [names[one] for one in used.tolist()], points, "Tag")


def by_difference(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    rows: int,
    names: tuple[str, str] = ("first", "second"),
) -> Coloring:
    """Colour rows by which of two runs chose them: both, one alone, or neither (grey).

    Parameters
    ----------
    first, second : ndarray of int64
        Rows that each run chose.
    rows : int
        Rows of the pool.
    names : tuple of two str
        What the runs are called in the legend.

    Raises
    ------
    InputError
        A row is not in the pool.
    """
    codes = np.full(rows, 3, np.uint8)
    chosen = np.zeros((2, rows), bool)
    for mask, run, name in zip(chosen, (first, second), names, strict=True):
        if len(run) and (np.min(run) < 0 or np.max(run) >= rows):
            raise InputError(
                f"The run {name} has rows that the pool of {rows:,} rows has not; it belongs to "
                "another pool."
            )
        mask[run] = True
    codes[chosen[0] & chosen[1]] = 0
    codes[chosen[0] & ~chosen[1]] = 1
    codes[~chosen[0] & chosen[1]] = 2
    legend = ["in both", f"only {names[0]}", f"only {names[1]}", "in neither"]
    return _fixed(codes, legend, [IN_BOTH, ONLY_FIRST, ONLY_SECOND, None], "Runs")


def _fixed(
    codes: NDArray[np.uint8], names: Sequence[str], hues: Sequence[int | None], label: str
) -> Coloring:
    """Categories in a given order and colours; None is the neutral one."""
    sizes = np.bincount(codes, minlength=len(names))
    entries = [
        {"name": name, "count": int(sizes[group]), "group": group}
        for group, name in enumerate(names)
    ]
    legend = {"kind": "category", "label": label, "entries": entries, "other": 0, "none": 0}
    light, dark = (
        palette.to_rgb(
            [neutral if hue is None else palette.CATEGORICAL[theme][hue] for hue in hues]
        ).copy()
        for theme, neutral in palette.NEUTRAL.items()
    )
    return Coloring(codes, light, dark, tuple(names), legend)
