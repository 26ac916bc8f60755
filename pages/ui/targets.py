"""Target sets: pick one, or add one by upload, by pasting, or from rows of the pool."""

import json
import re
import secrets
from pathlib import Path

import streamlit as st

from core.errors import InputError, WinnowError
from core.project import atomic_file
from core.targets import add_target, add_target_from_rows, check_name, list_targets
from core.values import decode_ranges
from pages.ui.notice import tell
from pages.ui.selection import selected
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_NAME, _FILE, _BY_FILE = "target-name", "target-file", "target-name-by-file"
_LONGEST = 40  # characters of a name
_RENAME = "; in the file, call them instruction and output, messages, or text"


def render_choice(view: ProjectView) -> str | None:
    """Draw the choice of a target set and the ways to add one; return its name, if there is one."""
    known = {info.name: info for info in list_targets(view.project)}
    added = st.session_state.pop("target_added", None)
    if added in known:
        st.session_state["target"] = added
        st.session_state[_NAME] = ""
    chosen = st.selectbox(
        "Target set",
        list(known),
        format_func=lambda name: f"{name} · {known[name].rows} rows",
        placeholder="None yet",
        key="target",
        persist_state="session",
    )
    _render_popover(view, len(known))
    return chosen


def render_offer(view: ProjectView, label: str) -> None:
    """Offer the first target set of a project, where the method is one that needs none."""
    st.caption(f"A target set makes it target-driven: rows like its examples, by {label}.")
    _render_popover(view, 0)


def just_added() -> bool:
    """Whether a target set came in since the page was last drawn."""
    return "target_added" in st.session_state


def _render_popover(view: ProjectView, known: int) -> None:
    # Another key for each number of sets: it is closed again once one was added.
    with st.popover(
        "Add a target set", icon=":material/add:", width="stretch", key=f"add-target-{known}"
    ):
        _render_add(view)


def _render_add(view: ProjectView) -> None:
    st.caption("A few rows like those that you want more of: 10 to 200 are plenty.")
    how = st.segmented_control(
        "How",
        ["Upload", "Paste", "From the pool"],
        default="Upload",
        required=True,
        label_visibility="collapsed",
    )
    name = st.text_input(
        "Name of the target set",
        max_chars=_LONGEST,
        placeholder="Needed: letters, digits, - and _",
        key=_NAME,
    )
    try:
        if name:
            check_name(name)
    except InputError as error:
        st.error(as_text(error))
        name = ""
    try:
        if how == "Upload":
            _add_upload(view, name)
        elif how == "Paste":
            _add_pasted(view, name)
        else:
            _add_rows(view, name)
    except WinnowError as error:
        st.error(as_text(error))


def name_of(file: str) -> str:
    """What a target set from this file may be called; "" where nothing of its name can be used."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", Path(file).stem).strip("-_")[:_LONGEST]


def _name_by_file() -> None:
    """Fill in the name, unless somebody wrote one."""
    state, upload = st.session_state, st.session_state[_FILE]
    if upload and state.get(_NAME, "") in ("", state.get(_BY_FILE)):
        state[_NAME] = state[_BY_FILE] = name_of(upload.name)


def _add_upload(view: ProjectView, name: str) -> None:
    upload = st.file_uploader("File", key=_FILE, on_change=_name_by_file)
    if st.button("Add", disabled=not (upload and name), key="add-upload") and upload:
        _add_file(view, name, Path(upload.name).name, upload.getvalue())


def _add_pasted(view: ProjectView, name: str) -> None:
    text = st.text_area(
        "One example a line: plain text, or JSON objects",
        height=160,
        key="target-text",
        placeholder="Natalia sold clips to 48 of her friends in April …",
    )
    if st.button("Add", disabled=not (text.strip() and name), key="add-pasted"):
        lines = [_as_json(i, line) for i, line in enumerate(text.splitlines(), 1) if line.strip()]
        _add_file(view, name, "pasted.jsonl", "\n".join(lines).encode())


def _as_json(number: int, line: str) -> str:
    if not line.lstrip().startswith("{"):
        return json.dumps({"text": line}, ensure_ascii=False)
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"Line {number} is no valid JSON ({error.msg}, character {error.colno}): "
            f"{line.strip()[:60]}"
        ) from None
    return line


def _add_rows(view: ProjectView, name: str) -> None:
    chosen = selected(view)
    count = len(chosen.rows) if chosen else 0
    st.caption(
        f"{count:,} rows are selected on the Map page."
        if count
        else "Lasso rows on the Map page, or give row numbers."
    )
    text = st.text_input("Row numbers", placeholder="12, 40-45", key="target-rows")
    if st.button("Add", disabled=not (name and (text or count)), key="add-rows"):
        rows = decode_ranges(text.replace(" ", "")) if text or not chosen else chosen.rows
        _done(add_target_from_rows(view.project, name, rows).rows, name)


def _add_file(view: ProjectView, name: str, file: str, data: bytes) -> None:
    """Keep the rows in the project, where a recipe finds them again, and make a set of them."""
    check_name(name)
    path = view.project.inputs_dir / f"target-{name}-{secrets.token_hex(3)}-{file}"
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)
    try:
        rows = add_target(view.project, name, [str(path)]).rows
    except WinnowError as error:
        path.unlink()
        raise InputError(_for_page(str(error).replace(str(path), file))) from None
    _done(rows, name)


def _for_page(text: str) -> str:
    """A message without hints for the command line, which alone can map columns of a target."""
    return re.sub(r": (say|name)[^:]* with a column mapping \(--column [^)]*\)", _RENAME, text)


def _done(rows: int, name: str) -> None:
    st.session_state["target_added"] = name
    tell(f"Target set {name}: {rows:,} rows.")
    st.rerun()
