"""What kMQ goes by within clusters: a column of the pool, or scores that are known of all rows."""

from typing import Any

import streamlit as st

from core.refinement.own_scores import PREFIX, scorer_of
from core.refinement.plan import OWN_TEMPERATURE
from core.refinement.registry import OF_ALL_ROWS, SCORERS
from pages.ui.settings import choose_quality
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_KEY = "refine-quality"
_LABELS = {PREFIX + one: f"{SCORERS[one].label} (no column needed)" for one in OF_ALL_ROWS}


def choose(view: ProjectView) -> str | None:
    """Draw the choice, and what the scores mean."""
    assert view.pool is not None
    chosen = choose_quality(view.pool, key=_KEY, more=_LABELS)
    scorer = scorer_of(chosen)
    if scorer is not None:
        st.caption(as_text(SCORERS[scorer].sentence))
    return chosen


def check(chosen: str | None, temperature: float) -> tuple[dict[str, Any], str]:
    """The options of `core.refinement.loop.start` for it, and what must be done first, or ""."""
    if chosen is None:
        return {}, "kMQ draws by quality: choose a column or scores for it."
    options: dict[str, Any] = {"quality": chosen}
    if scorer_of(chosen) is not None:
        options["temperature"] = temperature or OWN_TEMPERATURE
    return options, ""
