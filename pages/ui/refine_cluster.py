"""One cluster of a refinement: its rows and scores, and what a person can do about it."""

import numpy as np
import streamlit as st

from core.decisions import decide
from core.errors import WinnowError
from core.refinement import edits
from core.refinement.history import History
from core.told import counted
from core.told_reasons import told_beside_titles
from pages.ui.mapview import cluster_step
from pages.ui.notice import attempt, made, tell, tell_decision
from pages.ui.places import place
from pages.ui.refine_state import at_rest, fixed, opened
from pages.ui.rows import render_table
from pages.ui.selection import select_rows
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_SHOWN = 4  # best rows, and worst


def render(view: ProjectView, history: History) -> None:
    """Draw the cluster that is open."""
    number = opened(history)
    if number is None:
        with st.container(border=True):
            st.caption(
                "Click a cluster, on the strip or in the list, to see its rows, the best and the "
                "worst, and to change its weight."
            )
        return
    title = history.clusters.titles[number]
    st.markdown(f"**{as_text(title)}**")
    _render_facts(view, history, number)
    _render_actions(view, history, number)
    _render_rows(view, history, number)


def _render_facts(view: ProjectView, history: History, number: int) -> None:
    scores = history.overall
    size = history.clusters.sizes[number]
    gone = int(view.decisions.dropped[history.clusters.labels == number].sum())
    facts = [
        f"weight {history.weights_now[number]:.2%}",
        f"{history.held[number]:,} of {size:,} rows drawn",
    ]
    if scores.count[number]:
        facts.append(
            f"score {scores.mean[number]:.3f} ± {scores.spread[number]:.3f} "
            f"of {scores.count[number]:,}"
        )
    if gone:
        facts.append("all dropped" if history.dropped[number] else f"{gone:,} dropped")
    st.caption(as_text(" · ".join(facts)))


def _render_actions(view: ProjectView, history: History, number: int) -> None:
    """Change its weight, drop it, go to it on the map."""
    name, why = history.plan.name, fixed(view, history)
    if history.dropped[number]:
        why = why or "No row of it is kept, so it has no weight; undo the drop to bring it back."
    elif not history.weights_now[number]:
        why = why or "It is left out of the next draw."
    report = history.report
    then = "the next round leaves them out of the subset"
    if report.round == report.rounds:
        then = "no round is left, so the subset holds those that it has"
    kept = np.flatnonzero((history.clusters.labels == number) & ~view.decisions.dropped)
    with st.container(horizontal=True, gap="xsmall"):
        for label, factor, told in (
            ("Double", 2.0, "Twice the weight for the next draw."),
            ("Halve", 0.5, "Half the weight for the next draw."),
            (
                "Leave out",
                0.0,
                "No weight: it is drawn from only where the others have too few rows.",
            ),
        ):
            st.button(
                label,
                key=f"refine-{label}",
                disabled=bool(why),
                on_click=_reweight,
                args=(view, name, number, factor, history.clusters.titles[number]),
                help=why or told,
            )
        st.button(
            "Drop",
            key="refine-drop",
            icon=":material/delete:",
            disabled=not len(kept),
            on_click=_drop,
            args=(view, history, number, kept),
            help=f"Drop its {counted(len(kept))} that are kept, as on the map; {then}. "
            "Ctrl+Z takes it back.",
        )
        if view.mapped and st.button("On the map", key="refine-map", icon=":material/map:"):
            _open_on_map(view, history, number)
    if why:
        st.caption(as_text(why))
    factor = history.factor_by_hand(number)
    if factor != 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"By hand, for the next draw: × {factor:g}", width="content")
            st.button(
                "Take back",
                key="refine-unhand",
                type="tertiary",
                disabled=not at_rest(view),
                on_click=attempt,
                args=(edits.take_back, view.project, name),
                help="All changes of weights by hand since the last draw.",
            )


def _reweight(view: ProjectView, name: str, number: int, factor: float, title: str) -> None:
    if made(edits.reweight, view.project, name, [number], factor):
        said = f"has {factor:g} times its weight" if factor else "is left out"
        tell(f"“{title}” {said} in the next draw.")


def _drop(view: ProjectView, history: History, number: int, rows: np.ndarray) -> None:
    assert view.pool is not None
    origin = f"cluster {history.clusters.titles[number]}, refining {history.plan.name}"
    try:
        state = decide(view.project, view.pool.rows, "drop", rows, origin)
    except WinnowError as error:
        tell(error, failed=True)
        return
    said = state.log[-1].sentence
    tell_decision(state, f"{said[0].upper()}{said[1:]}.")


def _open_on_map(view: ProjectView, history: History, number: int) -> None:
    rows = np.flatnonzero(history.clusters.labels == number)
    same = view.clusters is not None and view.clusters.grouping == history.clusters.grouping
    by = cluster_step(view, [number]) if same else None
    select_rows(view, rows, f"cluster {history.clusters.titles[number]}", by=by)
    st.switch_page(place("map"), query_params={"project": view.project.root.name})


def _render_rows(view: ProjectView, history: History, number: int) -> None:
    """Its rows in the subset: the best scored, and the worst."""
    drawn = history.drawn
    places = drawn.of_cluster(number)
    if not len(places):
        st.caption("No round drew a row of it yet.")
        return
    scored = places[~np.isnan(drawn.scores[places])]
    best, worst = scored[:_SHOWN], scored[_SHOWN:][-_SHOWN:][::-1]
    parts = {"Best": best, "Worst": worst} if len(scored) else {"Rows": places[:_SHOWN]}
    for label, part in parts.items():
        if not len(part):
            continue
        st.caption(label)
        assert view.pool is not None
        table = view.pool.page(drawn.rows[part])[["row", "prompt", "answer"]]
        table.insert(1, "score", drawn.scores[part])
        table.insert(2, "round", drawn.rounds[part])
        table["why"] = told_beside_titles([drawn.why[one] for one in part])
        render_table(
            view,
            table,
            key=f"refine-{label}-{history.plan.name}-{number}-{history.rounds}",
            alt=f"{label} rows of the cluster by score; a click on one opens it",
            widths={"answer": 155, "prompt": 155},
        )
