"""What pinned rows, limits and the near-duplicate cap change at a point of the trade-off.

A path knows nothing of them: they are obeyed after it, by exchanging rows that were drawn from it.
So both choices, with and without them, are measured alike: by the path over the chosen rows alone,
at the same diversity weight and scale. A draw costs more than the curve says, which has all rows in
reach. Limits and the cap exchange rows of the very draw that the other choice is: the difference
is what they cost. Pinned rows lead to another draw: a small difference is chance.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.progress import Progress, silent
from core.selection import Problem, Selection, solve
from core.selection.memo import Memo
from core.selection.tsds import Terms, lay

_PINS = "pinned rows"


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
    constraints : in words.
    causes : those of them that change the choice; "" where it obeys them all without.
    pinned : whether there are pinned rows: the choice without them is then another draw, of which
        other rows and a slightly other cost are chance.
    chosen, free : with and without the constraints.
    """

    constraints: str
    causes: str
    pinned: bool
    chosen: ChosenPoint
    free: ChosenPoint

    @property
    def sentence(self) -> str:
        """What they change."""
        curve = f"The curve is that of a choice without {self.causes or self.constraints}"
        if self.causes:
            chance = " (another draw: small differences are chance)" if self.pinned else ""
            return (
                f"{curve}; the chosen rows alone cost {self.chosen.alignment_cost:.3f}, those "
                f"drawn without them {self.free.alignment_cost:.3f}{chance}."
            )
        if not self.pinned:
            return f"{curve}, which change no row here."
        others = "" if self.constraints == _PINS else ", and none was exchanged"
        return f"{curve}; those drawn without them hold the pinned rows, too{others}."


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
    pins = _PINS if len(given.pinned) else ""
    limits = given.constraints.words.replace("the ", "") if given.constraints else ""
    if not pins and not limits:
        return None
    weight = selection.settings["diversity_weight"]
    other = solve(rule_id, free, progress=progress, diversity_weight=weight, **parameters)
    held = np.isin(given.pinned, other.rows).all()
    terms = Terms.of(parameters)
    return Effect(
        _joined(pins, limits),
        _joined("" if held else pins, limits if selection.settings.get("exchanged") else ""),
        bool(pins),
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


def _joined(*words: str) -> str:
    return " and ".join(filter(None, words))
