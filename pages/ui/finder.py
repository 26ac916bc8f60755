"""Search on the map page: by words, by meaning or by a condition; what is found is selected."""

import contextlib
import hashlib
from dataclasses import dataclass
from functools import partial

import streamlit as st

from core.errors import WinnowError
from core.lasso import Op
from core.search import Found, find_rows
from core.step_words import SEARCH, step_in_words
from core.view_link import RANKED, Kind
from pages.ui import likeness
from pages.ui.background import Task, desk, follow, result_of, session_id
from pages.ui.encoder import loaded_encoder
from pages.ui.selection import (
    RowSelection,
    Way,
    by_address,
    clear_selection,
    select_found,
    selected,
    selection_steps,
    stored,
)
from pages.ui.state import ProjectView, current_view
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
    "**Meaning**: the kept rows nearest to a text, by the features in use.  \n"
    "**Condition**: SQL over row, source, prompt, answer, n\\_chars (or length), n\\_turns "
    "and the original columns."
)
_ASKED = "find-asked"
_MISSED = "find-missed"  # the empty selection that a search made, and what to say of it
_SEEN = "find-seen"  # the selection that the texts of the search were last set against
_FITS: dict[Kind, str] = {"words": "has", "meaning": "is near", "condition": "meets"}
_WAIT_SECONDS = 0.8  # the first search by meaning loads the encoder, which takes longer
_MORE_SECONDS = 0.1  # that a page which is drawn waits for the same


@dataclass(frozen=True)
class _Wish:
    """What is looked for, and what becomes of it."""

    kind: Kind
    text: str
    op: Op

    @property
    def origin(self) -> str:
        """In words, for the log of decisions."""
        return step_in_words(self.kind, self.text)


def render(view: ProjectView) -> None:
    """Draw the search, and select what is found by a new one."""
    _follow_selection(view)
    st.session_state.setdefault("find-by", "Words")
    how = st.segmented_control(
        "Search by", list(_EXAMPLES), required=True, key="find-by",
        label_visibility="collapsed",
    )  # fmt: skip
    assert how is not None
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
    with st.container(horizontal=True, vertical_alignment="center"):
        st.checkbox(
            "Within the selection",
            key="find-within",
            help="Of what is selected, keep what is found.",
            disabled=nothing,
            width="stretch",
        )
        ranking = likeness.render(view, searching=how == "Meaning")
    if ranking is not None:
        follow([ranking], "Ranking the rows anew: ")
    missed: tuple[RowSelection, str] | None = st.session_state.get(_MISSED)
    if missed and missed[0] is stored(view):
        st.caption(f":material/search_off: {as_text(missed[1])}")
    wish: _Wish | None = st.session_state.get(_ASKED)
    if wish is None:
        return
    try:
        found = _find(view, wish, _MORE_SECONDS)
    except WinnowError as error:
        del st.session_state[_ASKED]
        st.error(as_text(error))
        return
    if isinstance(found, Task):
        follow([found], f"Search by {wish.kind}: ")
        return
    _select(view, wish, found)
    st.rerun()


def clear() -> None:
    """Select nothing, and look for nothing."""
    clear_selection()
    st.session_state.pop(_ASKED, None)
    for how in _EXAMPLES:
        if f"map-search-{how.lower()}" in st.session_state:
            st.session_state[f"map-search-{how.lower()}"] = ""


def _follow_selection(view: ProjectView) -> None:
    """Show the texts that a new selection was found by, and no other; those just asked for stay."""
    now = stored(view)
    if _ASKED in st.session_state or now is st.session_state.get(_SEEN):
        return
    st.session_state[_SEEN] = now
    steps = selection_steps(view)
    found_by = {(step.kind, step.value) for step in steps}
    shown = False
    for how, kind in _KINDS.items():
        key = f"map-search-{how.lower()}"
        text = str(st.session_state.get(key) or "").strip()
        # A selection that no address can name has no steps; its origin says how it came about.
        told = now is not None and _Wish(kind, text, "replace").origin in now.origin
        if text and (kind, text) not in found_by and not told:
            text = st.session_state[key] = ""
        shown = shown or bool(text)
    searches = [step for step in steps if step.kind in _KINDS.values()]
    if searches and not shown and by_address():
        how = next(how for how, kind in _KINDS.items() if kind == searches[-1].kind)
        st.session_state[f"map-search-{how.lower()}"] = searches[-1].value
        st.session_state["find-by"] = how


def look_for_alike(row: int) -> None:
    """Select the kept rows that are like a row, before the page is drawn or as soon as may be."""
    _start(_Wish("like", str(row), "replace"))


def _ask(how: str, key: str) -> None:
    """Follow a new text; an empty one takes back what a search selected."""
    text = str(st.session_state[key] or "").strip()
    if not text:
        st.session_state.pop(_ASKED, None)
        clear_selection(SEARCH)
        return
    _start(_Wish(_KINDS[how], text, "within" if st.session_state.get("find-within") else "replace"))


def _start(wish: _Wish) -> None:
    """Look before the page is drawn, so that it is drawn once; what takes longer, beside it."""
    st.session_state[_ASKED] = wish
    view = current_view()
    with contextlib.suppress(WinnowError):  # which the page meets again, and says
        found = _find(view, wish, _WAIT_SECONDS) if view and view.mapped else None
        if view and isinstance(found, Found):
            _select(view, wish, found)


def _select(view: ProjectView, wish: _Wish, found: Found) -> None:
    """Select what was found; of a search that finds nothing, say so beside its box."""
    del st.session_state[_ASKED]
    by: Way = (wish.kind, wish.text)
    if wish.kind in RANKED and found.ranking is not None:
        cut = likeness.wanted_cut()
        found = likeness.cut_at(wish.kind, wish.text, found.ranking, cut)
        by = (wish.kind, wish.text, cut)
    among = selected(view) if wish.op == "within" else None
    select_found(view, found, wish.origin, wish.op, by=by)
    empty = stored(view)
    if empty is None or selected(view) is not None:
        st.session_state.pop(_MISSED, None)
        return
    where = "No kept row"
    if among:
        count = len(among.rows)
        where = f"None of the {count:,} selected row{'s' * (count != 1)}"
    st.session_state[_MISSED] = (empty, f"{where} {_FITS[wish.kind]} “{wish.text}”.")


def _find(view: ProjectView, wish: _Wish, wait: float) -> Found | Task:
    """What is found, or the task that works it out.

    Of a selection the nearest are looked for in it; all else that is found may lie elsewhere.
    """
    now = selected(view) if wish.op == "within" else None
    among = now.rows if now else None
    gone = now is not None and now.dropped
    find = partial(find_rows, view.seen, pool=view.pool, dropped=gone)
    features = view.features
    assert features is not None

    def work(task: Task) -> Found:
        task.progress(0, 0, "looking through the rows")
        if wish.kind == "words":
            return find(wish.text)
        if wish.kind == "condition":
            return find(where=wish.text)
        if wish.kind == "like":
            return find(like_rows=[int(wish.text)])
        encoder = loaded_encoder(features, task)
        return find(like=wish.text, among=among, encoder=encoder, progress=task.progress)

    of = "" if among is None else hashlib.sha256(among.tobytes()).hexdigest()
    made = (view.project.pointer("pool"), features.fingerprint, view.log_id)
    key = ("search", str(view.project.root), *made, wish.kind, wish.text, of, gone)
    task = desk().ask((session_id(), "search"), key, work, wait=wait, urgent=True)
    found: Found | None = result_of(task)
    if found is not None and found.ranking is not None:
        desk().forget(key)
    return task if found is None else found
