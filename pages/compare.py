"""Compare: runs side by side, beside Random; where they differ, and in which rows."""

import streamlit as st

from core.compare import Comparison, compare_runs
from core.decisions import TAG_ACTIONS
from core.report import render_report
from core.runs import Run, list_runs
from core.targets import list_targets
from pages.ui.compare_maps import render_maps
from pages.ui.compare_metrics import render_metrics
from pages.ui.compare_tables import render_changes, render_overlap, render_rows
from pages.ui.empty import stop_with
from pages.ui.state import ProjectView, current_view

_MOST_RUNS = 6
_RANDOM = "Random draw"  # the space keeps it apart from any run's name


def _choose(runs: list[Run]) -> list[Run]:
    """The runs to set side by side, the first of them the one that others are measured by."""
    by_id = {run.id: run for run in runs}
    newest = [run.id for run in runs[1::-1]]
    chosen = st.session_state.get("compare-runs", newest)
    st.session_state["compare-runs"] = [name for name in chosen if name in by_id]
    names = st.multiselect(
        "Runs",
        list(by_id),
        key="compare-runs",
        max_selections=_MOST_RUNS,
        format_func=lambda name: f"{name} · {by_id[name].report.selected:,} rows",
        help="The others are set beside the first one.",
    )
    return [by_id[name] for name in names]


def _comparison(view: ProjectView, runs: list[Run]) -> Comparison:
    """The comparison as far as it is measured; a whole one is kept for the next run of the page."""
    key = (
        str(view.project.root),
        [(run.id, run.report.rows_sha256) for run in runs],
        (view.features_id, view.layout_id, view.clusters and view.clusters.fingerprint),
        [e.id for e in view.decisions.log if e.active and e.action not in TAG_ACTIONS],
        [(target.name, target.fingerprint) for target in list_targets(view.project)],
    )
    kept = st.session_state.get("comparison")
    if kept and kept[0] == key:
        return kept[1]
    found = compare_runs(view.project, [run.id for run in runs], stored=True)
    if found.is_measured:
        st.session_state["comparison"] = (key, found)
    return found


def _choose_second(found: Comparison) -> str | None:
    """The run that maps, shares and rows are shown of, beside the first; None for a single."""
    _, *others = found.budgets
    if len(others) < 2:
        return others[0] if others else None
    return st.segmented_control(
        f"Beside {next(iter(found.budgets))}",
        others,
        default=others[0],
        required=True,
        key="compare-second",
        help="Maps, shares and rows below are of this run and the first one.",
    )


def render() -> None:
    """Draw the page: which runs, their maps, metrics, shares and the rows that differ."""
    view = current_view()
    if view is None or view.pool is None:
        stop_with("No pool yet", "A comparison needs runs of a pool.", "pool", "Load a pool")
    every = list_runs(view.project)
    if not every:
        stop_with("No run yet", "Select rows in two ways, then compare.", "select", "Select rows")
    if view.features_id is None:
        stop_with("No features yet", "Metrics are measured on them.", "pool", "Build the map")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = _choose(every)
        report = st.empty()
    if not chosen:
        st.caption("Choose one or more runs.")
        return
    found = _comparison(view, chosen)
    report.download_button(
        "Report",
        data=lambda: render_report(view.project, found),
        file_name=f"{'-'.join(found.budgets)}.html"[-120:],
        mime="text/html",
        icon=":material/download:",
        disabled=not found.is_measured,
        help="All of this in one file that any browser opens, without a network.",
    )
    if len(chosen) == 1:
        st.caption("One run is set beside Random and the kept rows; choose another to compare.")
    first = chosen[0].id
    second = _choose_second(found)
    if view.mapped:
        rows = {run.id: run.rows for run in chosen if run.id in (first, second)}
        render_maps(view, rows if second else {**rows, _RANDOM: found.drawn[first]})
    else:
        st.caption("There is no map yet; build it on the Pool page to see where the rows lie.")
    render_metrics(view, found)
    if second:
        render_overlap(found)
    sources, clusters = st.columns([0.46, 0.54])
    with sources:
        render_changes("Sources", found.sources, first, second)
    if found.clusters:
        with clusters:
            render_changes("Clusters", found.clusters, first, second)
    pair = next((one for one in found.overlaps if (one.first, one.second) == (first, second)), None)
    if pair:
        render_rows(view, {run.id: run for run in chosen}, pair)


if __name__ == "__main__":  # a new server runs the file itself for the first address it gets
    from app import main

    main()
