"""The way into Winnow: files, a path or the demo become the pool of a new project."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core import jobs
from core.errors import InputError, WinnowError
from core.jobs import Step
from core.project import Project, atomic_file
from core.records import COLUMN_ROLES, FORMATS
from pages.ui.state import NEW_PROJECT, ProjectView, open_project, project_names, projects_home
from pages.ui.strip import start_job
from pages.ui.text import as_text

_SUFFIXES = ["json", "jsonl", "csv", "tsv", "parquet", "arrow", "gz", "zst"]


def render(view: ProjectView | None) -> None:
    """Draw the form, or how the reading of a new pool goes."""
    if view is not None:
        _render_unread(view)
        return
    st.subheader("A new pool", anchor=False)
    st.caption(
        "Instruction, chat or plain-text rows: JSON, JSONL, CSV, TSV, Parquet or Arrow, plain or "
        "compressed. The rows stay on this machine."
    )
    uploads = st.file_uploader("Files", type=_SUFFIXES, accept_multiple_files=True)
    path = st.text_input(
        "… or a path on this machine, or a hub data set",
        placeholder="/data/pool.jsonl   or   hf://owner/name@train",
        help="Paths below your home folder, this checkout, or a folder named in WINNOW_DATA.",
    )
    with st.expander("Format and columns: found by itself; say it here when it is not"):
        format_name = st.selectbox("Format", ["auto", *FORMATS])
        columns = _render_columns()
    suggestion = _free_name(uploads[0].name if uploads else path)
    name = st.text_input("Name of the project", value=suggestion, max_chars=60)
    with st.container(horizontal=True):
        if st.button("Read the rows", type="primary", icon=":material/upload:"):
            _try_start(name, uploads, path, format_name, columns)
        if "demo" not in project_names():
            if st.button("Open the demo", icon=":material/play_arrow:"):
                _start("demo", "Build the demo", lambda project: Step("demo"))
        elif st.button("Open the demo", icon=":material/play_arrow:"):
            open_project("demo")
            st.rerun()


def _render_columns() -> dict[str, str]:
    st.caption("Which column plays which role? Leave empty what does not apply.")
    columns: dict[str, str] = {}
    for cell, role in zip(st.columns(4) * 2, COLUMN_ROLES, strict=False):
        name = cell.text_input(role, key=f"column-{role}")
        if name:
            columns[role] = name
    return columns


def _render_unread(view: ProjectView) -> None:
    """A project without rows: its reading goes on, or went wrong."""
    newest = next(iter(jobs.list_jobs(view.project, limit=1)), None)
    if newest and newest.alive:
        st.subheader(f"Reading {as_text(view.project.name)}", anchor=False)
        st.caption("This goes on when you close the page; the strip above shows how far it is.")
        return
    st.subheader(f"{as_text(view.project.name)} has no rows", anchor=False)
    if newest and newest.state.error:
        st.error(as_text(newest.state.error))
        st.caption(
            "Mend the file, or name the columns; then remove this empty project and read again."
        )
    if st.button("Remove this empty project", icon=":material/delete:"):
        with view.project.writing("remove"):  # a command line may be reading into it
            shutil.rmtree(view.project.root, ignore_errors=True)
        open_project(NEW_PROJECT)
        st.rerun()


def _try_start(
    name: str, uploads: list[UploadedFile], path: str, format_name: str, columns: dict[str, str]
) -> None:
    try:
        if bool(uploads) == bool(path.strip()):
            raise InputError("Give either files or a path.")
        source = path.strip()
        if source and not source.startswith("hf://"):
            source = str(_allowed(source))

        def step(project: Project) -> Step:
            files = [str(_keep(project, upload)) for upload in uploads] or [source]
            options: dict[str, Any] = {"files": files, "format": format_name, "columns": columns}
            return Step("init", options)

        _start(_checked_name(name), f"Read {name}", step)
    except WinnowError as error:
        st.error(as_text(error))


def _start(name: str, title: str, make_step: Any) -> None:
    project = Project.create(projects_home() / name)
    if start_job(ProjectView(project), title, [make_step(project)]):
        open_project(name)
        st.rerun()


def _keep(project: Project, upload: UploadedFile) -> Path:
    """Move an upload from memory into the project, where its recipe can find it again."""
    path = project.inputs_dir / Path(upload.name).name
    with atomic_file(path) as temporary, temporary.open("wb") as out:
        shutil.copyfileobj(upload, out)
    upload.close()
    return path


def _allowed(text: str) -> Path:
    """Resolve a typed path; only folders that the user opened to the page are read."""
    path = Path(text).expanduser().resolve()
    extra = [Path(part) for part in os.environ.get("WINNOW_DATA", "").split(os.pathsep) if part]
    if not any(path.is_relative_to(root.resolve()) for root in (Path.home(), Path.cwd(), *extra)):
        raise InputError(
            f"{path} is outside your home folder and this checkout; name its folder in WINNOW_DATA."
        )
    if not path.exists():
        raise InputError(f"There is nothing at {path}; check the path.")
    return path


def _checked_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}", name):
        raise InputError("Name the project with letters, digits, spaces, dots, - or _.")
    if name == "demo" or (projects_home() / name).exists():
        raise InputError(f"There is a project {name!r} already; choose another name.")
    return name


def _free_name(file: str) -> str:
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(file).name.split(".")[0]).strip("-") or "my-pool"
    taken = set(project_names())
    return next(
        name for name in (stem, *(f"{stem}-{n}" for n in range(2, 999))) if name not in taken
    )
