"""How a refinement stands, and what moves it on: a step, all rounds, a pause, a way back."""

import re
import tempfile
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core import jobs
from core.errors import WinnowError
from core.jobs import Job
from core.project import atomic_file
from core.refinement import edits
from core.refinement.at_work import at_work, finished_rounds
from core.refinement.figures import loss_curve
from core.refinement.history import History
from core.refinement.loop import check_file
from core.refinement.registry import SCORERS, TRAINERS
from core.told import counted
from pages.ui import refine_state
from pages.ui.notice import attempt, made, tell
from pages.ui.places import place
from pages.ui.refine_state import at_rest, job_of, show, theme
from pages.ui.state import ProjectView
from pages.ui.strip import writer
from pages.ui.text import as_text

_POLL_SECONDS = 1.0
_LIVE_HEIGHT = 150
_FILES = ["csv", "tsv", "json", "jsonl", "parquet"]


def render(view: ProjectView, history: History) -> None:
    """Draw how it stands; while a round is at work, what comes of it."""
    report, name = history.report, history.plan.name
    job = job_of(view, name)
    working = _alive(job)
    _render_state(history, working)
    if working is not None:
        _watch(view, name)
    elif report.state == "waiting":
        _render_waiting(view, history)
    elif report.state == "unfinished":
        _render_unfinished(history, job)


def _alive(job: Job | None) -> Job | None:
    return job if job is not None and job.alive else None


def render_buttons(view: ProjectView, history: History) -> None:
    """Draw what moves it on, takes it back, copies and removes it."""
    report, name = history.report, history.plan.name
    working = _alive(job_of(view, name))
    other = writer(view)
    held = f"“{as_text(other.title)}” is at work." if other else ""
    # What waits goes on with a file; a step would find it waiting still.
    stuck = held or {
        "waiting": "The round waits for a file.",
        "finished": "All rounds are done: to go on, roll back, or branch from an earlier one.",
    }.get(report.state, "")
    number = report.round + 1
    st.button(
        "Step",
        type="primary",
        icon=":material/skip_next:",
        disabled=bool(stuck),
        on_click=refine_state.start,
        args=(view, name, "step", f"Refine {name}, round {number}"),
        help=stuck or f"Do round {number}.",
    )
    st.button(
        "Run all",
        icon=":material/fast_forward:",
        disabled=bool(stuck),
        on_click=refine_state.start,
        args=(view, name, "run", f"Refine {name}"),
        help=stuck or "Do all rounds that are left.",
    )
    st.button(
        "Pause",
        icon=":material/pause:",
        disabled=working is None,
        on_click=_pause,
        args=(working,),
        help="What a stage has finished is kept; the next step goes on with it."
        if working
        else "Nothing is at work.",
    )
    _render_rollback(view, history, held)
    _render_branch(view, history, held)
    render_delete(view, name, held)
    st.button("New", icon=":material/add:", on_click=show, args=(refine_state.NEW,))
    if report.round:  # it is a run from then on
        if st.button("Compare", icon=":material/compare:", type="tertiary"):
            st.session_state["compare-runs"] = [name]
            st.switch_page(place("compare"), query_params={"project": view.project.root.name})
        if st.button("Export", icon=":material/file_export:", type="tertiary"):
            st.session_state["run"] = name
            st.switch_page(place("export"), query_params={"project": view.project.root.name})


def _pause(job: Job | None) -> None:
    if job is not None:
        jobs.cancel(job)
        jobs.dismiss(job)  # the page says how to go on


def _render_rollback(view: ProjectView, history: History, held: str) -> None:
    report, name = history.report, history.plan.name
    # With a round at work, its own beginning can be gone back to as well.
    last = report.round if report.state in ("waiting", "unfinished") else report.round - 1
    why = held or ("There is no round yet to go back from." if last < 0 else "")
    with st.popover("Roll back", icon=":material/history:", disabled=bool(why), help=why or None):
        if last < 0:
            return
        number = st.selectbox(
            "To the end of",
            range(last, -1, -1),
            format_func=lambda one: f"round {one}" if one else "the start, without a round",
            key=f"rollback-{name}-{report.round}",
        )
        gone = report.round - number
        st.caption(
            f"{f'{gone} finished round' + 's' * (gone > 1) if gone else 'The round at work'} and "
            "changes of weights since are removed. Decisions stay; a branch keeps what there is."
        )
        st.button(
            "Roll back",
            type="primary",
            key="rollback",
            on_click=attempt,
            args=(edits.rollback, view.project, name, number),
        )


def _render_branch(view: ProjectView, history: History, held: str) -> None:
    report, name = history.report, history.plan.name
    with st.popover(
        "Branch",
        icon=":material/fork_right:",
        disabled=bool(held),
        help=held or None,
        key=f"branch-menu-{name}",  # another one for the branch: it begins closed
    ):
        new = st.text_input("Name", f"{name}-branch"[:64], max_chars=64, key=f"branch-name-{name}")
        number = st.selectbox(
            "With the rounds up to",
            range(report.round, -1, -1),
            format_func=lambda one: f"round {one}" if one else "the start, without a round",
            key=f"branch-round-{name}-{report.round}",
        )
        st.button(
            "Branch",
            type="primary",
            key="branch",
            on_click=_branch,
            args=(view, name, new, number),
            help="A copy that goes its own way from there; this one stays.",
        )


def _branch(view: ProjectView, name: str, new: str, number: int) -> None:
    if made(edits.branch, view.project, name, new, number):
        show(new)
        tell(f"{new} is a branch of {name}.")


def render_delete(view: ProjectView, name: str, held: str = "") -> None:
    """Draw the way to remove a refinement; `held` says why that is not possible now, if so."""
    with st.popover(
        "",
        icon=":material/delete:",
        help=held or "Delete this refinement",
        key="refine-delete-menu",
        disabled=bool(held),
    ):
        st.write(f"Delete {as_text(name)}, its rounds and its run? Branches and exports stay.")
        st.button(
            "Delete the refinement",
            type="primary",
            key="refine-delete",
            on_click=attempt,
            args=(edits.delete, view.project, name),
        )


def _render_state(history: History, working: Job | None) -> None:
    report, plan = history.report, history.plan
    parts = [
        f"**{report.round} of {report.rounds} rounds** done",
        f"**{report.selected:,}** of {counted(report.budget)}",
    ]
    if working is not None:
        parts.append("at work")
    trainer, scorer = (
        kinds[one].label if one in kinds else one
        for kinds, one in ((TRAINERS, plan.trainer), (SCORERS, plan.scorer))
    )
    by = "scores from a file" if plan.scorer == "import" else f"scored by {scorer.lower()}"
    how = [by, f"{plan.within} within clusters", plan.update]
    if plan.trainer != "none":
        how.insert(0, f"trained: {trainer.lower()}")
    st.markdown(f"{' · '.join(parts)} · :gray[{as_text(' · '.join(how))} · seed {plan.seed}]")


def _watch(view: ProjectView, name: str) -> None:
    """Show the losses and the log of the round at work; run the page again when a round ends."""
    rounds = finished_rounds(view.project, name)

    @st.fragment(run_every=_POLL_SECONDS)
    def watch() -> None:
        try:
            if finished_rounds(view.project, name) != rounds:
                st.rerun()
            now = at_work(view.project, name)
        except WinnowError:  # a round ends at this moment
            return
        if now is None or not (now.losses or now.log):
            return
        with st.container(border=True):
            if now.losses:
                st.caption(f"Training loss of round {now.number}, {counted(now.rows)}")
                curve = loss_curve([now.losses], theme=theme(), first=now.number)
                st.plotly_chart(
                    curve.update_layout(height=_LIVE_HEIGHT),
                    config={"displayModeBar": False},
                    key="refine-live-loss",
                    alt=f"Training loss of round {now.number} so far",
                )
            if now.log:
                st.caption(f"What the command of round {now.number} prints")
                st.code(now.log, language=None, height=220)

    watch()


def _render_unfinished(history: History, job: Job | None) -> None:
    """What stopped a round, and the way on."""
    number = history.report.round + 1
    why = f"Round {number} was stopped."
    if job is not None and job.state.status in ("failed", "died") and job.state.error:
        why = f"Round {number} failed: {job.state.error}"
        if not jobs.is_dismissed(job):
            why = f"Round {number} failed, as said above."
    st.warning(
        f"{as_text(why)} Step tries it again with the same rows; Roll back gives them up.",
        icon=":material/info:",
    )


def _render_waiting(view: ProjectView, history: History) -> None:
    """What the round waits for: a file to work from, and a place for what comes of it."""
    report, name = history.report, history.plan.name
    with st.container(border=True):
        said = re.sub(r" with `[^`]*`", " here", report.waiting)
        if report.file:
            said = said.replace(report.file, "the file")
        st.markdown(f"**Round {report.round + 1} waits.** {as_text(said)}")
        file = Path(report.file) if report.file else None
        if file is not None and file.is_file():
            st.download_button(
                "The rows of the round",
                data=file.read_bytes,
                file_name=f"{name}-round-{report.round + 1}{file.suffix}",
                icon=":material/download:",
                help="JSON Lines: row, cluster, prompt, answer, messages.",
            )
        upload = st.file_uploader(
            "Scores or generations",
            type=_FILES,
            key=f"bring-{name}-{report.round}",
            help="A table of row and score, or of row and generation, for each row of the round.",
        )
        if upload is None:
            return
        found, wrong = _look(view, name, upload)
        if wrong:
            st.error(as_text(wrong), icon=":material/error:")
        else:
            st.caption(as_text(found))
        if st.button(
            "Go on with it",
            type="primary",
            disabled=bool(wrong) or not at_rest(view),
            key="bring",
        ):
            place_of = view.project.inputs_dir / (
                f"{name}-round-{report.round + 1}{Path(upload.name).suffix.lower()}"
            )
            place_of.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(place_of) as temporary:
                temporary.write_bytes(upload.getvalue())
            title = f"Refine {name}, round {report.round + 1}"
            refine_state.start(view, name, "score", title, file=str(place_of))
            st.rerun()


def _look(view: ProjectView, name: str, upload: UploadedFile) -> tuple[str, str]:
    """What a file holds for the round that waits, or what is wrong with it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{Path(upload.name).suffix.lower()}"
        path.write_bytes(upload.getvalue())
        try:
            found = check_file(view.project, name, path)
        except WinnowError as error:
            return "", str(error).replace(str(path), upload.name)
    if found.scores is not None:
        low, high = found.scores.min(), found.scores.max()
        return (
            f"A score for each of {counted(len(found.scores))}, from {low:.4g} to {high:.4g}.",
            "",
        )
    return f"A generation for each of {counted(len(found.generations or ()))}.", ""
