"""Which refinement is in view, what it did so far, and which of its clusters is open."""

from typing import Any

import streamlit as st

from core import jobs
from core.errors import WinnowError
from core.jobs import Job, Step
from core.palette import Theme
from core.refinement.history import History, history_of, stamp_of
from core.refinement.names import FOLDER, refinement_names
from core.refinement.registry import PRIVATE
from core.refinement.store import open_refinement
from pages.ui.notice import tell, tell_unread
from pages.ui.state import ProjectView, is_private
from pages.ui.strip import start_job, writer

NEW = ""  # no refinement's name
_CHOSEN, _CLUSTER = "refinement", "refine-cluster"
_READ = "refine-link-read"


def choose(view: ProjectView) -> str | None:
    """Draw the choice of a refinement; None while a new one is set up."""
    names = refinement_names(view.project)
    asked = st.query_params.get("name")
    if not st.session_state.get(_READ):
        st.session_state[_READ] = True
        tell_unread([f"name={asked}"] if asked and asked not in names else [])
    if not names:
        return None
    if st.session_state.get(_CHOSEN) not in (*names, NEW):
        st.session_state[_CHOSEN] = asked if asked in names else _newest(view, names)
    name = st.selectbox(
        "Refinement",
        [*names, NEW],
        format_func=lambda one: one or "New refinement …",
        key=_CHOSEN,
        persist_state="session",
        width=220,
        label_visibility="collapsed",
    )
    if not name:
        st.query_params.pop("name", None)
    elif st.query_params.get("name") != name:
        st.query_params["name"] = name
    return name or None


def _newest(view: ProjectView, names: list[str]) -> str:
    """The refinement that something was done to last."""
    return max(names, key=lambda name: view.project.artefact(FOLDER, name).stat().st_mtime_ns)


def show(name: str) -> None:
    """Show this refinement, or the form of a new one, from the next run on; for a callback."""
    st.session_state[_CHOSEN] = name
    st.session_state.pop(_CLUSTER, None)


def history(view: ProjectView, name: str) -> History:
    """What a refinement did so far.

    Raises
    ------
    InputError
        It cannot be read, or what it was started on is gone.
    """
    return _history(str(view.project.root), name, stamp_of(view.project, name), view.log_id, view)


@st.cache_resource(max_entries=6, show_spinner=False)
def _history(root: str, name: str, stamp: str, decided: str, _view: ProjectView) -> History:
    return history_of(_view.project, name)


def opened(of: History) -> int | None:
    """The cluster that is open: the heaviest until a person opens another one, or none."""
    number = st.session_state.setdefault(_CLUSTER, int(of.weights_now.argmax()))
    return number if isinstance(number, int) and 0 <= number < len(of.weights) else None


def fixed(view: ProjectView, history: History) -> str:
    """Why no weight can be changed by hand now, in a sentence; "" where it can."""
    report = history.report
    at_work = report.state in ("waiting", "unfinished")
    if report.round + at_work >= report.rounds:
        return (
            "No round is left to draw, so weights change nothing any more: to go on, roll back, or "
            "branch from an earlier round."
        )
    other = writer(view)
    return f"“{other.title}” is at work: weights can be changed when it is done." if other else ""


def open_cluster(number: int | None) -> None:
    """Open a cluster, or none."""
    st.session_state[_CLUSTER] = number


def theme() -> Theme:
    """The colours that the page is shown in."""
    return "dark" if st.context.theme.type == "dark" else "light"


def job_of(view: ProjectView, name: str) -> Job | None:
    """The newest job of a refinement."""
    recent = jobs.list_jobs(view.project)
    return next((job for job in recent if _is_of(job, name)), None)


def _is_of(job: Job, name: str) -> bool:
    return any(
        step.stage == "refine" and step.writes and step.options.get("name") == name
        for step in job.steps
    )


def at_rest(view: ProjectView) -> bool:
    """Whether nothing that changes the project is at work in the background."""
    return writer(view) is None


def start(view: ProjectView, name: str, action: str, title: str, **options: Any) -> None:
    """Have a step, or all that are left, done in the background; for a callback."""
    try:
        plan = open_refinement(view.project, name).plan
    except WinnowError as error:
        tell(error, failed=True)
        return
    if refused(plan.trainer, plan.scorer):
        return
    start_job(view, title, [Step("refine", {"action": action, "name": name, **options})])


def refused(trainer: str, scorer: str) -> bool:
    """Whether this server is open to others and these are not for them; says so."""
    wrong = not is_private() and bool(PRIVATE & {trainer, scorer})
    if wrong:
        tell(
            "This server is open to others: it runs no commands, asks no judge and loads no models "
            "that are named.",
            failed=True,
        )
    return wrong
