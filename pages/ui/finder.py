"""Search on the map page: by words, by meaning or by a condition; what is found is selected."""

import streamlit as st

from core.encoders.base import Encoder
from core.errors import WinnowError
from core.features import Features
from core.lasso import Op
from core.pool_encoder import pool_encoder
from core.search import LIKE, Found, find_rows
from core.view_link import Kind
from pages.ui.background import Task, desk, follow, result_of
from pages.ui.selection import clear_selection, select_rows, selected
from pages.ui.state import ProjectView
from pages.ui.text import as_text

_EXAMPLES = {
    "Words": 'A word, or "a phrase"',
    "Meaning": "What the rows should be about",
    "Condition": "n_chars > 2000 AND source = 'dolly'",
}
_KINDS: dict[str, Kind] = {"Words": "words", "Meaning": "meaning", "Condition": "condition"}
_HELP = (
    "**Words**: all of them stand in the row; a phrase in double quotes.  \n"
    f"**Meaning**: the {LIKE} kept rows nearest to a text, by the features in use.  \n"
    "**Condition**: SQL over row, source, prompt, answer, n\\_chars, n\\_turns and the original "
    "columns."
)
_WAIT_SECONDS = 0.8  # for a search by meaning; the first one loads the encoder, which takes longer
_encoders: dict[str, Encoder] = {}  # of the desk's one thread: the one that was used last


def render(view: ProjectView) -> None:
    """Draw the search, and select what is found by a new one."""
    how = st.segmented_control(
        "Search by", list(_EXAMPLES), default="Words", required=True, key="find-by",
        label_visibility="collapsed",
    )  # fmt: skip
    # Each way has a text of its own: a word is no condition.
    key = f"map-search-{how.lower()}"
    text = st.text_input(
        f"Search by {how.lower()}", placeholder=_EXAMPLES[how], type="search", key=key,
        help=_HELP, label_visibility="collapsed",
    )  # fmt: skip
    within = selected(view) is not None and st.checkbox(
        "Within the selection", key="find-within", help="Of what is selected, keep what is found."
    )
    asked, known = text.strip(), f"{key}-done"
    if asked == st.session_state.get(known, ""):
        return
    if not asked:
        st.session_state[known] = asked
        clear_selection()
        st.rerun()
    try:
        found = _find(view, how, asked)
    except WinnowError as error:
        st.error(as_text(error))
        return
    if found is None:
        return
    st.session_state[known] = asked
    if not len(found.rows):
        clear_selection()
        st.caption(f"No row that is kept fits “{as_text(text)}”.")
        return
    op: Op = "within" if within else "replace"
    select_rows(
        view, found.rows, f"search by {how.lower()} for {asked!r}", op, by=(_KINDS[how], asked)
    )
    st.rerun()


def _find(view: ProjectView, how: str, text: str) -> Found | None:
    """What is found; None while that is worked out."""
    if how == "Words":
        return find_rows(view.project, text)
    if how == "Condition":
        return find_rows(view.project, where=text)
    features = view.features
    assert features is not None

    def work(task: Task) -> Found:
        encoder = _encoder(features, task)
        return find_rows(view.project, like=text, encoder=encoder, progress=task.progress)

    state = (features.fingerprint, len(view.decisions.log))
    task = desk().ask("meaning", (str(view.project.root), *state, text), work, wait=_WAIT_SECONDS)
    found: Found | None = result_of(task)
    if found is None:
        follow([task], "Search by meaning: ")
    return found


def _encoder(features: Features, task: Task) -> Encoder:
    name = f"{features.encoder}-{features.meta.get('revision')}"
    if name not in _encoders:
        task.progress(0, 0, "loading the encoder")
        loaded = pool_encoder(features, task.progress)
        _encoders.clear()
        _encoders[name] = loaded
    return _encoders[name]
