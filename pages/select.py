"""Select: choose a rule, an aim and a budget; see what lights up and where it comes from."""

import streamlit as st

from core.jobs import Step
from core.pool import Pool
from core.runs import Run, delete_run, list_runs
from core.selection import RULES, Rule
from core.sources import source_shares
from core.targets import list_targets
from pages.ui import targets
from pages.ui.empty import stop_with
from pages.ui.mapview import render_run_map
from pages.ui.parameters import render_parameters
from pages.ui.rows import render_table
from pages.ui.state import ProjectView, current_view
from pages.ui.strip import busy, start_job
from pages.ui.text import as_text

_PAGE_ROWS = 12
_MAP_HEIGHT = 560


def _render_controls(view: ProjectView) -> None:
    assert view.pool is not None
    st.session_state.setdefault("method", _best_method(view))
    method = st.selectbox("Method", list(RULES), format_func=lambda m: RULES[m].label, key="method")
    rule: Rule = RULES[method]
    st.caption(rule.summary)
    options: dict[str, object] = {"method": rule.id}
    ready = True
    if rule.needs_target:
        options["target"] = targets.render_choice(view)
        ready = options["target"] is not None
    budget = _choose_budget(view.pool.rows)
    kept = len(view.decisions.candidates)
    st.caption(f"{budget:,} rows of {kept:,} that are kept")
    if rule.needs_quality:
        options["quality"] = _choose_quality(view.pool)
        ready = ready and options["quality"] is not None
    if rule.needs_strata:
        options["by"] = st.selectbox(
            "Groups",
            ["source", *(name for name in view.pool.columns() if name != "source")],
            help="The column whose values group the rows; at most 1,000 different ones.",
            key="by",
        )
    options |= render_parameters(rule, simple=True)
    with st.expander("More settings"):
        options |= render_parameters(rule, simple=False)
        options["seed"] = st.number_input(
            "Seed",
            0,
            2**31 - 1,
            0,
            help="The same seed and settings give the same rows.",
            key="seed",
        )
        name = st.text_input("Name of the run", placeholder="method and number", key="run_name")
    options["budget"] = budget
    if name:
        options["name"] = name
    if budget > kept:
        st.warning(f"Only {kept:,} rows are kept; lower the ratio.")
    at_work = busy(view, "select")
    label = "Selecting rows …" if at_work else "Select rows"
    if not ready:
        missing = "a target set" if rule.needs_target else "a quality column"
        st.caption(f"{rule.label} needs {missing}: choose one above.")
    if st.button(
        label, type="primary", width="stretch", disabled=at_work or not ready or budget > kept
    ) and start_job(view, f"Select with {rule.label}", [Step("select", options)]):
        st.session_state["run_expected"] = True
        st.rerun()


def _choose_budget(rows: int) -> int:
    """A share of the pool by the slider, or a number of rows."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ratio = st.slider(
            "Selection ratio",
            0.1,
            100.0,
            5.0,
            0.1,
            format="%.1f %%",
            key="ratio",
            help="Share of the whole pool; the number of rows is exact.",
        )
        exact = st.number_input(
            "Rows",
            1,
            rows,
            None,
            placeholder="by ratio",
            width=90,
            key="budget",
            help="An exact number, in place of the ratio.",
        )
    return exact or max(1, round(ratio / 100 * rows))


def _choose_quality(pool: Pool) -> str | None:
    columns = pool.number_columns()
    mapped = pool.quality_column()
    chosen = st.selectbox(
        "Quality column",
        columns,
        index=columns.index(mapped) if mapped in columns else None,
        placeholder="Choose a column" if columns else "No column holds numbers",
        disabled=not columns,
        help="Numbers, 0 or more; higher is better.",
        key="quality",
    )
    if not columns:
        st.caption("This method needs a column of scores; read a pool that has one.")
    return chosen


def _best_method(view: ProjectView) -> str:
    """The rule to begin with: what the project is ready for."""
    if list_targets(view.project):
        return "tsds-kde"
    return "kmeans-random" if view.mapped else "random"


def _choose_run(view: ProjectView, runs: list[Run]) -> Run:
    """The run in view: the newest as soon as it is there, else what was chosen."""
    ids = [run.id for run in runs]
    newest_known = st.session_state.get("newest_run")
    if st.session_state.get("run") not in ids or newest_known != ids[0]:
        st.session_state["run"] = ids[0]
    st.session_state["newest_run"] = ids[0]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Run", ids, key="run")
        with st.popover("", icon=":material/delete:", help="Delete this run", key="delete-menu"):
            st.write(f"Delete {as_text(chosen)} and its recipe? Exports stay.")
            if st.button("Delete the run", type="primary", key="delete-run"):
                delete_run(view.project, chosen)
                st.rerun()
    return next(run for run in runs if run.id == chosen)


def _render_result(view: ProjectView, run: Run) -> None:
    pool = view.pool
    assert pool is not None
    report = run.report
    with st.container(horizontal=True):
        st.metric("Selected", f"{report.selected:,}", help="Different rows; exactly the budget.")
        st.metric(
            "In reach",
            f"{report.support:,}",
            help="Rows with a probability above zero (the support).",
        )
    for note in report.notes:
        st.warning(as_text(note), icon=":material/info:")
    sources = pool.sources()
    shares = source_shares(
        sources.codes,
        sources.names,
        run.rows,
        view.decisions.candidates,
        view.decisions.pinned_rows,
    )
    st.markdown(
        "**Where the rows come from**",
        help="Share of each source in this selection, in the whole pool, and in Random at the same "
        "budget (mean of 5 seeds ± standard deviation).",
    )
    st.dataframe(
        [
            {
                "source": share.name,
                "selected": 100 * share.share,
                "pool": 100 * share.pool,
                "random": f"{100 * share.random:.1f} ± {100 * share.random_spread:.1f}",
            }
            for share in shares
        ],
        column_config={
            "source": st.column_config.TextColumn("source", width=95),
            "selected": st.column_config.ProgressColumn(
                "selected %", format="%.1f", min_value=0, max_value=100, width=110
            ),
            "pool": st.column_config.NumberColumn("pool %", format="%.1f", width=55),
            "random": st.column_config.TextColumn("Random %", width=85),
        },
        hide_index=True,
        height=min(38 + 34 * len(shares), 430),
        alt="Sources of the selection beside those of the pool and of Random",
    )


def _render_chosen(view: ProjectView, run: Run) -> None:
    pool = view.pool
    assert pool is not None
    st.markdown("**Chosen rows, and why**")
    table = run.table
    pages = -(-table.num_rows // _PAGE_ROWS)
    key = f"chosen-page-{run.id}-{run.report.rows_sha256[:8]}"
    start = (st.session_state.get(key, 1) - 1) * _PAGE_ROWS
    # Likeliest first: the rows that the rule wanted most.
    order = (-table["probability"].combine_chunks().to_numpy()).argsort(kind="stable")
    part = table.take(order[start : start + _PAGE_ROWS])
    shown = pool.page(part["row"].to_pylist())[["row", "source", "prompt"]]
    shown["why"] = part["why"].to_pylist()
    render_table(
        view,
        shown,
        key=f"{key}-{start}",
        alt="Chosen rows with the reason for each; a click on one opens it",
    )
    if pages > 1:
        st.pagination(pages, key=key)


def render() -> None:
    """Draw the page: the settings, the map and the result of the run in view."""
    view = current_view()
    if view is None or view.pool is None:
        stop_with("No pool yet", "A selection needs rows to choose from.", "pool", "Load a pool")
    controls, canvas, result = st.columns([0.22, 0.48, 0.30], gap="medium")
    with controls:
        _render_controls(view)
    runs = list_runs(view.project)
    run = None
    with result:
        if runs:
            run = _choose_run(view, runs)
            _render_result(view, run)
        else:
            st.markdown("**No run yet**")
            st.caption("Choose a method on the left and press Select rows: the map lights up.")
    with canvas:
        if view.mapped:
            render_run_map(view, run, _MAP_HEIGHT)
        else:
            st.caption("There is no map yet; build it on the Pool page to see where the rows lie.")
    if run is not None:
        _render_chosen(view, run)


if __name__ == "__main__":  # a new server runs the file itself for the first address it gets
    from app import main

    main()
