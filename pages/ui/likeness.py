"""How many of the likest rows are selected: a number, a smallest cosine or both, moved at will."""

import contextlib
import hashlib
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import WinnowError
from core.ranking import LIKE, Cut, Ranking
from core.search import Found
from core.told import shortened
from core.view_link import Kind, follow_steps, with_itself
from pages.ui.background import Task, desk, result_of, session_id
from pages.ui.encoder import loaded_encoder
from pages.ui.notice import tell
from pages.ui.selection import Ranked, cut_again, put_ranked, ranked, ranked_by
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_BY, _ROWS, _COSINE, _MOST = "cut-by", "cut-rows", "cut-cosine", "cut-most"  # widgets
_NUMBER, _FLOOR = "Number", "Cosine"
_DEFAULTS = {_BY: _NUMBER, _ROWS: LIKE, _COSINE: 0.5, _MOST: None}
_SHOWN = "cut-shown"  # the cut of a selection that the widgets were set to
_DUE = "cut-due"  # the step that is to be cut as the widgets say once its rows are ranked anew
_WAIT_SECONDS = 0.8  # for rows that are ranked anew, which may load the encoder
_MORE_SECONDS = 0.1  # that a page which is drawn waits for the same
_WIDTH = 400
_SIDE = 2  # rows shown on each side of the line
_TEXT = 90  # characters of each
_COUNTS = 6  # other cosines that are counted


def wanted_cut() -> Cut:
    """What the widgets say."""
    said = {name: st.session_state.get(name, default) for name, default in _DEFAULTS.items()}
    if said[_BY] == _FLOOR:
        return Cut(said[_MOST], said[_COSINE])
    return Cut(said[_ROWS])


def cut_at(kind: Kind, value: str, ranking: Ranking, cut: Cut) -> Found:
    """The first rows of a ranking; with the row itself that they are like."""
    found = Found.of(ranking, cut)
    return with_itself(found, int(value)) if kind == "like" else found


def render(view: ProjectView, *, searching: bool) -> Task | None:
    """Draw the cut as a menu: of what is selected, or (`searching`) of what will be searched.

    Returns the ranking that it waits for.
    """
    found, waiting = ranked(view), None
    if found is None or st.session_state.get(_DUE) != found.step:  # something else is selected
        st.session_state.pop(_DUE, None)
    if found is not None and _DUE in st.session_state:
        waiting = _move(view, _MORE_SECONDS)
        if waiting is None:
            st.rerun()
    elif found is not None and st.session_state.get(_SHOWN) != found.step.cut:
        _show(found.step.cut)
    for name, default in _DEFAULTS.items():
        st.session_state.setdefault(name, default)
    useful = searching or found is not None
    st.caption(_words(wanted_cut()) if useful else "", width="content")
    with st.popover(
        "",
        icon=":material/tune:",
        type="tertiary",
        disabled=not useful,
        help="How many of the likest rows are selected",
        key="cut",
        on_change="rerun",
    ) as menu:
        if menu.open:
            with st.container(width=_WIDTH):
                waiting = _render_menu(view, found) or waiting
    return waiting


def _render_menu(view: ProjectView, found: Ranked | None) -> Task | None:
    by = st.segmented_control(
        "Cut by", (_NUMBER, _FLOOR), required=True, key=_BY, persist_state="session",
        label_visibility="collapsed", on_change=_turn, args=(view,),
    )  # fmt: skip
    if by == _NUMBER:
        st.number_input(
            "Nearest rows", 1, None, step=10, key=_ROWS, persist_state="session",
            on_change=_moved, args=(view,),
        )  # fmt: skip
    else:
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.slider(
                "Cosine at least", -1.0, 1.0, step=0.01, key=_COSINE, persist_state="session",
                help="1 for the same vector.", on_change=_moved, args=(view,),
            )  # fmt: skip
            st.number_input(
                "Rows at most", 1, None, value=None, step=10, placeholder="any", key=_MOST,
                persist_state="session", on_change=_moved, args=(view,), width=130,
            )  # fmt: skip
    if found is None:
        st.caption("Search by meaning to see the rows at the line.")
        return None
    try:
        ranking = _ranking(view, found, _MORE_SECONDS)
    except WinnowError as error:
        st.error(as_text(error))
        return None
    if isinstance(ranking, Task):
        st.caption("Features or decisions changed since: the rows are ranked anew.")
        return ranking
    cut = wanted_cut()
    count = ranking.count(cut)
    st.markdown(_told(ranking, cut, count))
    _render_line(view, ranking, count)
    counts = ranking.counts()
    first = max(0, sum(rows < count for rows in counts.values()) - _COUNTS // 2)
    near = list(counts.items())[first : first + _COUNTS]
    st.caption(" · ".join(f"≥\u00a0{cosine:.2f}:\u00a0{rows:,}" for cosine, rows in near))
    return None


def _render_line(view: ProjectView, ranking: Ranking, count: int) -> None:
    """The last rows that are selected, and the first that are not."""
    assert view.pool is not None
    near = slice(max(0, count - _SIDE), count + _SIDE)
    page = view.pool.page(ranking.rows[near])
    places = range(near.start, near.start + len(page))
    table = pd.DataFrame(
        {
            "in": [place < count for place in places],
            "cosine": ranking.cosines[near],
            "text": [shortened(str(prompt), _TEXT) for prompt in page["prompt"]],
        }
    )
    st.dataframe(
        table,
        column_config={
            "in": st.column_config.CheckboxColumn("in", width=35),
            "cosine": st.column_config.NumberColumn("cosine", format="%.3f", width=65),
            "text": st.column_config.TextColumn("at the line", width=_WIDTH - 105),
        },
        hide_index=True,
        height="content",
        alt="The last rows that are selected and the first that are not, with their cosines",
    )


def _told(ranking: Ranking, cut: Cut, count: int) -> str:
    if not count:
        highest = f"; the highest is {ranking.cosines[0]:.3f}" if len(ranking.cosines) else ""
        return f"No other row has a cosine of {cut.cosine or 0:.2f} or more{highest}."
    said = f"**{count:,} row{'s' * (count != 1)}**, down to cosine {ranking.cosines[count - 1]:.3f}"
    if cut.cosine is None or cut.rows is None:
        return said
    return f"{said}; {ranking.above(cut.cosine):,} have {cut.cosine:.2f} or more"


def _words(cut: Cut) -> str:
    if cut.cosine is None:
        return f"{cut.rows:,} nearest"
    return f"Cosine ≥ {cut.cosine:.2f}" + (f", {cut.rows:,} at most" if cut.rows else "")


def _ranking(view: ProjectView, found: Ranked, wait: float) -> Ranking | Task:
    """The rows ranked by the features and decisions of now, or the task that ranks them anew."""
    made = ranked_by(view)
    if found.made == made:
        return found.ranking
    features, points, clusters = view.features, view.layout, view.clusters
    assert features is not None and points is not None and clusters is not None
    step, before, gone = found.step, found.before, found.of_dropped
    start = Found(before.rows, before.cosines) if before else Found(np.empty(0, np.int64))

    def work(task: Task) -> Ranking | None:
        encoder = loaded_encoder(features, task) if step.kind == "meaning" else None
        return follow_steps(
            view.seen, [step], points, clusters, dropped=gone, start=start, pool=view.pool,
            encoder=encoder, progress=task.progress,
        ).ranking  # fmt: skip

    of = (step.op, step.kind, step.value, hashlib.sha256(start.rows.tobytes()).hexdigest(), gone)
    key = ("ranking", str(view.project.root), *made, *of)
    task = desk().ask((session_id(), "ranking"), key, work, wait=wait, urgent=True)
    again: Ranking | None = result_of(task)
    if again is None:
        return task
    desk().forget(key)  # the session has it now
    put_ranked(view, replace(found, ranking=again, made=made))
    return again


def _show(cut: Cut) -> None:
    """Set the widgets to a cut."""
    st.session_state[_SHOWN] = cut
    st.session_state[_BY] = _NUMBER if cut.cosine is None else _FLOOR
    if cut.cosine is None:
        st.session_state[_ROWS] = cut.rows
    else:
        st.session_state[_COSINE], st.session_state[_MOST] = cut.cosine, cut.rows


def _turn(view: ProjectView) -> None:
    """Go on from where the line stands."""
    found = ranked(view)
    ranking = found.ranking if found else None
    if found is not None:
        with contextlib.suppress(WinnowError):  # which the cut meets again, and says
            now = _ranking(view, found, _WAIT_SECONDS)
            ranking = now if isinstance(now, Ranking) else ranking
    if found and ranking and (count := ranking.count(found.step.cut)):
        if st.session_state[_BY] == _NUMBER:
            st.session_state[_ROWS] = count
        else:
            last = float(ranking.cosines[count - 1])
            st.session_state[_COSINE] = max(-1.0, math.floor(100 * last) / 100)
            st.session_state[_MOST] = None
    _moved(view)


def _moved(view: ProjectView) -> None:
    """Follow a widget."""
    _move(view, _WAIT_SECONDS)


def _move(view: ProjectView, wait: float) -> Task | None:
    """Select what the widgets say now, or as soon as the task that is returned is done."""
    found, cut = ranked(view), wanted_cut()
    if found is None:
        return None
    st.session_state[_SHOWN] = cut
    st.session_state.pop(_DUE, None)
    try:
        ranking = _ranking(view, found, wait)
    except WinnowError as error:
        tell(error, failed=True)
        return None
    if isinstance(ranking, Task):
        st.session_state[_DUE] = found.step
        return ranking
    step = replace(found.step, cut=cut)
    cut_again(view, cut_at(step.kind, step.value, ranking, cut), step)
    return None
