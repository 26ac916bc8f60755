"""Any rule under constraints: its rows are kept as far as they obey, and others take the places.

What comes out is defined thus, whatever the rule:

1. SemDeDup, where it is asked for, leaves candidates out. Pinned rows stay.
2. The rule chooses as if nothing was constrained. If its rows obey, they are the result.
3. Else they are ordered by how much the rule wants them: by the place in which it took them; else
   by the distance that it goes by; else by the probability that it gives them, equal ones in an
   order that the seed draws. Pinned rows are kept in any case.
4. Going down this order, a row is refused that has a cosine above the cap to one before it (near-
   duplicates that are both pinned stay). Of what is left, those rows are kept that can be completed
   to a choice within all limits. With limits on one column this drops the fewest rows, and the
   least wanted ones of each group that has too many; with several columns it is the set of the
   largest weight, where the first row of the order weighs a tenth more than the last.
5. The same rule chooses again, with the kept rows pinned, among the rows that may still come: first
   among those of groups that are below their minimum, then among all. What it adds goes through
   3. and 4., until the budget is full. If a try is not enough, the next one asks for twice as many.

So the result has exactly the budget's rows, is the same for the same seed, does not depend on the
order in which limits are written, and is what the rule chose but for the rows that had to go.
Whether limits can be met is decided exactly, for any number of columns. Under the cap it is not:
the rows that are taken first decide what may follow, and finding more would be NP-hard.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core.errors import InputError
from core.progress import Progress, silent
from core.selection.alike import ROUNDING, Apart, semdedup
from core.selection.base import Numbers, Problem, Rows, Selection
from core.selection.constraints import Constraints
from core.selection.memo import Memo
from core.selection.reasons import Reasons, join_reasons
from core.selection.room import Room
from core.selection.rows import Vectors, unit

_SPARE = 0.25  # most rows that go have not that many neighbours of one target among them

_DIGITS = 5  # of a probability that count

SolveRule = Callable[[Problem], Selection]


@dataclass(frozen=True)
class _Part:
    """Rows that one call of the rule added, and what it said of them."""

    rows: Rows
    probabilities: Numbers
    reasons: Reasons


def solve_constrained(
    problem: Problem, rule: SolveRule, *, progress: Progress = silent
) -> Selection:
    """Choose with `rule` under `problem.constraints`; see the module.

    Returns
    -------
    Selection
        The distribution and the support are those of the rule without limits and cap. The
        inclusion probability of a row is that of the call of the rule that took it, given the rows
        that were kept before. The settings tell how many rows were exchanged.

    Raises
    ------
    InputError
        The constraints cannot be met; it says how many rows could be had.
    """
    constraints = problem.constraints
    assert constraints is not None
    inner = replace(problem, constraints=None, spare=_SPARE)
    notes: tuple[str, ...] = ()
    settings: dict[str, int] = {}
    kept = np.ones(len(problem.candidates), bool)
    if constraints.semdedup is not None:
        kept = _without_duplicates(problem, constraints.semdedup, progress)
        inner = replace(inner, candidates=problem.candidates[kept])
        settings["semdedup_left_out"] = gone = int(np.count_nonzero(~kept))
        notes += (
            f"SemDeDup at cosine {constraints.semdedup:g} left out {gone:,} of "
            f"{len(kept):,} rows before the choice.",
        )
    room = Room(inner, constraints.limits)
    wish = rule(inner)
    selection = wish
    if constraints.words:
        selection = _Exchange(inner, constraints, room, rule, progress).obey(wish)
        settings["exchanged"] = exchanged = len(np.setdiff1d(wish.rows, selection.rows))
        if exchanged:
            notes += (
                f"To obey {constraints.words}, {exchanged:,} of the {problem.budget:,} rows that "
                "the rule chose were exchanged for others.",
            )
    distribution = np.zeros(len(problem.candidates))
    distribution[kept] = wish.distribution
    return replace(
        selection,
        distribution=distribution,
        notes=(*wish.notes, *notes),
        settings={**wish.settings, **settings},
    )


def after_semdedup(problem: Problem, *, progress: Progress = silent) -> NDArray[np.bool_]:
    """The candidates that SemDeDup leaves; all of them where it is not asked for."""
    cosine = problem.constraints.semdedup if problem.constraints else None
    if cosine is None:
        return np.ones(len(problem.candidates), bool)
    key = ("semdedup", cosine, problem.pinned.tobytes())
    return problem.remember(key, lambda: semdedup(problem, cosine, progress=progress))


def _without_duplicates(problem: Problem, cosine: float, progress: Progress) -> NDArray[np.bool_]:
    kept = after_semdedup(problem, progress=progress)
    if np.count_nonzero(kept) < problem.budget:
        raise InputError(
            f"SemDeDup at cosine {cosine:g} leaves {np.count_nonzero(kept):,} of {len(kept):,} "
            f"rows, fewer than the budget of {problem.budget:,}; raise the cosine or lower the "
            "budget.",
            option="semdedup",
        )
    return kept


class _Exchange:
    """Keeps what obeys of a rule's rows, and has the rule fill the places."""

    def __init__(
        self,
        problem: Problem,
        constraints: Constraints,
        room: Room,
        rule: SolveRule,
        progress: Progress,
    ) -> None:
        self._problem, self._constraints, self._rule = problem, constraints, rule
        self._progress, self._room = progress, room
        self._taken = problem.is_pinned.copy()
        self._gone = np.zeros(len(self._taken), bool)
        # Beside the rules' own draws: [seed, 1] is another stream than seed.
        generator = np.random.default_rng([problem.seed, 1])
        self._lot = generator.permutation(len(self._taken))
        self._parts: list[_Part] = []
        self._apart: Apart | None = None
        if constraints.max_cosine is not None:
            assert problem.features is not None  # solve() looked
            self._apart = Apart(problem.features.shape[1], constraints.max_cosine + ROUNDING)
            self._apart.add(self._vectors(np.flatnonzero(self._taken)))

    def obey(self, wish: Selection) -> Selection:
        """The selection that obeys; the wish itself where it does."""
        self._offer(self._problem, wish)
        if not self._room.missing:
            return wish
        column, tries = -2, 0
        while self._room.missing:
            stage = self._room.stage()
            tries = tries + 1 if stage.column == column else 0
            column = stage.column
            where = stage.cells[self._room.cell] & ~self._taken & ~self._gone
            if not where.any():
                raise self._too_few()
            taken = int(np.count_nonzero(self._taken))
            self._progress(taken, self._problem.budget, "exchanging rows to obey the constraints")
            there = replace(
                self._problem,
                candidates=self._problem.candidates[self._taken | where],
                pinned=self._problem.candidates[self._taken],
                budget=taken + min(stage.wanted << tries, int(np.count_nonzero(where))),
                memo=Memo(),  # what is known of all candidates is kept for the next choice
                wider=self._problem,
                spare=0.0,
            )
            self._offer(there, self._rule(there))
        return self._joined(wish)

    def _offer(self, problem: Problem, selection: Selection) -> None:
        """Take what can be kept of the rows that the rule chose from this problem."""
        at = np.searchsorted(self._problem.candidates, selection.rows)
        new = np.flatnonzero(~self._taken[at])
        new = new[np.lexsort((self._lot[at[new]], _wanted(problem, selection)[new]))]
        kept = new[self._kept(at[new])]
        first = np.empty(0, np.int64) if self._parts else np.flatnonzero(self._taken[at])
        self._taken[at[kept]] = True
        those = np.concatenate([first, kept])
        self._parts.append(
            _Part(
                selection.rows[those],
                selection.probabilities[those],
                selection.reasons.take(those),
            )
        )

    def _kept(self, places: Rows) -> NDArray[np.bool_]:
        """Which candidates, the most wanted first, are taken: 4. of the module's definition."""
        kept = np.ones(len(places), bool)
        available = ~self._taken & ~self._gone
        apart = self._apart
        if apart is None:
            return self._within_limits(places, available)
        before, vectors = apart.count, self._vectors(places)
        most = None if self._constraints.limits else self._room.missing
        kept[:] = False
        kept[apart.take(vectors, most)] = True
        kept[kept] = self._within_limits(places[kept], available)
        apart.cut(before)
        apart.add(vectors[kept])
        refused = np.flatnonzero(~kept)
        # Those that are only like a row which was not kept may come later.
        self._gone[places[refused[~apart.free(vectors[refused])]]] = True
        return kept

    def _within_limits(self, places: Rows, available: NDArray[np.bool_]) -> NDArray[np.bool_]:
        kept = self._room.keep(places, available)
        if kept is None:
            raise self._too_few()
        return kept

    def _vectors(self, places: Rows) -> Vectors:
        assert self._problem.features is not None
        return unit(self._problem.features[self._problem.candidates[places]])

    def _too_few(self) -> InputError:
        """Only under the cap: whether the limits alone can be met was looked at before."""
        available = ~self._taken & ~self._gone
        above = f"with no two above cosine {self._constraints.max_cosine:g}"
        starved = self._room.starved(available)
        had = int(np.count_nonzero(self._taken)) + self._room.most(available)
        if starved is not None:
            sentence = (
                f"Only {starved.have:,} of the {starved.least:,} rows that {starved.name} must "
                f"give could be had {above}; raise the cosine or lower the minimum."
            )
        elif had < self._problem.budget:
            sentence = (
                f"Only {had:,} of {self._problem.budget:,} rows could be had {above}; raise the "
                "cosine, lower the budget or loosen a limit."
            )
        else:
            sentence = f"The limits cannot be met {above}; raise the cosine or loosen a limit."
        return InputError(sentence, option="max_cosine")

    def _joined(self, wish: Selection) -> Selection:
        rows = np.concatenate([part.rows for part in self._parts])
        order = np.argsort(rows)
        reasons = join_reasons([part.reasons for part in self._parts])
        return replace(
            wish,
            rows=rows[order],
            probabilities=np.concatenate([part.probabilities for part in self._parts])[order],
            reasons=_counted_anew(reasons.take(order), self._problem),
        )


def _wanted(problem: Problem, selection: Selection) -> NDArray[np.floating]:
    """What the chosen rows are ordered by, the most wanted ones having the lowest value."""
    reasons = selection.reasons
    if reasons.rank is not None:
        return reasons.rank.astype(np.float64)
    if reasons.value is not None:
        return reasons.value
    shares = selection.distribution[np.searchsorted(problem.candidates, selection.rows)]
    # Those of copies differ in their last bits, by the threads that measured the densities.
    size, power = np.frexp(shares)
    return -np.ldexp(np.round(size, _DIGITS), power)


def _counted_anew(reasons: Reasons, problem: Problem) -> Reasons:
    """The quotas as they came out."""
    if reasons.cluster is None:
        return reasons
    labels = problem.labels
    if reasons.strata is not None:
        assert problem.strata is not None
        labels = problem.strata.codes
    groups, of, quotas = np.unique(reasons.cluster, return_inverse=True, return_counts=True)
    there = np.asarray(labels)[problem.candidates]
    there = there[np.isin(there, groups)]
    sizes = np.bincount(np.searchsorted(groups, there), minlength=len(groups))
    return replace(reasons, quota=quotas[of], size=sizes[of])
