"""The trade-off curve: cost and reach by diversity weight, and the handle that moves the weight."""

from typing import Any

import numpy as np
import streamlit as st

from core.selection import Curve
from core.selection.tsds import rounded_up
from core.tradeoff import CurvePoint, Limits
from core.tradeoff_constraints import Effect
from pages.ui.component import declare
from pages.ui.live import Preview
from pages.ui.parameters import put
from pages.ui.settings import Settings

_COMPONENT = declare("tradeoff")
_KEY, _SEQ, _RESTED = "tradeoff", "tradeoff-seq", "tradeoff-rested"
_LAST = 0.99  # of the weight, as the curve shows it
HELP = (
    "Drag the handle: the map follows. Alignment cost: mean distance from the target examples to "
    "the rows that their mass goes to; lower is nearer. Rows in reach: rows with a chance above "
    "zero (the support). Effective size: (Σp)²/Σp², dotted: how many rows of equal chance would be "
    "as spread out. Grey: too few rows are in reach for the budget; the dashed line is the "
    "smallest weight with enough."
)


def render_curve(curve: Curve, preview: Preview, settings: Settings, effect: Effect | None) -> None:
    """Draw the curve with the point of the preview on it, and the handle where it was put.

    Parameters
    ----------
    effect : what constraints change, where there are any.
    """
    asked = settings.parameters["diversity_weight"]
    limits, drawn = preview.limits, preview.drawn
    assert limits is not None and drawn is not None

    def moved() -> None:
        state = st.session_state.get(_KEY)
        move = state.get("moved") if isinstance(state, dict) else None
        if not isinstance(move, dict):
            return
        weight, rested, before = move.get("weight"), move.get("rested"), st.session_state.get(_SEQ)
        st.session_state[_SEQ], st.session_state[_RESTED] = move.get("seq"), rested is not None
        if rested is not None and rested == before:
            return  # the move itself was seen, and the page may have followed it by now
        if isinstance(weight, int | float) and 0 <= weight <= _LAST:
            put(settings.rule, "diversity_weight", round(float(weight), 2))

    changed = effect if effect and effect.causes else None
    used = drawn.point.diversity_weight
    data: dict[str, Any] = {
        **_through(curve, drawn.point),
        "now": _point(drawn),
        "solved": [_point(limits), _point(drawn)],
        "asked": min(round(used, 2), _LAST) if asked == "auto" else float(asked),
        "least": 1.0 if limits.smallest_weight is None else limits.smallest_weight,
        "label": "Diversity weight, on the trade-off curve",
        "seq": st.session_state.get(_SEQ) or 0,
        "chosen": changed.chosen.alignment_cost if changed else None,
        "free": changed.free.alignment_cost if changed else None,
        "note": effect.sentence if effect else "",
    }
    _COMPONENT(data=data, key=_KEY, on_moved_change=moved)


def has_rested() -> bool:
    """Whether the hand came to rest on the handle since this was asked last."""
    return bool(st.session_state.pop(_RESTED, False))


def _through(curve: Curve, point: CurvePoint) -> dict[str, list[float]]:
    """The lines, through a point between or beyond theirs: it is drawn where they are."""
    at = np.searchsorted(curve.diversity_weights, point.diversity_weight)
    lines = {
        "weights": (curve.diversity_weights, min(point.diversity_weight, _LAST), 4),
        "cost": (curve.alignment_costs, point.alignment_cost, 4),
        "reach": (curve.supports, point.support, 0),
        "size": (curve.effective_sizes, point.effective_size, 1),
    }
    return {
        name: np.insert(values, at, value).round(digits).tolist()
        for name, (values, value, digits) in lines.items()
    }


def _point(limits: Limits) -> dict[str, float]:
    """Where the path was solved, on the curve."""
    point = limits.point
    return {
        "weight": min(point.diversity_weight, _LAST),
        "cost": point.alignment_cost,
        "reach": point.support,
        "size": point.effective_size,
        "pinned": limits.largest_budget - point.support,
    }


def limits_in_words(preview: Preview) -> str:
    """What weight and budget leave each other, in a sentence."""
    limits, budget = preview.limits, preview.settings.budget
    assert limits is not None
    if preview.automatic:
        at = min(preview.selection.settings["diversity_weight"], _LAST)
        capped = "max_cosine" in preview.settings.options  # which tells what it costs
        by_density = "duplicate_cosine" in preview.settings.parameters and not capped
        spare = limits.largest_budget > budget and by_density
        return (
            f"Automatic: at {at:.2f}, {limits.largest_budget:,} rows are in reach for {budget:,}"
            + (", enough not to need two that are near-duplicates." if spare else ".")
        )
    weight = preview.settings.parameters["diversity_weight"]
    if limits.smallest_weight is None:
        return f"At no weight are {budget:,} rows in reach."
    least = rounded_up(limits.smallest_weight)
    used = f"; {least} is used" if limits.largest_budget < budget else ""
    return (
        f"{budget:,} rows need a weight of {least} or more; "
        f"{weight:.2f} reaches {limits.largest_budget:,}{used}."
    )
