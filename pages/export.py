"""Export: which run, in which format, what the file will look like, the recipe that replays it."""

import io
import shlex
import zipfile
from pathlib import Path

import streamlit as st

from core import jobs
from core.export import EXPORT_FORMATS, Preview, preview
from core.jobs import Step
from core.runs import Run, list_runs
from pages.ui.empty import stop_with
from pages.ui.state import ProjectView, current_view
from pages.ui.strip import busy, start_job
from pages.ui.text import as_text


def _destination(view: ProjectView, run: Run, options: dict[str, object]) -> Path:
    """A place of its own for each content: never another run's file under this run's name."""
    format_id = str(options["format"])
    switches = "".join(f"-{key}" for key in ("lossy", "with_selection") if options.get(key))
    folder = f"{run.id}-{format_id}{switches}-{run.report.rows_sha256[:8]}"
    return view.project.root / "exports" / folder / f"{run.id}{EXPORT_FORMATS[format_id].suffix}"


def _render_choice(view: ProjectView, runs: list[Run]) -> tuple[Run, dict[str, object]]:
    by_id = {run.id: run for run in runs}
    run = by_id[
        st.selectbox(
            "Run",
            list(by_id),
            format_func=lambda name: f"{name} · {by_id[name].report.selected:,} rows",
            key="run",
        )
    ]
    format_id = st.selectbox(
        "Format",
        list(EXPORT_FORMATS),
        format_func=lambda name: EXPORT_FORMATS[name].label,
        key="format",
    )
    chosen = EXPORT_FORMATS[format_id]
    st.caption(chosen.summary)
    options: dict[str, object] = {"run_id": run.id, "format": format_id}
    if chosen.as_they_came:
        options["with_selection"] = st.toggle(
            "Add probability, cluster and reason", help="As winnow_probability, … in each row."
        )
    else:
        options["lossy"] = st.toggle(
            "Drop rows that the format cannot hold",
            help="Else the first such row is named and nothing is written.",
        )
    options["out"] = str(_destination(view, run, options))
    options["overwrite"] = True  # the folder is this page's own
    return run, options


def _render_write(view: ProjectView, run: Run, options: dict[str, object], shown: Preview) -> None:
    refused = bool(shown.unfit) and not options.get("lossy")
    out = Path(str(options["out"]))
    at_work = busy(view, "export")
    label = "Writing the files …" if at_work else "Write the files"
    if st.button(
        label, type="primary", disabled=at_work or refused, width="stretch", key="write"
    ) and start_job(view, f"Export {run.id}", [Step("export", options)]):
        st.session_state["exported"] = str(out)
        st.rerun()
    if not out.exists() or at_work:
        return
    files = sorted(path for path in out.parent.rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files)
    st.success(f"{_rows_written(view, out)}{len(files)} files, {_size(size)}")
    st.code(str(out.parent), language=None, wrap_lines=True)
    st.download_button(
        "Download as a ZIP",
        data=lambda: _zip(files, out.parent),
        file_name=f"{out.parent.name}.zip",
        mime="application/zip",
        icon=":material/download:",
        width="stretch",
    )


def _rows_written(view: ProjectView, out: Path) -> str:
    """How many rows the last export to this place wrote, and left out; "" where no job says it."""
    for job in jobs.list_jobs(view.project):
        step = job.steps[-1]
        here = step.stage == "export" and step.options["out"] == str(out)
        if here and job.state.status == "done":
            rows, left_out = (job.state.reports[-1][name] for name in ("rows", "dropped"))
            said = f"{rows:,} row{'s' * (rows != 1)}"
            return f"{said} ({left_out:,} left out) in " if left_out else f"{said} in "
    return ""


def _render_preview(shown: Preview, lossy: bool) -> None:
    st.markdown(
        "**What the file will look like**",
        help="Its first rows, laid out for reading; long texts are cut here, not in the file.",
    )
    if shown.unfit:
        advice = (
            "Such rows are left out."
            if lossy
            else "Choose another format, or drop the rows that it cannot hold."
        )
        st.warning(as_text(f"{shown.unfit} {advice}"), icon=":material/info:")
    st.code(shown.text, language="json", wrap_lines=True, height=380)


def _render_recipe(run: Run) -> None:
    st.markdown(
        "**The recipe**",
        help="All that made this selection: inputs with their hashes, parameters, seeds, versions.",
    )
    st.code(run.recipe_path.read_text(encoding="utf-8"), language="yaml", height=260)
    st.caption("It goes with every export. The same rows again, or why not:")
    st.code(f"python -m core replay {shlex.quote(str(run.recipe_path))}", language="bash")


def _zip(files: list[Path], root: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(root.parent))
    return buffer.getvalue()


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:,.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"


def render() -> None:
    """Draw the page: the choice and the files on the left, what they hold on the right."""
    view = current_view()
    if view is None or view.pool is None:
        stop_with("No pool yet", "An export needs a selection.", "pool", "Load a pool")
    runs = list_runs(view.project)
    if not runs:
        stop_with(
            "No run yet",
            "Choose a subset first; then it is written in any trainer's format.",
            "select",
            "Select rows",
        )
    left, right = st.columns([0.34, 0.66], gap="large")
    with left:
        run, options = _render_choice(view, runs)
        shown = preview(view.project, run.rows, str(options["format"]), name=run.id)
        _render_write(view, run, options, shown)
    with right:
        _render_preview(shown, bool(options.get("lossy")))
        _render_recipe(run)


if __name__ == "__main__":  # a new server runs the file itself for the first address it gets
    from app import main

    main()
