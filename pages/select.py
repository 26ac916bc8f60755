"""Select: choose a rule, an aim and a budget; see at once what lights up and where it is from."""

import streamlit as st

from core.errors import WinnowError
from core.jobs import Job, Step, list_jobs
from core.runs import Run, check_run_name, delete_run, list_runs, store
from core.selection import RULES
from pages.ui import outcome, select_link
from pages.ui.background import follow
from pages.ui.empty import stop_with
from pages.ui.live import Live, Wish, preview_on_map
from pages.ui.notice import attempt, tell
from pages.ui.parameters import show_automatic
from pages.ui.places import place
from pages.ui.settings import Settings, render_settings
from pages.ui.stage import Stage, is_as_put, render_stage
from pages.ui.state import ProjectView, current_view
from pages.ui.strip import busy, start_job
from pages.ui.text import as_text
from pages.ui.tradeoff_chart import limits_in_words

_ROWS, _TARGETS = "Chosen rows, and why", "What each target found"  # tables
_JOB = "select-job"  # in session state: the id of the one whose run is waited for
_LIVE = ""  # what is shown when it is no stored run


def _made_with(run: Run) -> str:
    """What a stored run was made with, in a line."""
    report, settings = run.report, run.report.settings
    weight = settings.get("diversity_weight")
    said = [
        RULES[report.method].label if report.method in RULES else report.method,
        f"like {as_text(report.target)}" if report.target else "",
        f"diversity weight {weight:.2f}" if weight is not None else "",
        f"{settings['exchanged']:,} rows exchanged to obey constraints"
        if settings.get("exchanged")
        else "",
        f"seed {report.seed}" if report.seed is not None else "",
    ]
    return " · ".join(filter(None, said))


def _render_keep(view: ProjectView, settings: Settings, found: Live) -> None:
    """The one button: it stores what is seen, or works it out where that takes longer."""
    at_work = busy(view, "select")
    with st.container(horizontal=True):
        name = st.text_input(
            "Name of the run",
            placeholder="Name (optional)",
            max_chars=64,
            help="Letters, digits, dots, dashes and underscores; empty: method and number.",
            label_visibility="collapsed",
            key="run_name",
            persist_state="session",
        )
        if settings.live:
            st.button(
                "Save run",
                type="primary",
                disabled=not found.current,
                on_click=_save,
                args=(view, name),
                help="Keeps exactly these rows, with the recipe that gives them again.",
            )
            return
        clicked = st.button(
            "Selecting rows …" if at_work else "Select rows",
            type="primary",
            disabled=at_work or bool(settings.missing),
        )
    if not settings.missing:
        st.caption(f"{settings.rule.label} takes longer: its rows show when the job is done.")
    if clicked and _is_free(view, name):
        options = settings.request | ({"name": name} if name else {})
        job = start_job(view, f"Select with {settings.rule.label}", [Step("select", options)])
        if job:
            st.session_state[_JOB] = job.id
            st.rerun()


def _is_free(view: ProjectView, name: str) -> bool:
    """Whether a run can have this name; says why not."""
    try:
        if name:
            check_run_name(view.project, name)
    except WinnowError as error:
        st.error(as_text(error), icon=":material/error:")
        return False
    return True


def _save(view: ProjectView, name: str) -> None:
    preview = preview_on_map(view)  # the handle may have moved since the page was drawn
    if preview is None or not is_as_put(preview.settings):
        tell("The rows of these settings are not there yet: save them once they are.", failed=True)
        return
    st.session_state["asked"] = repr(preview.settings.request)
    try:
        report = store(
            preview.setup, preview.selection, preview.settings.parameters, name=name or None
        )
    except WinnowError as error:
        tell(error, failed=True)
        return
    st.session_state["shown"] = report.run
    st.session_state["run"] = report.run  # the Export page begins with it
    st.session_state["run_name"] = ""
    tell(f"Saved as {report.run}.")


def _choose_shown(view: ProjectView, settings: Settings) -> Run | None:
    """What is looked at: the settings as they stand, or a stored run."""
    brought = _brought(view)  # before the runs are listed: its own is among them
    runs = list_runs(view.project)
    options = [_LIVE, *(run.id for run in runs)]
    asked = repr(settings.request)
    if st.session_state.setdefault("asked", asked) != asked:
        st.session_state["asked"] = asked  # a setting was moved: show what it does
        st.session_state["shown"] = options[0]
    if brought:
        st.session_state["shown"] = brought
    if st.session_state.get("shown") not in options:
        st.session_state["shown"] = options[0]
    not_stored = "These settings, not saved" if settings.live else "These settings, no rows yet"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Shown",
            options,
            format_func=lambda run: run or not_stored,
            key="shown",
            persist_state="session",
        )
        if chosen:
            with st.popover(
                "", icon=":material/delete:", help="Delete this run", key="delete-menu"
            ):
                st.write(f"Delete {as_text(chosen)} and its recipe? Exports stay.")
                st.button(
                    "Delete the run",
                    type="primary",
                    key="delete-run",
                    on_click=attempt,
                    args=(delete_run, view.project, chosen),
                )
    return next((run for run in runs if run.id == chosen), None)


def _brought(view: ProjectView) -> str | None:
    """The run of the job that this page waits for, once, when it is there."""
    if st.session_state.get(_JOB) == "":
        return None
    known = list_jobs(view.project)
    if _JOB not in st.session_state:  # a new window, or a reload in mid-job
        st.session_state[_JOB] = next((job.id for job in known if job.alive and _selects(job)), "")
    job = next((one for one in known if one.id == st.session_state[_JOB]), None)
    if job is not None and not job.alive and job.state.status != "done":  # resumed, it is another
        job = next(one for one in known if one.steps == job.steps)
        st.session_state[_JOB] = job.id
    if job is not None and job.state.status != "done":
        return None
    st.session_state[_JOB] = ""
    return str(job.state.reports[-1]["run"]) if job else None


def _selects(job: Job) -> bool:
    return job.steps[0].stage == "select"


def _render_limits(view: ProjectView, settings: Settings, found: Live) -> None:
    """What weight and budget leave each other, and the near-duplicate pairs.

    Both keep their place while they are worked out, so that nothing below them jumps.
    """
    if not settings.has_path or settings.missing:
        return
    said, preview = "Working out what is in reach …", found.preview
    if preview is not None and preview.limits is not None:
        said = limits_in_words(preview)
    st.caption(said if found.current else f":material/hourglass_top: {said}")
    line = settings.parameters.get("duplicate_cosine")
    if line is None:
        return
    title = f"What a cosine of {line:.2f} means"
    with st.popover(title, width="stretch", key="pairs", disabled=found.near is None):
        if found.near is not None:
            outcome.render_pairs(view, found.near.pairs, line)


def _render_tables(
    view: ProjectView, settings: Settings, shown: outcome.Outcome, found: Live, is_live: bool
) -> None:
    """The chosen rows, and what each target found; the one that is open."""
    target = settings.options.get("target")
    names = [_ROWS, *([_TARGETS] if target and settings.has_path and is_live else [])]
    tabs = st.tabs(names, key="select-tables", on_change="rerun")
    with tabs[0]:
        if tabs[0].open:
            outcome.render_chosen(view, shown)
    if len(tabs) > 1 and tabs[1].open and target:
        with tabs[1]:
            if found.near is None and found.error is None:
                st.caption(":material/hourglass_top: Looking at each target …")
            elif found.near is not None:
                outcome.render_coverage(view, target, found.near.coverage)


def _render_result(view: ProjectView, run: Run | None, shown: outcome.Outcome | None) -> None:
    if run is not None:
        st.caption(_made_with(run))
    if shown is not None:
        outcome.render_numbers(shown)
        outcome.render_sources(view, shown)
    if run is not None:
        st.page_link(
            place("compare"),
            label="Metrics, beside Random and other runs",
            icon=":material/compare:",
        )


def render() -> None:
    """Draw the page: the settings, the map, and what is selected."""
    view = current_view()
    if view is None or view.pool is None:
        stop_with("No pool yet", "A selection needs rows to choose from.", "pool", "Load a pool")
    select_link.restore(view)
    controls, canvas, result = st.columns([0.24, 0.46, 0.30], gap="medium")
    with controls:
        asked, answer, more = st.container(), st.container(), st.container()
        with asked:
            settings = render_settings(view, more)
        select_link.write(settings)
        wish = Wish(view, settings)
        found = wish.rows()
    if found.current and found.preview is not None and found.preview.automatic:
        weight = found.preview.selection.settings["diversity_weight"]
        show_automatic(settings.rule, "diversity_weight", weight)
    shown = None
    with result:
        run = _choose_shown(view, settings)
        if run is not None:
            shown = outcome.of_run(view, run)
        elif found.preview is not None:
            shown = outcome.of_preview(view, found.preview)
    stage = Stage(view, settings, wish, run, shown, found)
    with canvas:
        render_stage(stage)
    found, is_live = stage.found, stage.is_live
    with answer:
        if found.error is not None:
            st.error(as_text(found.error), icon=":material/error:")
        if found.error is None or found.current:
            _render_limits(view, settings, found)
    with result:
        if run is None or not settings.live:
            _render_keep(view, settings, found)
        still = found.waiting or found.error is None
        if run is None and not settings.missing and settings.live and still:
            follow(list(found.waiting), "Rest of the curve: " if found.current else "")
        elif run is not None and is_live and found.waiting:
            follow(list(found.waiting), "Rest of the curve: ")
        _render_result(view, run, shown)
    if shown is not None:
        _render_tables(view, settings, shown, found, is_live)


if __name__ == "__main__":  # a new server runs the file itself for the first address it gets
    from app import main

    main()
