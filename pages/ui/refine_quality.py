"""What kMQ goes by within clusters: a column of the pool, or scores that are made right here."""

from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import WinnowError
from core.jobs import Step
from core.project import fingerprint
from core.quality import read_scores
from core.refinement.quality_file import WITHOUT_MODEL
from core.refinement.registry import SCORERS
from pages.ui.settings import choose_quality
from pages.ui.state import ProjectView
from pages.ui.strip import busy, start_job
from pages.ui.text import as_text

_KEY = "refine-quality"
_MADE = "scores of "  # before a measure, in the list: no column has such a name by chance
_LABELS = {f"{_MADE}{one}": f"{SCORERS[one].label} (no column needed)" for one in WITHOUT_MODEL}
_NAMES = {choice: choice.removeprefix(_MADE) for choice in _LABELS}


def choose(view: ProjectView) -> str | None:
    """Draw the choice, and the way to the scores where there are none yet."""
    assert view.pool is not None
    chosen = choose_quality(view.pool, key=_KEY, more=_LABELS)
    measure = _NAMES.get(chosen or "")
    if measure is not None:
        _render_scores(view, measure)
    return chosen


def check(view: ProjectView, chosen: str | None, temperature: float) -> tuple[dict[str, Any], str]:
    """The options of `core.refinement.loop.start` for it, and what must be done first, or ""."""
    if chosen is None:
        return {}, "kMQ draws by quality: choose a column or scores for it."
    measure = _NAMES.get(chosen)
    if measure is None:
        return {"quality": chosen}, ""
    file = _file(view, measure)
    if not file.is_file():
        return {}, f"kMQ draws by quality: score the rows by {measure} first."
    lowest, wrong = _look(view, file)
    if not wrong and lowest < 0 and not temperature:
        wrong = (
            f"Some rows have a {measure} below 0: under More settings, give a temperature above "
            "0, such as 0.1."
        )
    return {"quality_file": str(file)}, wrong


def _render_scores(view: ProjectView, measure: str) -> None:
    """What the scores mean, and the button that makes them."""
    st.caption(as_text(SCORERS[measure].sentence))
    file = _file(view, measure)
    there = file.is_file()
    if there and not _look(view, file)[1]:
        return
    at_work = busy(view, "quality")
    label = (
        "Scoring the rows …" if at_work else "Score the rows again" if there else "Score the rows"
    )
    if st.button(label, icon=":material/grade:", key="refine-score-rows", disabled=at_work):
        options = {"measure": measure, "out": str(file), "overwrite": True}
        if start_job(view, f"Score rows by {measure}", [Step("quality", options)]):
            st.rerun()


def _file(view: ProjectView, measure: str) -> Path:
    """Where the scores of the rows are kept, by what they are made of."""
    assert view.pool is not None and view.clusters is not None
    by_cluster = "clusters" in SCORERS[measure].needs
    made_of = fingerprint(view.pool.fingerprint, view.clusters.grouping if by_cluster else "")
    return view.project.inputs_dir / f"{measure}-{made_of}.parquet"


def _look(view: ProjectView, file: Path) -> tuple[float, str]:
    """The lowest score of a kept row, and what is wrong with the scores, or ""."""
    return _looked(str(file), file.stat().st_mtime_ns, view.log_id, view)


@st.cache_data(max_entries=8, show_spinner=False)
def _looked(file: str, written: int, decided: str, _view: ProjectView) -> tuple[float, str]:
    assert _view.pool is not None
    kept = _view.decisions.candidates
    try:
        scores = read_scores(file, _view.pool.rows, kept)
    except WinnowError as error:
        return 0.0, str(error).replace(file, "The file of scores")
    return float(scores[kept].min(initial=0.0)), ""
