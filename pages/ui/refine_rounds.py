"""The rounds: which rows each brought and why, from which sources, and how the loss fell."""

import streamlit as st

from core.refinement.figures import loss_curve, source_bars
from core.refinement.history import History
from core.told import counted
from core.told_reasons import told_beside_titles
from pages.ui.refine_state import theme
from pages.ui.rows import render_table
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_PAGE_ROWS = 12
_KEY = "refine-round"


def render(view: ProjectView, history: History) -> None:
    """Draw a round's rows beside sources and losses of all rounds."""
    rows, charts = st.columns([0.62, 0.38], gap="medium")
    with rows:
        _render_rows(view, history)
    with charts:
        st.markdown("**Sources by round**", help="Share of the rows that a round brought.")
        st.plotly_chart(
            source_bars(history, theme=theme()),
            config={"displayModeBar": False},
            key="refine-sources",
            alt="Share of the rows of each round by source",
        )
        if any(history.losses):
            st.markdown("**Training loss**", help="Mean over answer tokens, in nats.")
            st.plotly_chart(
                loss_curve(history.losses, theme=theme()),
                config={"displayModeBar": False},
                key="refine-losses",
                alt="Training loss by step, round after round",
            )


def _render_rows(view: ProjectView, history: History) -> None:
    assert view.pool is not None
    numbers = list(range(1, history.rounds + 1))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**What a round brought**", width="content")
        number = _choose(numbers)
    line = history.report.done[number - 1]
    said = [counted(line.rows)]
    if line.score is not None:
        said.append(f"mean score {line.score:.3f} of {line.scored:,}")
    if line.loss is not None:
        said.append(f"loss {line.loss:.3f} at its end")
    if line.lost:
        said.append(f"{counted(line.lost)} of earlier rounds left it, dropped since")
    st.caption(as_text(" · ".join(said)))
    for note in line.notes:
        st.caption(f":material/info: {as_text(note)}")
    drawn = history.drawn
    places = drawn.of_round(number)
    pages = max(1, -(-len(places) // _PAGE_ROWS))
    key = f"refine-rows-{history.plan.name}-{number}-{history.rounds}"
    start = (min(st.session_state.get(key, 1), pages) - 1) * _PAGE_ROWS
    part = places[start : start + _PAGE_ROWS]
    table = view.pool.page(drawn.rows[part])[["row", "source", "prompt"]]
    table.insert(1, "score", drawn.scores[part])
    table["why"] = told_beside_titles([drawn.why[one] for one in part])
    table["cluster"] = [history.clusters.titles[one] for one in drawn.clusters[part]]
    render_table(
        view,
        table,
        key=f"{key}-{start}",
        alt=f"Rows that round {number} brought, the best scored first; a click on one opens it",
        widths={"prompt": 270, "why": 245},
    )
    if pages > 1:
        st.pagination(pages, key=key)


def _choose(numbers: list[int]) -> int:
    """A round, the last unless another one was asked for."""
    if st.session_state.get(_KEY) not in numbers or st.session_state.get("refine-of") != numbers:
        st.session_state[_KEY] = numbers[-1]
        st.session_state["refine-of"] = numbers
    chosen = st.segmented_control(
        "Round",
        numbers,
        required=True,
        key=_KEY,
        label_visibility="collapsed",
    )
    return chosen or numbers[-1]
