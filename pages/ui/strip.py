"""The strip on top of every page: project, what is kept, undo and redo, the running job."""

from typing import Literal, cast

import streamlit as st

from core import jobs
from core.decisions import Decisions, Entry, decisions_version, redo, undo
from core.errors import WinnowError
from core.jobs import Job
from core.told import abridged
from pages.ui import errand, notice
from pages.ui.keys import spare_fields
from pages.ui.places import place
from pages.ui.state import (
    NEW_PROJECT,
    ProjectView,
    current_view,
    open_project,
    project_names,
)
from pages.ui.text import as_text, percent
from pages.ui.travel import travelled

_Way = Literal["undo", "redo"]
_PROMISED = "promised"  # in session state: the entries that the buttons undo and redo
_POLL_SECONDS = 0.7
_GLANCE_SECONDS = 1.2  # at decisions of other windows
_RECENT_JOBS = 5  # older ones cannot be at work: each project runs few at a time
_SEVERAL = ("demo", "upgrade", "refine")  # stages of several parts, each with its own progress
_NAME = 24  # characters of a refinement's name
_REGROUPING = ("cluster", "upgrade")
_OF_ONE_PROJECT = (
    *(
        "picked",
        "row-dialog",
        "selected-page",
        "set-aside",
        "find-asked",
        "find-within",
        "map-focus",
        "map-column",
    ),
    *(f"map-search-{how}" for how in ("words", "meaning", "condition")),
    *(
        "method",
        "target",
        "quality",
        "by",
        "budget",
        "run",
        "shown",
        "asked",
        "select-job",
        "preview",
        "curve",
    ),
    *("compare-runs", "compare-second", "compare-asked"),
    *("refinement", "refine-cluster", "refine-round", "refine-name", "refine-quality"),
)
STEP_TITLES = {
    "init": "Reading rows",
    "embed": "Embedding rows",
    "cluster": "Finding clusters",
    "map": "Drawing the map",
    "duplicates": "Finding near-duplicates",
    "target": "Reading the target set",
    "select": "Selecting rows",
    "quality": "Scoring rows",
    "refine": "Refining",
    "compare": "Measuring runs",
    "export": "Writing the export",
    "demo": "Building the demo",
    "upgrade": "Improving the map",
}


def render() -> None:
    """Draw the strip and choose the project that the page will show."""
    names = project_names()
    _choose(names)
    errand.settle()
    with st.container(horizontal=True, vertical_alignment="center", key="strip"):
        st.selectbox(
            "Project",
            [*names, NEW_PROJECT],
            key="project",
            label_visibility="collapsed",
            width=220,
        )
        _follow(st.session_state["project"])
        view = _take_back(current_view())
        if view and st.button("New pool", icon=":material/add:", help="Read other rows."):
            open_project(NEW_PROJECT)
            st.switch_page(place("pool"))
        if view and view.pool:
            _render_kept(view)
        errand.render()
        ended = _watch(view) if view else None
        spare_fields()
    if view and view.pool:
        _watch_decisions(view)
    if view and ended:
        _render_end(view, ended)
    if st.session_state["project"] != NEW_PROJECT:
        st.session_state["unknown"] = ""
    if st.session_state["unknown"]:
        st.warning(
            f"There is no project {as_text(st.session_state['unknown'])} here; choose another one "
            "above, or read a new pool."
        )


def go_to(project: str) -> None:
    """Show another project; for a callback, after which something is said of the one before."""
    st.session_state["project"] = project
    _follow(project)


def _follow(project: str) -> None:
    """Write the project into the address, and forget what was open in another one."""
    if project == NEW_PROJECT:
        st.query_params.pop("project", None)
    elif st.query_params.get("project") != project:
        st.query_params["project"] = project
    if st.session_state.setdefault("followed", project) != project:
        st.session_state["followed"] = project
        notice.forget()
        for key in _OF_ONE_PROJECT:
            st.session_state.pop(key, None)


def _choose(names: list[str]) -> None:
    """Set what the select box shows: what a page asked for, what it showed, or the address."""
    options = [*names, NEW_PROJECT]
    asked = st.session_state.pop("next_project", None)
    if asked in options:
        st.session_state["project"] = asked
    wanted = st.query_params.get("project", "")
    if travelled() and wanted in names:
        st.session_state["project"] = wanted
    if st.session_state.get("project") in options:
        return
    # An unknown one must not become another one, whose rows might then be dropped.
    st.session_state["unknown"] = wanted if wanted not in names else ""
    if wanted:
        st.session_state["project"] = wanted if wanted in names else NEW_PROJECT
    else:
        st.session_state["project"] = options[0]


def _render_kept(view: ProjectView) -> None:
    pool, decisions = view.pool, view.decisions
    assert pool is not None
    back, again = decisions.to_undo, decisions.to_redo
    _promise(decisions)
    edit = notice.edit_told(view)  # clusters have no log: only what was just done to them
    told = f"Take back: {_told(back)}." if back else "Take back the last decision on rows."
    st.button(
        "Undo",
        key="undo",
        icon=":material/undo:",
        shortcut="Ctrl+Z",
        disabled=errand.busy() if edit else back is None,
        on_click=notice.take_edit_back if edit else _press,
        args=() if edit else (view, "undo"),
        help=f"Take back: {as_text(edit)}" if edit else told,
    )
    if again:  # else it only takes the room that a job needs
        st.button(
            "Redo",
            key="redo",
            icon=":material/redo:",
            shortcut="Ctrl+Shift+Z",
            on_click=_press,
            args=(view, "redo"),
            help=f"Put back: {_told(again)}.",
        )
    # Behind the buttons: a longer number must not move them from under the hand.
    kept = len(decisions.candidates)
    pinned = int(decisions.pinned.sum())
    extra = f" · {pinned:,} pinned" if pinned else ""
    st.markdown(
        f"kept **{kept:,}** of {pool.rows:,} ({percent(100 * kept / pool.rows)}%){extra}",
        width="content",
    )


def _told(entry: Entry) -> str:
    """A decision in Markdown, and where it was made."""
    return as_text(f"{entry.sentence} ({entry.origin})" if entry.origin else entry.sentence)


def _promise(decisions: Decisions) -> None:
    """Keep what the buttons undo and redo."""
    steps: dict[_Way, Entry | None] = {"undo": decisions.to_undo, "redo": decisions.to_redo}
    st.session_state[_PROMISED] = {way: one.id if one else 0 for way, one in steps.items()}


def _press(view: ProjectView, way: _Way) -> None:
    """Undo or redo what the button promised."""
    _step(view, way, st.session_state[_PROMISED][way])


def _step(view: ProjectView, way: _Way, entry: int) -> None:
    """Undo or redo this entry of the log, and say what that was."""
    assert view.pool is not None
    try:
        state = (undo if way == "undo" else redo)(view.project, view.pool.rows, expected=entry)
    except WinnowError as error:  # another window was faster
        notice.tell(error, failed=True)
        return
    _promise(state)  # who presses twice before the page is drawn again means two steps
    if way == "undo":
        from pages.ui.selection import take_up  # with all that selects rows

        take_up(entry)
    said, other = ("Taken back", "redo") if way == "undo" else ("Put back", "undo")
    notice.tell_decision(state, f"{said}: {state.log[-1].what}.", cast(notice.Way, other))


def _take_back(view: ProjectView | None) -> ProjectView | None:
    """Do what the button of the notice was pressed for; return the project as it is then."""
    way = notice.pressed(view) if view else None
    if view is None or way is None:
        return view
    if way == "edit" and errand.busy():
        notice.tell(
            "An edit of the clusters is at work: undo this one when it is done.", failed=True
        )
    elif way == "edit":
        from pages.ui.cluster_actions import undo_edit  # of the Map page; the others do without

        undo_edit(view)
    else:
        decided = view.decisions
        entry = decided.to_undo if way == "undo" else decided.to_redo
        assert entry is not None  # else the notice would not stand
        _step(view, way, entry.id)
    return current_view()


def _watch(view: ProjectView) -> Job | None:
    """Show the jobs; poll while one works, and run the whole page once when it ends.

    Returns the one that ended last, unless another works.
    """
    recent = jobs.list_jobs(view.project, limit=_RECENT_JOBS)
    alive = [job.id for job in recent if job.alive]
    _tell_kept(view, [job for job in recent if job.id in st.session_state.get("alive", ())])
    st.session_state["alive"] = alive

    @st.fragment(run_every=_POLL_SECONDS if alive else None)
    def watch() -> None:
        now = jobs.list_jobs(view.project, limit=_RECENT_JOBS)
        if [job.id for job in now if job.alive] != alive:
            st.rerun()
        for job in now:
            if job.alive:
                render_progress(job)

    watch()
    return None if alive or not recent else recent[0]


def _tell_kept(view: ProjectView, watched: list[Job]) -> None:
    """Say what became of decisions and edits when a job ended that put other clusters in use."""
    for job in watched:
        if job.state.status == "done" and any(step.stage in _REGROUPING for step in job.steps):
            from pages.ui.kept import kept_over  # with all that edits clusters

            if kept := kept_over(view):
                notice.tell(f"{job.title}: done. {kept}")


def _watch_decisions(view: ProjectView) -> None:
    """Run the page again soon after rows were decided on or clusters edited in another window."""
    seen = view.decisions.log[-1].id if view.decisions.log else 0
    kind = f"clusters:{view.features_id}"
    clusters = view.project.pointer(kind)
    there = view.project.pool_dir.is_dir()

    @st.fragment(run_every=_GLANCE_SECONDS)
    def glance() -> None:
        project = view.project
        gone = project.pool_dir.is_dir() != there  # deleted elsewhere
        if gone or decisions_version(project) != seen or project.pointer(kind) != clusters:
            st.rerun()

    glance()


def render_progress(job: Job) -> None:
    """Draw a living job: what, how far, how fast, how long still, and Cancel."""
    state = job.state
    step = job.steps[min(state.step, len(job.steps) - 1)]
    number, several = job.part
    share = job.fraction
    if step.stage == "refine":  # nobody knows how long its other rounds take: that of the part
        share = min(1.0, state.done / state.total) if state.total else 0.0
    left = f"{_duration(job.seconds_left)} left" if job.seconds_left is not None else ""
    parts = [as_text(_title(step, state.what))]
    if several > 1:  # what is left is of the part, the bar of all
        parts = [f"Part {number} of {several}: {parts[0]}", left, f"{share:.0%} in all"]
    else:
        if step.stage != "refine" or state.total:
            parts[0] += f" · {share:.0%}"
        if job.rate and job.rate >= 1 and state.total and step.stage != "init":  # counts bytes
            parts.append(f"{job.rate:,.0f}/s")
        parts.append(left)
    # In the line of the strip: the page below must not move when it comes and goes.
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.progress(share, text=f":small[{' · '.join(filter(None, parts))}]", width="stretch")
        st.button("Cancel", key=f"cancel-{job.id}", on_click=jobs.cancel, args=(job,))


def _title(step: jobs.Step, what: str) -> str:
    """What a step does, for the strip."""
    if step.stage == "refine" and step.options.get("action") == "compare":
        return f"Comparing {abridged(str(step.options.get('name')), _NAME)}"
    general = STEP_TITLES.get(step.stage, what)
    at_work = step.stage in _SEVERAL and what not in ("", "starting", step.stage)
    return what.capitalize() if at_work else general


def _render_end(view: ProjectView, job: Job) -> None:
    """Say how the last job ended, until it is dismissed; a success needs no click."""
    if job.state.status == "done" or jobs.is_dismissed(job):
        return
    if job.state.status == "cancelled":
        icon, words = ":gray[:material/cancel:]", "cancelled; what was finished is kept."
    else:
        icon, words = ":red[:material/error:]", job.state.error
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"{icon} **{as_text(job.title)}**: {as_text(words)}")
        with st.popover("Log"):
            st.code(job.log() or "The log is empty.", language=None, height=300)
        if job.state.status != "failed":  # the same settings would fail again
            st.button("Resume", key=f"resume-{job.id}", on_click=_resume, args=(view, job))
        st.button("Dismiss", key=f"dismiss-{job.id}", on_click=jobs.dismiss, args=(job,))


def _resume(view: ProjectView, job: Job) -> None:
    jobs.dismiss(job)
    try:
        jobs.resume(view.project, job)
    except WinnowError as error:
        notice.tell(error, failed=True)


def busy(view: ProjectView, stage: str | None = None) -> bool:
    """Whether a job works in this project; with `stage`, one that began with it."""
    recent = jobs.list_jobs(view.project, limit=_RECENT_JOBS)
    return any(job.alive and stage in (None, job.steps[0].stage) for job in recent)


def writer(view: ProjectView) -> Job | None:
    """The job that changes what others read of this project, beside which no other may start."""
    recent = jobs.list_jobs(view.project)
    return next((job for job in recent if job.alive and job.writes), None)


def start_job(view: ProjectView, title: str, steps: list[jobs.Step]) -> Job | None:
    """Start a job for this project, or say in one sentence why not."""
    try:
        return jobs.start(view.project, title, steps)
    except WinnowError as error:
        notice.tell(error, failed=True)
        return None


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
