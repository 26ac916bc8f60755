"""A refinement beside a draw of as many rows in one go, and Random: rounds do not always pay."""

import streamlit as st

from core.compare import Comparison
from core.jobs import Step
from core.quality import HEURISTICS, PREFIX
from core.refinement.history import History
from core.refinement.registry import SCORERS
from core.refinement.rivals import (
    STATIC_MAY_WIN,
    beside_static,
    kmq_quality,
    mean_scores,
    static_labels,
)
from core.targets import list_targets
from core.told import counted
from pages.ui.compare_metrics import Job, render_metrics
from pages.ui.compare_tables import render_changes
from pages.ui.refine_state import at_rest
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_KEPT = "refine-beside"


def render(view: ProjectView, history: History) -> None:
    """Draw metrics, sources and clusters of the refinement and of its static rivals."""
    name, rival = history.plan.name, static_labels(history.plan)[0]
    assert view.pool is not None
    by = kmq_quality(view.pool, history.plan)
    if by.startswith(PREFIX):
        by = f"the stand-in “{HEURISTICS[by.removeprefix(PREFIX)].label}”"
    st.subheader("Beside static draws and Random", anchor=False)
    st.caption(
        f"Static draws take {counted(history.report.selected)} in one go, by the first weights; "
        f"kMQ by quality, here {as_text(by)}. {STATIC_MAY_WIN}"
    )
    found, means = _comparison(view, history)
    if means:
        scorer = SCORERS[history.plan.scorer].label.lower()
        said = [f"{as_text(label or 'all rows')} {mean:.3f}" for label, mean in means.items()]
        st.markdown(f"**Mean {scorer}:** {' · '.join(said)}")
    if not found.is_measured and not at_rest(view):
        st.caption("Metrics are measured when the round is done.")
    else:
        step = Step("refine", {"action": "compare", "name": name})
        of = (name, history.report.rows_sha256)
        render_metrics(view, found, Job(f"Compare {name}", step, of))
    sources, clusters = st.columns([0.46, 0.54])
    short = {rival: "static"}
    with sources:
        render_changes("Sources", found.sources, rival, name, short)
    if found.clusters:
        with clusters:
            render_changes("Clusters", found.clusters, rival, name, short)


def _comparison(view: ProjectView, history: History) -> tuple[Comparison, dict[str, float]]:
    """The comparison as far as it is measured, and mean scores; kept once it is whole."""
    key = (
        str(view.project.root),
        history.plan.name,
        history.report.rows_sha256,
        history.rounds,
        history.plan.clusters,
        [(target.name, target.fingerprint) for target in list_targets(view.project)],
    )
    kept = st.session_state.get(_KEPT)
    if kept and kept[0] == key:
        whole: tuple[Comparison, dict[str, float]] = kept[1]
        return whole
    found = beside_static(view.project, history.plan.name, stored=True)
    if not found.is_measured:
        return found, {}
    # Once for a state: it draws the rivals again, and opens the encoder.
    means = mean_scores(view.project, history.plan.name)
    st.session_state[_KEPT] = (key, (found, means))
    return found, means
