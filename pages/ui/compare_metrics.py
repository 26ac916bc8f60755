"""The metrics of runs as a table: values, differences to the first run, Random beside them."""

from collections.abc import Hashable
from dataclasses import dataclass

import streamlit as st

from core.compare import Comparison
from core.compare_table import Cell, Line, metric_table
from core.jobs import Step, list_jobs
from pages.ui.state import ProjectView
from pages.ui.strip import start_job
from pages.ui.text import as_text

_RECENT_JOBS = 5  # older ones cannot be at work
_COLORS = {"better": "green", "worse": "red", "": "gray"}


@dataclass(frozen=True)
class Job:
    """What measures: its title, its step, and what it is started for once."""

    title: str
    step: Step
    of: Hashable


def render_metrics(view: ProjectView, found: Comparison, job: Job | None = None) -> None:
    """Draw the table; what is not measured yet is measured by a job, which is started once.

    Parameters
    ----------
    job : default: the one that measures runs of these names.
    """
    table = metric_table(found)
    st.markdown(
        "**Metrics**",
        help="↑ higher is better, ↓ lower is better; point at a name for its definition. "
        "Random: mean ± standard deviation over five seeds, at the same budget.",
    )
    if not found.is_measured:
        _measure(view, job or _of_runs(list(found.budgets)))
    if not table.lines:
        return
    base = next(iter(found.budgets))
    if base in table.runs and len(table.runs) > 1:
        st.caption(f"Differences are to {as_text(base)}.")
    widths = [1.5, *(1.0 for _ in table.runs), *(1.0 for _ in table.random)]
    with st.container(gap="xxsmall"):
        head = st.columns(widths)
        for place, name in zip(head[1:], (*table.runs, *table.random), strict=True):
            place.markdown(f"**{as_text(name)}**")
        for line in table.lines:
            _render_line(line, widths)


def _render_line(line: Line, widths: list[float]) -> None:
    label, *places = st.columns(widths)
    metric = line.metric
    label.markdown(
        as_text(line.label),
        help=f"{as_text(metric.definition)} Range: {as_text(metric.range)}.",
    )
    for place, text in zip(
        places, [*map(_cell, line.cells), *map(_of_random, line.random)], strict=True
    ):
        place.markdown(text or "–")


def _cell(cell: Cell) -> str:
    parts = [as_text(cell.text)]
    if cell.delta:
        parts.append(f":{_COLORS[cell.verdict]}[{as_text(cell.delta)}]")
    if cell.count:
        parts.append(f":gray[{as_text(cell.count)}]")
    return " ".join(parts)


def _of_random(text: str) -> str:
    return f":gray[{as_text(text)}]" if text else ""


def _of_runs(runs: list[str]) -> Job:
    return Job(f"Compare {', '.join(runs)}", Step("compare", {"runs": runs}), tuple(runs))


def _measure(view: ProjectView, job: Job) -> None:
    """Start the job; a second time only when asked to."""
    if _at_work(view, job.step):
        st.caption("Measuring the runs; the strip on top shows how far.")
        return
    asked = st.session_state.get("compare-asked") == job.of
    if asked and not st.button("Measure the runs", help="Metrics are measured once and kept."):
        return
    st.session_state["compare-asked"] = job.of
    if start_job(view, job.title, [job.step]):
        st.rerun()


def _at_work(view: ProjectView, step: Step) -> bool:
    """Whether a job measures, of the kind of this step."""
    kind = (step.stage, step.options.get("action"))
    return any(
        job.alive and kind == (job.steps[0].stage, job.steps[0].options.get("action"))
        for job in list_jobs(view.project, limit=_RECENT_JOBS)
    )
