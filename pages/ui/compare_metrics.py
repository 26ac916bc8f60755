"""The metrics of runs as a table: values, differences to the first run, Random beside them."""

import streamlit as st

from core.compare import Comparison
from core.compare_table import Cell, Line, metric_table
from core.jobs import Step
from pages.ui.state import ProjectView
from pages.ui.strip import busy, start_job
from pages.ui.text import as_text

_COLORS = {"better": "green", "worse": "red", "": "gray"}


def render_metrics(view: ProjectView, found: Comparison) -> None:
    """Draw the table; what is not measured yet is measured by a job, which is started once."""
    table = metric_table(found)
    st.markdown(
        "**Metrics**",
        help="↑ higher is better, ↓ lower is better; point at a name for its definition. "
        "Random: mean ± standard deviation over five seeds, at the same budget.",
    )
    if not found.is_measured:
        _measure(view, list(found.budgets))
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


def _measure(view: ProjectView, runs: list[str]) -> None:
    """Start the job for these runs; a second time only when asked to."""
    if busy(view, "compare"):
        st.caption("Measuring the runs; the strip on top shows how far.")
        return
    asked = st.session_state.get("compare-asked") == runs
    if asked and not st.button("Measure the runs", help="Metrics are measured once and kept."):
        return
    st.session_state["compare-asked"] = runs
    if start_job(view, f"Compare {', '.join(runs)}", [Step("compare", {"runs": runs})]):
        st.rerun()
