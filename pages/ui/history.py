"""What was decided on the rows: the log, going back in it, notes, tags, exchange with others."""

import tempfile
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from core.decision_exchange import export_decisions, import_decisions
from core.decisions import ACTIONS, LONGEST_NOTE, Entry, annotate, entry_rows, go_back, is_present
from core.errors import InputError, WinnowError
from core.project import Project
from core.view_link import Kind
from pages.ui import errand
from pages.ui.notice import tell
from pages.ui.selection import clicked_rows, newly_picked, select_rows
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_WHAT = 180  # pixels of the column in which it is said what was done, beside notes
_LISTED = 300  # entries; those before them are reached by the command line


def render(view: ProjectView) -> None:
    """Draw the log, the newest entry first, and what can be done with it."""
    _render_log(view, [entry for entry in view.decisions.log if entry.action != "note"])
    _render_tags(view)
    gone = int(view.decisions.dropped.sum())
    if gone:
        st.button(
            f"Select the {gone:,} dropped rows",
            icon=":material/restore_from_trash:",
            width="stretch",
            help="See what was dropped, and restore what should not have been.",
            on_click=_select_dropped,
            args=(view,),
        )
    with st.popover("Exchange with others", icon=":material/sync_alt:", width="stretch"):
        _render_exchange(view)


def _render_log(view: ProjectView, entries: list[Entry]) -> None:
    if not entries:
        st.caption("Nothing was decided yet: all rows are kept.")
        return
    shown = entries[::-1][:_LISTED]
    st.caption("The newest first; a click on one shows all of it.")
    # There is little room: what was done gets all that is left, unless something was noted.
    table = pd.DataFrame(
        {
            "entry": [entry.id for entry in shown],
            "when": [datetime.fromtimestamp(entry.created) for entry in shown],
            "what": [_told(entry) for entry in shown],
        }
    )
    noted = any(entry.note for entry in shown)
    if noted:
        table["note"] = [entry.note or "" for entry in shown]
    event = st.dataframe(
        table,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-cell",
        column_config={
            "entry": st.column_config.NumberColumn("no.", width=40),
            "when": st.column_config.DatetimeColumn("when", format="MMM D HH:mm", width=106),
            "what": st.column_config.TextColumn("what", width=_WHAT if noted else None),
        },
        height=min(240, 36 * (len(shown) + 1) + 3),
        alt="What was decided, the newest first; a click on one shows what can be done with it",
        key=f"history-{shown[0].id}",
    )
    for place in clicked_rows(event):
        _render_entry(view, shown[place])
    if len(entries) > len(shown):
        st.caption(f"The last {len(shown)} of {len(entries):,}.")


def _told(entry: Entry) -> str:
    undone = entry.action in ACTIONS and not entry.active  # first: the column is narrow
    return (
        f"(undone) {entry.sentence}"
        if undone
        else f"{entry.sentence[0].upper()}{entry.sentence[1:]}"
    )


def _render_entry(view: ProjectView, entry: Entry) -> None:
    assert view.pool is not None
    with st.container(border=True):
        when = datetime.fromtimestamp(entry.created).strftime("%Y-%m-%d %H:%M:%S")
        facts = [as_text(_told(entry)), f"entry {entry.id}", when, as_text(entry.origin)]
        st.caption(" · ".join(fact for fact in facts if fact))
        with st.container(horizontal=True, gap="small"):
            if entry.action in ACTIONS:
                st.button(
                    "Show these rows",
                    icon=":material/select_all:",
                    help="Select the rows of this decision on the map.",
                    on_click=_select_rows_of,
                    args=(view, entry),
                )
            here = is_present(view.project, view.pool.rows, entry.id)
            st.button(
                "Back to here",
                icon=":material/history:",
                disabled=here,
                help="The rows are now as they were right after this."
                if here
                else "Bring back the rows as they were right after this; undo takes that back.",
                on_click=_try,
                args=(go_back, view, entry.id),
            )
        if entry.action in ACTIONS:
            # A note written elsewhere is another field: this one must not write its own again.
            key = f"note-{entry.id}-{view.log_id}"
            st.text_input(
                "Note", entry.note or "", max_chars=LONGEST_NOTE, key=key,
                on_change=_note, args=(view, entry, key),
            )  # fmt: skip


def _select_rows_of(view: ProjectView, entry: Entry) -> None:
    """Select the rows of a decision: the dropped ones of a drop, else those that are kept."""
    assert view.pool is not None
    rows = entry_rows(view.project, view.pool.rows, entry.id)
    gone = view.decisions.dropped[rows]
    dropped = bool(gone.all() or (entry.action == "drop" and gone.any()))
    by: tuple[Kind, str] = ("entry", str(entry.id))
    select_rows(view, rows, f"entry {entry.id} of the log", by=by, dropped=dropped)


def _select_dropped(view: ProjectView) -> None:
    rows = np.flatnonzero(view.decisions.dropped)
    select_rows(view, rows, "all that is dropped", by=("condition", "row >= 0"), dropped=True)


def _note(view: ProjectView, entry: Entry, key: str) -> None:
    try:
        annotate(view.project, entry.id, str(st.session_state[key] or ""))
    except WinnowError as error:
        tell(error, failed=True)


def _try(step: object, view: ProjectView, *arguments: object) -> None:
    assert callable(step) and view.pool is not None
    try:
        step(view.project, view.pool.rows, *arguments)
    except WinnowError as error:
        tell(error, failed=True)


def _render_tags(view: ProjectView) -> None:
    """The tags with their rows; a click selects them."""
    tags = view.decisions.tags
    if not tags.counts:
        return
    names = sorted(tags.counts, key=lambda label: (-tags.counts[label], label))
    key = f"tags-{len(names)}"
    draw = partial(
        st.dataframe,
        pd.DataFrame({"tag": names, "rows": [tags.counts[label] for label in names]}),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-cell",
        height="content" if len(names) < 6 else 220,
        alt="Tags with their rows; a click selects them",
        key=key,
    )
    for place in newly_picked(key, draw) or ():
        label = names[place]
        rows = np.flatnonzero(tags[label] & ~view.decisions.dropped)
        select_rows(view, rows, f"tag {label}")
        st.rerun()


def _render_exchange(view: ProjectView) -> None:
    st.caption(
        "A file of all decisions that stand. Who reads it into a project of the same pool gets "
        "those that are new there; where both decided, the imported decision comes last and holds."
    )
    st.download_button(
        "Download the decisions",
        data=lambda: _exported(view),
        file_name=f"{view.project.name}-decisions.json",
        mime="application/json",
        disabled=not any(entry.active for entry in view.decisions.log),
        icon=":material/download:",
    )
    upload = st.file_uploader("Decisions of somebody else", type="json", key="decisions-file")
    idle = upload is not None and not errand.busy()
    if st.button("Add them", disabled=not idle) and upload is not None:
        name, content = upload.name, upload.getvalue()
        read = partial(_imported, view.project, name, content)
        errand.start(f"Reading {name}", read, then=partial(_settle, view))


def _settle(before: ProjectView, sentence: str) -> None:
    """Say what was read in, unless another project is looked at now."""
    if st.session_state["project"] == before.project.root.name:
        tell(sentence)


def _imported(project: Project, name: str, content: bytes) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.json"
        path.write_bytes(content)
        try:
            return import_decisions(project, path).sentence
        except InputError as error:
            raise InputError(str(error).replace(str(path), name)) from None


def _exported(view: ProjectView) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.json"
        export_decisions(view.project, path)
        return path.read_bytes()
