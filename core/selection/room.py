"""Counting under limits: how many rows each group may still give, and which rows can be kept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.selection.base import Problem, Rows
from core.selection.constraints import GroupLimits
from core.selection.quotas import Counts

_FIRMER = 0.1  # what the most wanted row weighs more than the least wanted one


@dataclass
class _Column:
    """One column's limits as they stand. Groups without a limit are one more group, the last.

    Attributes
    ----------
    of_cell : int64 ndarray of shape (cells,)
    low, high : float64 ndarray of shape (groups + 1,)
        Rows that must and that may still come.
    """

    limits: GroupLimits
    of_cell: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Stage:
    """Where rows are wanted next: in groups of a column below their minimum, or anywhere.

    Attributes
    ----------
    column : number of that column; -1 for anywhere.
    wanted : rows that are missing there.
    cells : bool ndarray, cells that may give them.
    """

    column: int
    wanted: int
    cells: NDArray[np.bool_]


@dataclass(frozen=True)
class Starved:
    """A group that can give `have` rows alone of the `least` that it must."""

    name: str
    have: int
    least: int


class Room:
    """What the limits still allow while rows are taken.

    Candidates that are in the same group of every column form a cell; rows of a cell are alike.

    Attributes
    ----------
    cell : int64 ndarray of shape (candidates,)
    missing : rows that are still to be taken.

    Raises
    ------
    InputError
        No choice of this budget obeys the limits.
    """

    def __init__(self, problem: Problem, limits: tuple[GroupLimits, ...]) -> None:
        codes = [_codes(one, problem.candidates) for one in limits]
        stacked = np.stack([*codes, np.zeros(len(problem.candidates), np.int64)], axis=1)
        kinds, cell = np.unique(stacked, axis=0, return_inverse=True)
        self.cell: NDArray[np.int64] = cell.reshape(-1)
        self.missing = problem.budget
        self._closed = np.zeros(len(kinds), bool)
        self._columns = [
            _Column(one, kinds[:, at], np.append(one.low, 0.0), np.append(one.high, np.inf))
            for at, one in enumerate(limits)
        ]
        for column in self._columns:
            _check(column, self._counts(problem.is_pinned), self._counts(), problem.budget)
        self._take(self._counts(problem.is_pinned))
        if len(self._columns) > 1:
            self._check_together(problem)

    def stage(self) -> Stage:
        """Where to look next; minimums come first, column by column."""
        cells = ~self._closed
        for column in self._columns:
            cells &= column.high[column.of_cell] > 0
            if column.low.sum() >= self.missing:
                cells &= column.low[column.of_cell] > 0
        for number, column in enumerate(self._columns):
            if column.low.any():
                inside = cells & (column.low[column.of_cell] > 0)
                return Stage(number, int(column.low.sum()), inside)
        return Stage(-1, self.missing, cells)

    def starved(self, available: NDArray[np.bool_]) -> Starved | None:
        """The first group that cannot reach its minimum with what is available."""
        supply = self._counts(available)
        for column in self._columns:
            there = np.bincount(column.of_cell, supply, len(column.low))
            short = np.flatnonzero(there < column.low)
            if len(short):
                group = int(short[0])
                least = int(column.limits.low[group])
                have = least - int(column.low[group] - there[group])
                return Starved(column.limits.name(group), have, least)
        return None

    def most(self, available: NDArray[np.bool_]) -> int:
        """How many more rows the maximums of each column alone allow of what is available."""
        supply = self._counts(available)
        found = [int(supply.sum())]
        for column in self._columns:
            there = np.bincount(column.of_cell, supply, len(column.low))
            found.append(int(np.minimum(there, column.high).sum()))
        return min(found)

    def keep(self, places: Rows, available: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Take as many of some candidates as can be completed within the limits.

        Parameters
        ----------
        places : int64 ndarray, the most wanted first.
        available : bool ndarray of shape (candidates,)
            What may be taken, now or later; `places` are among it.

        Returns
        -------
        Whether each of `places` was taken; None where nothing that is available meets the limits.
        """
        cells = self.cell[places]
        # No more of a cell than it may give, whatever the others do.
        most = np.full(len(self._closed), float(self.missing))
        for column in self._columns:
            most = np.minimum(most, column.high[column.of_cell])
        kept = _place_within(cells) < most[cells]
        if not self._columns:
            kept &= np.cumsum(kept) <= self.missing
        elif not self._filled_by(np.bincount(cells[kept], minlength=len(most))):
            supply = self._counts(available) - np.bincount(cells[kept], minlength=len(most))
            taken = self._solve(cells[kept], supply)
            if taken is None:
                return None
            kept[kept] = taken
        if len(places) and not kept.any():
            self._closed[cells] = True
        self._take(np.bincount(cells[kept], minlength=len(most)))
        return kept

    def _counts(self, which: NDArray[np.bool_] | None = None) -> Counts:
        """Candidates of each cell."""
        cells = self.cell if which is None else self.cell[which]
        return np.bincount(cells, minlength=len(self._closed))

    def _take(self, counts: Counts) -> None:
        self.missing -= int(counts.sum())
        for column in self._columns:
            came = np.bincount(column.of_cell, counts, len(column.low))
            column.low = np.maximum(column.low - came, 0)
            column.high = column.high - came

    def _filled_by(self, counts: Counts) -> bool:
        """Whether so many rows of each cell are all that is missing, within all limits."""
        fits = counts.sum() == self.missing
        for column in self._columns:
            came = np.bincount(column.of_cell, counts, len(column.low))
            fits &= bool(((column.low <= came) & (came <= column.high)).all())
        return bool(fits)

    def _solve(self, cells: NDArray[np.int64], supply: Counts) -> NDArray[np.bool_] | None:
        """Which rows to take: x of 0 or 1 for each, and y more of each cell, within all limits.

        The largest Σ w x with Σ x + Σ y = missing. With one or two columns every corner of the
        linear programme is whole, as in a transport problem.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import coo_array

        rows, count = len(cells), len(cells) + len(supply)
        of = np.concatenate([cells, np.arange(len(supply))])
        low, high = [np.array([float(self.missing)])], [np.array([float(self.missing)])]
        groups = [np.zeros(count, np.int64)]
        for column in self._columns:
            groups.append(column.of_cell[of] + sum(map(len, low)))
            low.append(column.low)
            high.append(column.high)
        every = np.tile(np.arange(count), len(groups))
        bounds = LinearConstraint(
            coo_array(
                (np.ones(len(every)), (np.concatenate(groups), every)),
                shape=(sum(map(len, low)), count),
            ).tocsr(),
            np.concatenate(low),
            np.concatenate(high),
        )
        weights = np.concatenate(
            [1 + _FIRMER * np.linspace(1, 0, rows, endpoint=False), np.zeros(len(supply))]
        )
        found = milp(
            -weights,
            integrality=np.full(count, int(len(self._columns) > 2)),
            bounds=Bounds(0, np.concatenate([np.ones(rows), supply])),
            constraints=bounds,
            options={"mip_rel_gap": 0},
        )
        return None if found.x is None else found.x[:rows] > 0.5

    def _check_together(self, problem: Problem) -> None:
        """Refuse limits that can be met column by column but not all together."""
        none = np.empty(0, np.int64)
        if self._solve(none, self._counts(~problem.is_pinned)) is None:
            names = " and ".join(column.limits.groups.by for column in self._columns)
            raise InputError(
                f"The limits on {names} cannot be met together with {problem.budget:,} rows; "
                "loosen one of them or change the budget.",
                option="limit",
            )


def _codes(limits: GroupLimits, candidates: Rows) -> NDArray[np.int64]:
    """Group of each candidate, all groups without a limit as one."""
    limited = (limits.low > 0) | np.isfinite(limits.high)
    codes = limits.groups.codes[candidates].astype(np.int64)
    return np.where(limited[codes], codes, len(limited))


def _place_within(cells: NDArray[np.int64]) -> Rows:
    """How many of the same cell come before each."""
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    place = np.empty(len(cells), np.int64)
    place[order] = np.arange(len(cells)) - np.searchsorted(ordered, ordered)
    return place


def _check(column: _Column, pinned: Counts, candidates: Counts, budget: int) -> None:
    """Refuse limits of one column that cannot be met, in a sentence."""
    limits, last = column.limits, len(column.low) - 1
    fixed = np.bincount(column.of_cell, pinned, last + 1)
    supply = np.bincount(column.of_cell, candidates, last + 1)
    bad = np.flatnonzero(supply < column.low)
    if len(bad):
        raise InputError(
            f"{limits.name(bad[0])} has {supply[bad[0]]:,.0f} rows to choose from, fewer than its "
            f"minimum of {column.low[bad[0]]:,.0f}; lower the minimum or keep more rows.",
            option="limit",
        )
    bad = np.flatnonzero(fixed > column.high)
    if len(bad):
        raise InputError(
            f"{fixed[bad[0]]:,.0f} rows of {limits.name(bad[0])} are pinned, more than its "
            f"maximum of {column.high[bad[0]]:,.0f}; unpin some of them or raise it.",
            option="limit",
        )
    by = limits.groups.by
    least, most = np.maximum(column.low, fixed).sum(), np.minimum(column.high, supply).sum()
    if least > budget:
        with_pins = " with the pinned rows" if fixed.any() else ""
        raise InputError(
            f"The minimums of {by}{with_pins} add up to {least:,.0f} rows, more than the budget of "
            f"{budget:,}; lower a minimum or raise the budget.",
            option="limit",
        )
    if most < budget:
        raise InputError(
            f"The maximums of {by} allow {most:,.0f} rows, fewer than the budget of {budget:,}; "
            "raise a maximum or lower the budget.",
            option="limit",
        )
