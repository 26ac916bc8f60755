"""The way into Winnow: files, a path or the demo become the pool of a new project."""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core import jobs
from core.errors import InputError, WinnowError
from core.inputs import HUB_PREFIX
from core.jobs import Step
from core.paths import user_path
from core.peek import Peek, peek
from core.project import Project
from core.project_deletion import delete_project
from core.records import COLUMN_ROLES, FORMATS
from pages.ui.state import (
    NEW_PROJECT,
    ProjectView,
    is_private,
    open_project,
    project_names,
    projects_home,
)
from pages.ui.strip import start_job
from pages.ui.text import as_text

_SUFFIXES = ["json", "jsonl", "csv", "tsv", "parquet", "arrow", "gz", "zst"]
_ROLE_HELP = {
    "messages": "A list of turns.",
    "text": "Plain text without question and answer.",
    "source": "Where a row is from; else the column `source`, or the file's name.",
    "quality": "A number, higher is better.",
}
# What the engine says of a column mapping, and what is done about it here.
_MAPPING = {
    "say which is which with a column mapping": "choose above which is which",
    "name the right ones with a column mapping": "choose the right ones above",
}
_KINDS_OF_REASONS = 3  # that are listed


@dataclass(frozen=True)
class _Source:
    """Where rows come from: files on this machine, or a hub data set. `suggestion` names it."""

    files: tuple[str, ...]
    suggestion: str


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
        help="A file, or a folder of files. A server that others can open reads only below your "
        "home folder, its checkout, and folders that the environment variable WINNOW_DATA names.",
    )
    try:
        source = _source(uploads, path.strip())
        if source is None:
            _render_demo()
        else:
            _render_source(source)
    except WinnowError as error:
        st.error(as_text(_for_page(str(error))))


def _for_page(text: str) -> str:
    """A message that names uploads as the user knows them, without hints for the command line."""
    text = re.sub(r" \(--column [^)]*\)", "", text)
    for said, here in _MAPPING.items():
        text = text.replace(said, here)
    for folder in st.session_state.get("staged", {}).values():
        text = text.replace(f"{folder.name}/", "")
    return text


def _source(uploads: list[UploadedFile], path: str) -> _Source | None:
    if uploads and path:
        raise InputError("Give either files or a path: empty one of the two.")
    if uploads:
        return _Source(tuple(map(_staged, uploads)), uploads[0].name)
    st.session_state.pop("staged", None)
    if not path:
        return None
    return _Source((path if path.startswith(HUB_PREFIX) else str(_allowed(path)),), path)


def _staged(upload: UploadedFile) -> str:
    """Write an upload to the disk once; the folder goes when the session forgets it."""
    staged = st.session_state.setdefault("staged", {})
    if upload.file_id not in staged:
        projects_home().mkdir(parents=True, exist_ok=True)
        folder = TemporaryDirectory(prefix=".upload-", dir=projects_home())
        with (Path(folder.name) / Path(upload.name).name).open("wb") as out:
            shutil.copyfileobj(upload, out)
        staged[upload.file_id] = folder
    return str(Path(staged[upload.file_id].name) / Path(upload.name).name)


def _render_demo() -> None:
    if "demo" in project_names():
        if st.button("Open the demo", icon=":material/play_arrow:"):
            open_project("demo")
            st.rerun()
    elif st.button(
        "Build the demo",
        icon=":material/play_arrow:",
    ):
        _start("demo", "Build the demo", lambda project: Step("demo"))
    else:
        st.caption("5,000 rows of five open data sets, with two target sets; about a minute.")


def _render_source(source: _Source) -> None:
    """What the first rows look like, the settings that change it, and the button that reads all."""
    at_first = _peek(source, "auto", {})
    unknown = not at_first.good and bool(at_first.columns)
    with st.expander("Format and columns", expanded=unknown):
        hint = st.empty()
        format_name = st.selectbox("Format", ["auto", *FORMATS])
        columns = _render_columns(at_first)
    changed = format_name != "auto" or columns
    found = _peek(source, format_name, columns) if changed else at_first
    if unknown and not found.good:
        hint.caption("No known format fits. Which column plays which role?")
    _render_peek(found)
    name = st.text_input("Name of the project", value=_free_name(source.suggestion), max_chars=60)
    if st.button(
        "Read the rows", type="primary", icon=":material/upload:", disabled=not found.good
    ):
        _start(
            _checked_name(name),
            f"Read {name}",
            lambda project: Step(
                "init",
                {"files": _kept(project, source), "format": format_name, "columns": columns},
            ),
        )


def _peek(source: _Source, format_name: str, columns: dict[str, str]) -> Peek:
    local = [file for file in map(Path, source.files) if file.is_file()]
    changed = tuple((file.stat().st_mtime_ns, file.stat().st_size) for file in local)
    key = (source.files, changed, format_name, tuple(columns.items()))
    known = st.session_state.get("peeked")
    if known is None or known[0] != key:
        with st.spinner("Looking at the first rows …", show_time=True):
            known = (key, peek(source.files, format=format_name, columns=columns))
        st.session_state["peeked"] = known
    return known[1]


def _render_columns(found: Peek) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for cell, role in zip(st.columns(4) * 2, COLUMN_ROLES, strict=False):
        guess = found.guess.get(role)
        name = cell.selectbox(
            role,
            found.columns,
            index=found.columns.index(guess) if guess else None,
            placeholder="—",
            help=_ROLE_HELP.get(role),
            key=f"column-{role}-{'-'.join(found.columns)}",
        )
        if name:
            chosen[role] = name
    return chosen


def _render_peek(found: Peek) -> None:
    if not found.good:
        st.warning(_why_none(found), icon=":material/info:")
        return
    formats = ", ".join(
        f"{name} ({count})" if len(found.formats) > 1 else name
        for name, count in found.formats.items()
    )
    text = f"Read as **{formats}**; the first rows:"
    if found.rejected:
        text = (
            f"Read as **{formats}**; {found.rejected:,} of the first "
            f"{found.good + found.rejected:,} rows would be left out "
            f"(the first: {as_text(found.reason)}). The first good rows:"
        )
    st.markdown(text)
    st.dataframe(
        [{"prompt": one.prompt or one.text, "answer": one.answer} for one in found.samples],
        hide_index=True,
        alt="The first rows as they will be read",
    )


def _why_none(found: Peek) -> str:
    """Why no row can be used; each reason with its rows where there are several."""
    if not found.rejected:
        return "There are no rows in it."
    said = f"None of the first {found.rejected:,} rows can be used"
    if len(found.reasons) == 1:
        return as_text(f"{said}: {_for_page(found.reason)}.")
    kinds = list(found.reasons.items())
    lines = [
        f"- {count:,} row{'s' * (count != 1)}: {as_text(_for_page(reason))}"
        for reason, count in kinds[:_KINDS_OF_REASONS]
    ]
    more = sum(count for _, count in kinds[_KINDS_OF_REASONS:])
    return "\n".join([f"{said}:\n", *lines, *([f"- {more:,} for other reasons"] if more else [])])


def _render_unread(view: ProjectView) -> None:
    """A project without rows: its reading goes on, or went wrong."""
    newest = next(iter(jobs.list_jobs(view.project, limit=1)), None)
    if newest and newest.alive:
        st.subheader(f"Reading {as_text(view.project.name)}", anchor=False)
        st.caption("This goes on when you close the page; the strip above shows how far it is.")
        return
    st.subheader(f"{as_text(view.project.name)} has no rows", anchor=False)
    st.caption("Nothing was read into it. Remove it and read again, with other files or columns.")
    if st.button("Remove and start over", type="primary", icon=":material/restart_alt:"):
        delete_project(view.project.root)  # not while a command line reads into it
        open_project(NEW_PROJECT)
        st.rerun()


def _start(name: str, title: str, make_step: Callable[[Project], Step]) -> None:
    project = Project.create(projects_home() / name)
    if start_job(ProjectView(project), title, [make_step(project)]):
        for key in ("staged", "peeked"):
            st.session_state.pop(key, None)
        open_project(name)
        st.rerun()


def _kept(project: Project, source: _Source) -> list[str]:
    """Move uploads into the project, where its recipe finds them again; leave other files alone."""
    if "staged" not in st.session_state:
        return [*source.files]
    project.inputs_dir.mkdir(parents=True, exist_ok=True)
    kept = []
    for number, file in enumerate(source.files):
        to = project.inputs_dir / Path(file).name
        if to.exists():  # two uploads of one name
            to = to.with_name(f"{number}-{to.name}")
        kept.append(str(shutil.move(file, to)))
    return kept


def _allowed(text: str) -> Path:
    """Resolve a typed path; only folders that the user opened to the page are read."""
    path = user_path(text).resolve()
    extra = [Path(part) for part in os.environ.get("WINNOW_DATA", "").split(os.pathsep) if part]
    roots = (Path.home(), Path.cwd(), *extra)
    if not is_private() and not any(path.is_relative_to(root.resolve()) for root in roots):
        raise InputError(
            f"{path} is outside your home folder and this checkout; start the server with the "
            "environment variable WINNOW_DATA naming its folder."
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
