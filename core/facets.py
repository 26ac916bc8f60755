"""Facets: how the rows of a project are spread over the values of a column, and filters by them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.clusters import require_clusters
from core.column_values import TooManyValuesError, column_values
from core.decisions import Decisions, load_decisions
from core.errors import InputError, WinnowError, command
from core.facet_columns import CategoryColumn, Column, NumberColumn, TagColumn
from core.layout import load_layout
from core.map_density import map_density
from core.pool import Categories, Pool
from core.project import Project
from core.usable_columns import note_useless, usable_columns

# What every pool has beside its original columns; one of these names means this.
OWN = {
    "length": "Length, characters",
    "turns": "Turns",
    "quality": "Quality",
    "density": "Density on the map",
    "source": "Source",
    "cluster": "Cluster",
    "duplicate": "Exact duplicate",
    "tag": "Tag",
}
ORIGINAL = "column:"  # before the name of an original column that is also one of these
_NAMED = 30  # columns that a message names


def label_of(name: str) -> str:
    """A column for people to choose it by its name."""
    original = name.removeprefix(ORIGINAL)
    return OWN.get(name, original if original not in OWN else f"{original} (original column)")


@dataclass(frozen=True)
class Between:
    """Rows whose number in a column is from `low` to `high`, both included."""

    column: str
    low: float
    high: float


@dataclass(frozen=True)
class AnyOf:
    """Rows that have one of some values in a column."""

    column: str
    values: tuple[str, ...]


Filter = Between | AnyOf


@dataclass(frozen=True)
class Histogram:
    """Rows by the values of a column.

    Attributes
    ----------
    column : its name.
    label : for people.
    names : of the bars of a column of names; None for numbers.
    lows, highs : float64 of shape (bars,), the ends of each bar of numbers, both included; None
        for names.
    total : int64 of shape (bars,), of all rows that are kept.
    left : of those that the other filters leave; the column's own does not count.
    none : rows of `left` without a value.
    """

    column: str
    label: str
    names: tuple[str, ...] | None
    lows: NDArray[np.float64] | None
    highs: NDArray[np.float64] | None
    total: NDArray[np.int64]
    left: NDArray[np.int64]
    none: int

    def as_dict(self) -> dict[str, Any]:
        """The bars for JSON."""
        bars: list[dict[str, Any]] = []
        for place, (total, left) in enumerate(zip(self.total, self.left, strict=True)):
            ends: dict[str, Any] = (
                {"value": self.names[place]}
                if self.names is not None
                else {"low": float(self.lows[place]), "high": float(self.highs[place])}
                if self.lows is not None and self.highs is not None
                else {}
            )
            bars.append({**ends, "kept": int(total), "left": int(left)})
        return {"column": self.column, "label": self.label, "bars": bars, "none": self.none}


class Facets:
    """The columns of a project as facets; each is read when it is first asked for.

    Parameters
    ----------
    pool : the project's, if it is open already.
    known : columns that were read before for the same pool, to which those read now are added; a
        dict that the caller keeps and hands to the next one.
    """

    def __init__(
        self,
        project: Project,
        pool: Pool | None = None,
        known: dict[str, tuple[str, Column]] | None = None,
    ) -> None:
        self.project = project
        self.pool = pool or Pool.open(project)
        self._known = {} if known is None else known

    @cached_property
    def decisions(self) -> Decisions:
        """As of the first look."""
        return load_decisions(self.project, self.pool.rows)

    def names(self) -> list[str]:
        """Columns that there are: the pool's own, then the original ones.

        An original column that is called like one of the pool's own has `ORIGINAL` before it.
        """
        missing = {name for name in ("cluster", "density") if not self._made_by(name)}
        if self.pool.quality_column() is None:
            missing.add("quality")
        if not self.decisions.tags:
            missing.add("tag")
        own = [name for name in OWN if name not in missing]
        others = [ORIGINAL * (name in OWN) + name for name in self.pool.columns()]
        return [*own, *others]

    def offered(self) -> list[str]:
        """Those of `names` to choose from: they can be used, and no two of them are the same."""
        usable = {*usable_columns(self.pool)} - {self.pool.quality_column()}
        return [
            name for name in self.names() if name in OWN or name.removeprefix(ORIGINAL) in usable
        ]

    def ready(self, name: str) -> bool:
        """Whether a column needs no reading any more."""
        known = self._known.get(name)
        return name == "tag" or (known is not None and known[0] == self._made_by(name))

    def column(self, name: str) -> Column:
        """A column by its name.

        Raises
        ------
        InputError
            There is no such column, or it has more than 1,000 different texts, or its values
            cannot be read.
        """
        if name == "tag":
            return TagColumn(name, OWN[name], self.decisions.tags, self.pool.rows)
        made_by = self._made_by(name)
        known = self._known.get(name)
        if known is None or known[0] != made_by:
            try:
                known = self._known[name] = made_by, self._read(name)
            except WinnowError:
                raise
            except Exception as error:  # whatever its values are, all else goes on without it
                what = type(error).__name__
                raise InputError(f"Column {name!r} cannot be read ({what}: {error}).") from error
        return known[1]

    def mask(self, rule: Filter) -> NDArray[np.bool_]:
        """The rows that a filter takes, bool of shape (rows,).

        Raises
        ------
        InputError
            It cannot be used on this column, or names a value that no row has.
        """
        column = self.column(rule.column)
        if isinstance(rule, AnyOf):
            if isinstance(column, NumberColumn):
                return _equal(column, rule)
            return column.any_of(rule.values)
        if not isinstance(column, NumberColumn):
            raise InputError(
                f"Column {rule.column!r} holds no numbers; ask for its values instead.",
                option="between",
            )
        if math.isnan(rule.low) or math.isnan(rule.high) or rule.low > rule.high:
            raise InputError(
                f"The range of {rule.column!r} must go from a number to one that is not lower, "
                f"not from {rule.low:g} to {rule.high:g}.",
                option="between",
            )
        return column.between(rule.low, rule.high)

    def histograms(
        self,
        names: Sequence[str],
        filters: Sequence[Filter] = (),
        among: NDArray[np.int64] | None = None,
    ) -> list[Histogram]:
        """Count the kept rows by some columns: all of them, and those that other filters leave.

        Parameters
        ----------
        names : columns; see `names`.
        filters : rows are left that meet all of these, but for those of the column counted.
        among : rows that are left are of these; of all that are kept if None.

        Raises
        ------
        InputError
            A column or a filter cannot be used.

        Notes
        -----
        Costs a pass over the rows for each column and each filter.
        """
        kept = ~self.decisions.dropped
        left = kept
        if among is not None:
            left = np.zeros(self.pool.rows, bool)
            left[among] = True
            left &= kept
        masks = [(rule.column, self.mask(rule)) for rule in filters]
        found = []
        for name in names:
            column, others = self.column(name), left
            for of, mask in masks:
                if of != name:
                    others = others & mask
            found.append(
                Histogram(
                    name,
                    column.label,
                    None if isinstance(column, NumberColumn) else column.names,
                    column.lows if isinstance(column, NumberColumn) else None,
                    column.highs if isinstance(column, NumberColumn) else None,
                    column.counts(kept),
                    column.counts(others),
                    column.none(others),
                )
            )
        return found

    def _made_by(self, name: str) -> str:
        """What a column depends on besides the pool; "" for nothing, or nothing yet."""
        if name not in ("cluster", "density"):
            return ""
        features = self.project.pointer("features")
        kind = "clusters" if name == "cluster" else "layout"
        return (self.project.pointer(f"{kind}:{features}") if features else None) or ""

    def _read(self, name: str) -> Column:
        pool, label = self.pool, OWN.get(name, name)
        if name == "length":
            return NumberColumn.of(name, label, pool.lengths())
        if name == "turns":
            return NumberColumn.of(name, label, pool.turns())
        if name == "source":
            return CategoryColumn.of(name, label, pool.sources())
        if name == "duplicate":
            codes = (pool.duplicates() >= 0).astype(np.int32)
            return CategoryColumn(name, label, ("no", "yes"), codes)
        if name == "cluster":
            clusters = require_clusters(self.project)
            labels = clusters.labels.astype(np.int32)
            return CategoryColumn(name, label, tuple(clusters.titles), labels)
        if name == "density":
            points = load_layout(self.project)
            if points is None:
                again = command("map", self.project.root)
                raise InputError(f"{self.project.name} has no map yet; run {again}.")
            return NumberColumn.of(name, label, map_density(points))
        original = name.removeprefix(ORIGINAL)
        if name == "quality":
            original = pool.quality_column() or original
        if original not in pool.columns():
            known = ", ".join(self.names()[:_NAMED])
            raise InputError(f"There is no column {name!r}; some are: {known}.")
        if name == "quality":
            return NumberColumn.of(name, original, pool.numbers(original, gaps=True))
        try:
            values = column_values(pool, original)
        except TooManyValuesError:
            note_useless(pool, original)
            raise
        if isinstance(values, Categories):
            return CategoryColumn.of(name, original, values)
        return NumberColumn.of(name, original, values)


def _equal(column: NumberColumn, rule: AnyOf) -> NDArray[np.bool_]:
    """The rows whose number is one of some that are given as text."""
    try:
        wanted = [float(value) for value in rule.values]
    except ValueError:
        raise InputError(
            f"Column {rule.column!r} holds numbers; give one, not {rule.values[0]!r}.", option="is"
        ) from None
    found: NDArray[np.bool_] = np.isin(column.values, wanted)
    return found
