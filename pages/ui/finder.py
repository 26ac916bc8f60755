"""Search on the map page: by words, by meaning or by a condition; what is found is selected."""

import hashlib
from functools import partial

import numpy as np
import streamlit as st

from core.encoders.base import Encoder
from core.errors import WinnowError
from core.features import Features
from core.lasso import Op
from core.pool_encoder import pool_encoder
from core.search import LIKE, Found, find_rows
from core.view_link import Kind
from pages.ui.background import Task, desk, follow, result_of, session_id
from pages.ui.notice import tell
from pages.ui.selection import RowSelection, clear_selection, select_rows, selected
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_EXAMPLES = {
    "Words": 'A word, or "a phrase"',
    "Meaning": "What the rows should be about",
    "Condition": "n_chars > 2000 AND source = 'dolly'",
}
_KINDS: dict[str, Kind] = {"Words": "words", "Meaning": "meaning", "Condition": "condition"}
_HELP = (
    '**Words**: all of them stand in the row. `cat` finds cats and category, `"cat"` in double '
    "quotes only cat, and so do phrases; `*cat` also finds locate.  \n"
    f"**Meaning**: the {LIKE} kept rows nearest to a text, by the features in use.  \n"
    "**Condition**: SQL over row, source, prompt, answer, n\\_chars, n\\_turns and the original "
    "columns."
)
_ASKED = "find-asked"
_ORIGIN = "search by"
_WAIT_SECONDS = 0.8  # the first search by meaning loads the encoder, which takes longer
_encoders: dict[str, Encoder] = {}  # of the desk's one thread: the one that was used last


def render(view: ProjectView) -> None:
    """Draw the search, and select what is found by a new one."""
    how = st.segmented_control(
        "Search by", list(_EXAMPLES), default="Words", required=True, key="find-by",
        label_visibility="collapsed",
    )  # fmt: skip
    # Each way has a text of its own: a word is no condition.
    key = f"map-search-{how.lower()}"
    st.text_input(
        f"Search by {how.lower()}", placeholder=_EXAMPLES[how], type="search", key=key,
        help=_HELP, label_visibility="collapsed", on_change=_ask, args=(how, key),
    )  # fmt: skip
    nothing = selected(view) is None
    if nothing:
        st.session_state["find-within"] = False
    # Always there: what stands below must not move under the pointer.
    st.checkbox(
        "Within the selection",
        key="find-within",
        help="Of what is selected, keep what is found.",
        disabled=nothing,
    )
    asked = st.session_state.get(_ASKED)
    if asked is None:
        return
    how, text, op = asked
    now = selected(view)
    try:
        found = _find(view, how, text, now if op == "within" else None)
    except WinnowError as error:
        del st.session_state[_ASKED]
        st.error(as_text(error))
        return
    if found is None:
        return
    del st.session_state[_ASKED]
    within = op == "within" and now is not None
    fits = np.isin(found.rows, now.rows).any() if within and now else len(found.rows)
    if not fits:
        kind = "dropped" if within and now and now.dropped else "kept"
        tell(f"No row that is {kind} fits “{text}”.")
        if within:  # what it was looked for in is not lost
            st.rerun()
    origin = f"{_ORIGIN} {how.lower()} for {text!r}"
    select_rows(view, found.rows, origin, op, by=(_KINDS[how], text), cosines=found.cosines)
    st.rerun()


def clear() -> None:
    """Select nothing, and look for nothing."""
    clear_selection()
    st.session_state.pop(_ASKED, None)
    for how in _EXAMPLES:
        if f"map-search-{how.lower()}" in st.session_state:
            st.session_state[f"map-search-{how.lower()}"] = ""


def _ask(how: str, key: str) -> None:
    """Take note of a new text; an empty one takes back what a search selected."""
    text = str(st.session_state[key] or "").strip()
    st.session_state.pop(_ASKED, None)
    if not text:
        clear_selection(_ORIGIN)
        return
    op: Op = "within" if st.session_state.get("find-within") else "replace"
    st.session_state[_ASKED] = (how, text, op)


def _find(view: ProjectView, how: str, text: str, within: RowSelection | None) -> Found | None:
    """What is found; None while that is worked out.

    Of a selection the nearest are looked for in it; all else that is found may lie elsewhere.
    """
    among = within.rows if within else None
    gone = within is not None and within.dropped
    find = partial(find_rows, view.seen, pool=view.pool, dropped=gone)
    features = view.features
    assert features is not None

    def work(task: Task) -> Found:
        task.progress(0, 0, "looking through the rows")
        if how == "Words":
            return find(text)
        if how == "Condition":
            return find(where=text)
        encoder = loaded_encoder(features, task)
        return find(like=text, among=among, encoder=encoder, progress=task.progress)

    of = "" if among is None else hashlib.sha256(among.tobytes()).hexdigest()
    made = (view.project.pointer("pool"), features.fingerprint, view.log_id)
    key = ("search", str(view.project.root), *made, how, text, of, gone)
    task = desk().ask((session_id(), "search"), key, work, wait=_WAIT_SECONDS, urgent=True)
    found: Found | None = result_of(task)
    if found is None:
        follow([task], f"Search by {how.lower()}: ")
    return found


def loaded_encoder(features: Features, task: Task) -> Encoder:
    """The encoder of some features, loaded at its first use; for the desk's thread."""
    name = f"{features.encoder}-{features.meta.get('revision')}"
    if name not in _encoders:
        task.progress(0, 0, "loading the encoder")
        loaded = pool_encoder(features, task.progress)
        _encoders.clear()
        _encoders[name] = loaded
    return _encoders[name]
