"""What pinned rows, limits and the near-duplicate cap change at a point of the trade-off.

A path knows nothing of them: they are obeyed after it, by exchanging rows that were drawn from it.
So both choices, with and without them, are measured alike: by the path over the chosen rows alone,
at the same diversity weight and scale. A draw costs more than the curve says, which has all rows in
reach; what the constraints cost is the difference between the two draws.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.progress import Progress, silent
from core.selection import Problem, Selection, solve
from core.selection.memo import Memo
from core.selection.tsds import Terms, lay


@dataclass(frozen=True)
class ChosenPoint:
    """The trade-off where the targets' mass goes to the chosen rows alone.

    Attributes
    ----------
    alignment_cost : mean distance over which it is moved.
    support : chosen rows that receive mass.
    effective_size : how many rows of equal mass would be as spread out.
    """

    alignment_cost: float
    support: int
    effective_size: float


@dataclass(frozen=True)
class Effect:
    """A choice under constraints beside the same one without them.

    Attributes
    ----------
    what : the constraints, in words.
    budget : rows of either.
    exchanged : of them, those that only one of the two has.
    chosen, free : with and without the constraints.
    """

    what: str
    budget: int
    exchanged: int
    chosen: ChosenPoint
    free: ChosenPoint

    @property
    def sentence(self) -> str:
        """What they change."""
        curve = f"The curve is that of a choice without {self.what}"
        if not self.exchanged:
            return f"{curve}, which change no row here."
        return (
            f"{curve}, which exchange {self.exchanged:,} of {self.budget:,} rows; the chosen rows "
            f"alone cost {self.chosen.alignment_cost:.3f} instead of "
            f"{self.free.alignment_cost:.3f}."
        )


def measure_effect(
    given: Problem,
    free: Problem,
    selection: Selection,
    rule_id: str,
    parameters: Mapping[str, Any],
    *,
    progress: Progress = silent,
) -> Effect | None:
    """Choose without constraints what was chosen with them; None where there are none.

    Parameters
    ----------
    given : with constraints and pinned rows.
    free : the same candidates, budget and seed with neither.
    selection : of `given`, by a TSDS rule.
    parameters : those of the rule, resolved, without the diversity weight.
    """
    what = _words(given)
    if not what:
        return None
    weight = selection.settings["diversity_weight"]
    other = solve(rule_id, free, progress=progress, diversity_weight=weight, **parameters)
    terms = Terms.of(parameters)
    return Effect(
        what,
        len(selection.rows),
        len(np.setdiff1d(selection.rows, other.rows)),
        chosen_point(free, terms, selection),
        chosen_point(free, terms, other, weight),
    )


def chosen_point(
    problem: Problem, terms: Terms, selection: Selection, diversity_weight: float | None = None
) -> ChosenPoint:
    """Lay the path over the chosen rows, and stop it at the weight of the selection, or another."""
    alone = replace(
        problem, candidates=selection.rows, pinned=np.empty(0, np.int64), memo=Memo(), spare=0.0
    )
    path = lay(alone, replace(terms, scale=selection.settings["scale"]))
    weight = (
        selection.settings["diversity_weight"] if diversity_weight is None else diversity_weight
    )
    point = path.solve(weight)
    return ChosenPoint(point.alignment_cost, point.support, point.effective_size)


def _words(problem: Problem) -> str:
    pins = "pinned rows" if len(problem.pinned) else ""
    limits = problem.constraints.words.replace("the ", "") if problem.constraints else ""
    return " and ".join(filter(None, [pins, limits]))
